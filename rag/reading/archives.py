"""Zip files, and XML inside of them, looked at before anything unpacks them."""

from __future__ import annotations

import io
import re
import zipfile

from rag.errors import ParseFailed
from rag.reading.types import MIB, Limits

_MOST_ENTRIES = 20_000
_ENCRYPTED = 0x1
_PROLOGUE = 16 * 1024
_ENTITY = re.compile(r"<!ENTITY\s+%?\s*[\w.:-]+\s+(?:SYSTEM|PUBLIC|[\"'][^\"']*[&%]\w)")
_ANY_ENTITY = re.compile(rb"<!\x00?E\x00?N\x00?T\x00?I\x00?T\x00?Y")
_XML = (".xml", ".rels", ".xhtml", ".opf", ".ncx", ".htm", ".html")


def open_zip(data: bytes, limits: Limits) -> zipfile.ZipFile:
    """A zip file whose entries are safe to unpack. Raises ParseFailed: damaged, encrypted, bomb, too_large.

    Python's zipfile never unpacks more of an entry than the entry's head says, so the sums of the heads hold.
    """
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError) as error:
        raise ParseFailed(f"This archive is damaged: {error}", reason="damaged") from None
    entries = archive.infolist()
    if any(entry.flag_bits & _ENCRYPTED for entry in entries):
        raise ParseFailed("This file is protected with a password.", reason="encrypted")
    unpacked = sum(entry.file_size for entry in entries)
    packed = max(1, min(len(data), sum(entry.compress_size for entry in entries)))
    if len(entries) > _MOST_ENTRIES or (unpacked > limits.small_bytes and unpacked > limits.ratio * packed):
        times = unpacked // packed
        raise ParseFailed(f"It would unpack to {times:,} times its size.", reason="bomb")
    if unpacked > limits.text_bytes:
        size, most = unpacked / MIB, limits.text_bytes / MIB
        raise ParseFailed(f"It unpacks to {size:,.0f} MiB; up to {most:,.0f} MiB are read.", reason="too_large")
    _refuse_entities(archive, entries)
    return archive


def _refuse_entities(archive: zipfile.ZipFile, entries: list[zipfile.ZipInfo]) -> None:
    """Documents have no use for entities of their own, and the libraries that read them differ in what they do."""
    for entry in entries:
        if not entry.filename.lower().endswith(_XML):
            continue
        try:
            with archive.open(entry) as file:
                beginning = file.read(_PROLOGUE)
        except (zipfile.BadZipFile, NotImplementedError, OSError, EOFError, ValueError) as error:
            raise ParseFailed(f"This archive is damaged: {error}", reason="damaged") from None
        if _ANY_ENTITY.search(beginning):
            raise ParseFailed("The XML in it defines entities, as bombs do.", reason="bomb")


def refuse_nested_entities(text: str) -> None:
    """Raise ParseFailed (bomb) for XML whose entities are made of entities or come from elsewhere."""
    if _ENTITY.search(text, 0, _PROLOGUE):
        raise ParseFailed("This XML defines entities made of entities, as bombs do.", reason="bomb")
