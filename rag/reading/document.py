"""One file → one document: the bytes are read, their format is found, and its reader is asked."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

from rag.errors import ParseFailed
from rag.reading import signatures
from rag.reading.decoding import clean, decode
from rag.reading.languages import FileType, file_type, refine, type_by_content
from rag.reading.source import Source, read_source
from rag.reading.types import MIB, Limits
from rag.types import Document, DocumentKind

# What reads the bytes themselves; every other format is text first.
BYTE_FORMATS = frozenset({"pdf", "docx", "pptx", "xlsx", "odf", "epub", "mail", "mbox", "archive"})

# Text formats that are looked through mark by mark, which takes too long for the largest files.
STRUCTURED: dict[str, DocumentKind] = {
    "markdown": "prose",
    "rst": "prose",
    "outline": "prose",
    "text": "prose",
    "json": "data",
    "yaml": "data",
    "sections": "data",
}

TextReader = Callable[[str, str, Limits], Document]
ByteReader = Callable[[bytes, "Tools"], Document]


@dataclass(frozen=True, slots=True)
class Tools:
    """What readers of bytes get besides: the limits, and the program that reads pictures of pages ("" for none)."""

    limits: Limits
    tesseract: str = ""


@dataclass(frozen=True, slots=True)
class Read:
    """A document, the bytes it was made of, and their text when they are text ("" otherwise)."""

    document: Document
    source: Source
    decoded: str


def read_document(path: Path, root: Path, tools: Tools) -> Read:
    """Read one file below `root`. Raises ParseFailed with the one reason why it gives no document."""
    source = read_source(path, root, tools.limits)
    document, decoded = _parse(path, source.data, tools)
    if not document.text.strip():
        raise ParseFailed(f"{path.name} has no text.", reason="empty")
    return Read(document, source, decoded)


def parse(name: PurePath, data: bytes, tools: Tools) -> Document:
    """The document that a file of this name and these bytes holds. Raises ParseFailed."""
    return _parse(name, data, tools)[0]


def _parse(name: PurePath, data: bytes, tools: Tools) -> tuple[Document, str]:
    try:
        document, decoded = _read_as(name, data, tools)
    except ParseFailed:
        raise
    except RecursionError:
        raise ParseFailed(f"{name.name} is nested too deeply to be read.", reason="too_deep") from None
    except MemoryError:
        raise
    except Exception as error:  # a library's word on a file that is not as its format demands
        words = f"{type(error).__name__}: {str(error)[:200]}".rstrip(": ")
        raise ParseFailed(f"{name.name} is damaged: {words}", reason="damaged") from error
    title = clean(document.title)
    if document.title == document.text == "":
        return document, decoded
    return replace(document, text=clean(document.text), title=title), decoded


def _read_as(name: PurePath, data: bytes, tools: Tools) -> tuple[Document, str]:
    found = signatures.byte_format(data, file_type(name))
    if found is not None and found.format in BYTE_FORMATS:
        reader: ByteReader = _reader(found.format)
        return reader(data, tools), ""
    decoded = decode(data)
    text = decoded.text
    if len(text) > tools.limits.text_bytes:
        most = tools.limits.text_bytes / MIB
        raise ParseFailed(f"{name.name} has more than {most:,.0f} million characters.", reason="too_large")
    found = refine(found, text) if found is not None else type_by_content(text)
    document = _read_text(found, text, tools.limits)
    return replace(document, encoding=decoded.encoding, lossy=decoded.lossy), text


def _read_text(found: FileType, text: str, limits: Limits) -> Document:
    if len(text) > limits.structure_bytes and (kind := STRUCTURED.get(found.format)) is not None:
        told = f"Only its lines were read: {len(text):,} characters are too many for more."
        return Document(kind, text, warnings=(told,))
    reader: TextReader = _reader(found.format)
    return reader(text, found.language, limits)


def _reader(name: str) -> Callable[..., Document]:
    module = importlib.import_module(f"rag.reading.formats.{name}")
    reader: Callable[..., Document] = module.read
    return reader
