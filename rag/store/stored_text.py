"""Paths and texts as SQLite can hold them: it takes UTF-8 only, file names and damaged texts can be more."""

from __future__ import annotations

import re

_SURROGATE = re.compile("[\ud800-\udfff]")
_ESCAPE = re.compile("\0([0-9a-f]{2})")


def stored_path(path: str) -> str:
    """A path for the database. Bytes that are no UTF-8 become NUL and two digits: NUL is in no file name."""
    return _SURROGATE.sub(lambda found: f"\0{ord(found[0]) & 0xFF:02x}", path)


def real_path(stored: str) -> str:
    """The path that was given to `stored_path`, as the os module has it."""
    return _ESCAPE.sub(lambda found: chr(0xDC00 + int(found[1], 16)), stored) if "\0" in stored else stored


def stored_text(text: str) -> str:
    """The text with half characters replaced; its length stays, so offsets do."""
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)
