"""EPUB: its chapters in reading order. Source: EPUB 3.3, sections 4 (container) and 5 (package document)."""

from __future__ import annotations

import posixpath
import zipfile
from typing import Any
from urllib.parse import unquote

from rag.errors import ParseFailed
from rag.reading.archives import open_zip
from rag.reading.builder import TextBuilder, one_line
from rag.reading.decoding import decode
from rag.reading.document import Tools
from rag.reading.formats.html import html_into
from rag.types import Document

_CONTAINER = "META-INF/container.xml"
_OPF = "{http://www.idpf.org/2007/opf}"
_DC_TITLE = "{http://purl.org/dc/elements/1.1/}title"
_ROOTFILE = "{urn:oasis:names:tc:opendocument:xmlns:container}rootfile"
_PAGES = ("application/xhtml+xml", "text/html")
_ENCRYPTION = "META-INF/encryption.xml"


def read(data: bytes, tools: Tools) -> Document:
    """A document of the book's text. Raises ParseFailed: damaged, encrypted, bomb, too_large."""
    with open_zip(data, tools.limits) as archive:
        names = set(archive.namelist())
        package_path = _package_path(archive, names)
        package = _xml(archive.read(package_path))
        builder = TextBuilder(tools.limits)
        for number, path in enumerate(_spine(package, package_path), 1):
            if path in names:
                html_into(builder, decode(archive.read(path)).text, place=f"chapter {number}", anchored=False)
        if not builder.blocks and _ENCRYPTION in names:
            raise ParseFailed("This book is encrypted.", reason="encrypted")
    title = one_line(package.findtext(f".//{_DC_TITLE}") or "")
    return Document("prose", builder.text, title=title, exact=False, blocks=tuple(builder.blocks))


def _xml(data: bytes) -> Any:
    from lxml import etree

    return etree.fromstring(data, etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False))


def _package_path(archive: zipfile.ZipFile, names: set[str]) -> str:
    """Where the package document is."""
    found = _xml(archive.read(_CONTAINER)).find(f".//{_ROOTFILE}") if _CONTAINER in names else None
    path = found.get("full-path", "") if found is not None else ""
    if path not in names:
        raise ParseFailed("This EPUB has no package document.", reason="damaged")
    return str(path)


def _spine(package: Any, package_path: str) -> list[str]:
    """The names of the pages in the order of reading."""
    folder = posixpath.dirname(package_path)
    items = {item.get("id"): item for item in package.iter(f"{_OPF}item")}
    found = []
    for reference in package.iter(f"{_OPF}itemref"):
        item = items.get(reference.get("idref"))
        if item is not None and item.get("media-type") in _PAGES:
            found.append(posixpath.normpath(posixpath.join(folder, unquote(item.get("href", "")))))
    return found
