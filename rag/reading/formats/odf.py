"""ODT and the other OpenDocument files: headings, paragraphs, lists, tables. Source: OpenDocument 1.3, part 3."""

from __future__ import annotations

from typing import Any

from rag.errors import ParseFailed
from rag.reading.archives import open_zip, refuse_nested_entities
from rag.reading.builder import TextBuilder, one_line
from rag.reading.document import Tools
from rag.types import Document

_OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
_TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_DRAW = "{urn:oasis:names:tc:opendocument:xmlns:drawing:1.0}"
_DC_TITLE = "{http://purl.org/dc/elements/1.1/}title"
_MANIFEST = "META-INF/manifest.xml"
_HEADER = 400
_MOST_REPEATED = 50  # a cell or row may claim to be repeated a million times
_MARKS = {f"{_TEXT}tab": "\t", f"{_TEXT}line-break": "\n"}
_NOT_TEXT = frozenset({f"{_TEXT}tracked-changes", f"{_TEXT}sequence-decls", f"{_OFFICE}annotation", f"{_OFFICE}forms"})


def read(data: bytes, tools: Tools) -> Document:
    """A document, a table (ODS) or slides (ODP). Raises ParseFailed: damaged, encrypted, bomb, too_large."""
    root, title = _roots(data, tools)
    body = root.find(f"{_OFFICE}body")
    if body is None or not len(body):
        raise ParseFailed("This OpenDocument file has no body.", reason="damaged")
    builder = TextBuilder(tools.limits)
    reader = _Reader(builder)
    reader.walk(body[0])
    kind = body[0].tag.removeprefix(_OFFICE)
    return Document(
        "table" if kind == "spreadsheet" else "slides" if kind == "presentation" else "prose",
        builder.text,
        title=title or reader.title,
        exact=False,
        blocks=tuple(builder.blocks),
        pages=tuple(builder.pages),
    )


def _roots(data: bytes, tools: Tools) -> tuple[Any, str]:
    """The root of the content, and the title."""
    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    if not data.startswith(b"PK"):  # one flat XML file
        refuse_nested_entities(data[:65536].decode("utf-8", "replace"))
        root = etree.fromstring(data, parser)
        return root, one_line(root.findtext(f"{_OFFICE}meta/{_DC_TITLE}") or "")
    with open_zip(data, tools.limits) as archive:
        if _MANIFEST in archive.namelist() and b"encryption-data" in archive.read(_MANIFEST):
            raise ParseFailed("This document is protected with a password.", reason="encrypted")
        root = etree.fromstring(archive.read("content.xml"), parser)
        meta = etree.fromstring(archive.read("meta.xml"), parser) if "meta.xml" in archive.namelist() else root
    return root, one_line(meta.findtext(f".//{_DC_TITLE}") or "")


class _Reader:
    """Goes through the body; elements that only hold others are gone into (lxml allows a depth of 256)."""

    def __init__(self, builder: TextBuilder) -> None:
        self.title = ""
        self._builder = builder
        self._page = 0

    def walk(self, element: Any, in_list: bool = False) -> None:
        """Add what is in an element, in order."""
        for child in element:
            tag = child.tag
            if not isinstance(tag, str) or tag in _NOT_TEXT:
                continue
            if tag == f"{_TEXT}h":
                self._heading(child)
            elif tag == f"{_TEXT}p":
                self._paragraph(child, in_list)
            elif tag == f"{_TABLE}table":
                self._table(child)
            elif tag == f"{_DRAW}page":
                self._slide(child)
            else:
                self.walk(child, in_list or tag == f"{_TEXT}list")

    def _heading(self, element: Any) -> None:
        text = one_line(_words(element), 1000)
        level = element.get(f"{_TEXT}outline-level", "1")
        self._builder.heading(int(level) if level.isdecimal() else 1, text)
        self.title = self.title or text

    def _paragraph(self, element: Any, in_list: bool) -> None:
        text = _words(element).strip()
        self._builder.add("list" if in_list else "paragraph", f"- {text}" if in_list and text else text)

    def _slide(self, element: Any) -> None:
        self._page += 1
        first = len(self._builder.blocks)
        self._builder.outline.leave()
        self.walk(element)
        self._builder.page(self._page, first)

    def _table(self, element: Any) -> None:
        name = element.get(f"{_TABLE}name", "")
        rows = [" | ".join(_cells(row)).rstrip(" |") for row in element.iter(f"{_TABLE}table-row")]
        if element.getparent().tag != f"{_OFFICE}spreadsheet":
            self._builder.add("table", "\n".join(row for row in rows if row))
            return
        self._page += 1
        first, header = len(self._builder.blocks), tuple[str, ...]()
        for number, row in enumerate(rows, 1):
            above = (f"Sheet {name}", *header)
            self._builder.add("row", row, place=f"sheet {name}, row {number}", headings=above)
            header = header or ((one_line(row, _HEADER),) if " | " in row else ())
        self._builder.page(self._page, first)


def _cells(row: Any) -> list[str]:
    cells: list[str] = []
    for cell in row.iterchildren(f"{_TABLE}table-cell", f"{_TABLE}covered-table-cell"):
        text = " ".join(one_line(_words(paragraph), 10_000) for paragraph in cell.iter(f"{_TEXT}p"))
        repeated = cell.get(f"{_TABLE}number-columns-repeated", "1")
        cells += [text] * min(int(repeated) if repeated.isdecimal() else 1, _MOST_REPEATED)
    return cells


def _words(element: Any) -> str:
    """The text of a paragraph with the spaces, tabs and line ends that are elements, without its annotations."""
    from lxml import etree

    pieces: list[str] = []
    walk = etree.iterwalk(element, events=("start", "end"))
    for event, child in walk:
        if event == "end":
            pieces.append(child.tail or "" if child is not element else "")
        elif child.tag in _NOT_TEXT:
            walk.skip_subtree()
        elif child.tag == f"{_TEXT}s":
            count = child.get(f"{_TEXT}c", "1")
            pieces.append(" " * min(int(count) if count.isdecimal() else 1, _MOST_REPEATED))
        else:
            pieces.append(_MARKS.get(child.tag) or (child.text or "" if isinstance(child.tag, str) else ""))
    return "".join(pieces)
