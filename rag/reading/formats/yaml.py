"""YAML: a block per key of the top, and of the level below where that is large. Found by indentation, never loaded."""

from __future__ import annotations

import re

from rag.reading.builder import one_line
from rag.reading.types import Limits
from rag.types import Block, Document

_LARGE = 1000
_TOP = re.compile(
    r"(?:^#[^\n]*\n)*^(?:(\"[^\"\n]*\"|'[^'\n]*'|[^\s#\-\[\]{},&*!|>'\"%@`][^:\n]*?)[ \t]*:(?=\s)|---|- )", re.M
)
_KEY = r"^{indent}(?:- )?(\"[^\"\n]*\"|'[^'\n]*'|[^\s#\-\[\]{{}},&*!|>'\"%@`][^:\n]*?)[ \t]*:(?=\s)"


def read(text: str, language: str, limits: Limits) -> Document:
    """A document with a symbol per key."""
    del language, limits
    found = list(_TOP.finditer(text))
    if not found:
        return Document("data", text)
    blocks = [Block("code", 0, found[0].start())] if text[: found[0].start()].strip() else []
    ends = [entry.start() for entry in found[1:]] + [len(text)]
    for entry, end in zip(found, ends, strict=True):
        blocks += _entry(text, entry.start(), end, one_line(entry[1] or ""))
    return Document("data", text, blocks=tuple(blocks))


def _entry(text: str, start: int, end: int, name: str) -> list[Block]:
    """One key with what is below it, or the key and then each key below it."""
    whole = [Block("symbol" if name else "code", start, end, name=name)]
    if end - start <= _LARGE or not name:
        return whole
    first = re.compile(r"^([ \t]+)\S", re.M).search(text, start, end)
    if first is None:
        return whole
    below = list(re.compile(_KEY.format(indent=re.escape(first[1])), re.M).finditer(text, start, end))
    if len(below) < 2:
        return whole
    ends = [key.start() for key in below[1:]] + [end]
    blocks = [Block("symbol", start, below[0].start(), name=name)]
    blocks += [
        Block("symbol", key.start(), stop, headings=(name,), name=one_line(key[1]))
        for key, stop in zip(below, ends, strict=True)
    ]
    return blocks
