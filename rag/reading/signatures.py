"""What the first bytes of a file say about it, where its name is wrong or says nothing."""

from __future__ import annotations

from rag.errors import ParseFailed
from rag.reading.languages import FileType

_ZIP = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_COMPOUND = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # OLE: old Office files, and encrypted new ones
_ENCRYPTED_PACKAGE = "EncryptedPackage".encode("utf-16-le")
_ZIPPED = frozenset({"docx", "pptx", "xlsx", "odf", "epub", "archive"})
# Beginnings of what is never text, though it may pass for it at first sight.
_BINARY = (
    *(b"\x7fELF", b"\x89PNG\r\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"RIFF", b"OggS", b"fLaC", b"ID3", b"GGUF"),
    *(
        b"\x1f\x8b",
        b"BZh",
        b"\xfd7zXZ\x00",
        b"7z\xbc\xaf",
        b"Rar!",
        b"\x28\xb5\x2f\xfd",
        b"MZ\x90",
        b"\xca\xfe\xba\xbe",
    ),
    *(b"SQLite format 3\x00", b"wOFF", b"wOF2", b"\x00asm", b"!<arch>\n"),
)


def byte_format(data: bytes, named: FileType | None) -> FileType | None:
    """The type to read `data` as: what its name says (`named`), unless its beginning says otherwise.

    Raises ParseFailed (binary, encrypted, unsupported, damaged) for what no reader is for.
    """
    if data[:1024].lstrip().startswith(b"%PDF-"):
        return FileType("pdf")
    if data.startswith(_ZIP):
        return named if named is not None and named.format in _ZIPPED else FileType("archive")
    if data.startswith(_COMPOUND):
        _refuse_compound(data)
    if data.startswith(_BINARY):
        raise ParseFailed("This file is no text.", reason="binary")
    if named is not None and (named.format in _ZIPPED or named.format == "pdf"):
        if named.format == "odf" and data[:256].lstrip().startswith(b"<?xml"):
            return named
        raise ParseFailed(f"The name says {named.format.upper()}, but the content is something else.", reason="damaged")
    return named


def _refuse_compound(data: bytes) -> None:
    if _ENCRYPTED_PACKAGE in data:
        raise ParseFailed("This document is protected with a password.", reason="encrypted")
    raise ParseFailed(
        "Documents of old Office programs are not read.", reason="unsupported", hint="Save it as DOCX, XLSX or PPTX."
    )
