"""A document as a row of units: the pieces that are put together into chunks, or cut when they are too large."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from rag.types import Block, BlockKind, Document

_BLANK_LINES = re.compile(r"\n[^\S\n]*\n\s*")
_IN_LINES = ("code", "data", "log", "table")
_MARKUP = re.compile(r"^[#=*\s]+|[#=~^*\-\s]+$")


@dataclass(slots=True)
class Unit:
    """[start, end) of the text. `headings` are above it; `path` says what it belongs to, outermost first.

    The path begins with the page; a heading and the first lines of a class belong to what they open, as `opens` says.
    """

    start: int
    end: int
    kind: BlockKind
    headings: tuple[str, ...]
    path: tuple[str, ...] = ()
    place: str = ""
    name: str = ""
    opens: bool = False


def units(document: Document) -> list[Unit]:
    """The document's units in order; together they hold each of its non-blank characters."""
    raw = _filled(document) if document.blocks else _plain(document)
    found = list(_trimmed(document.text, _by_page(document, raw) if document.pages else raw))
    _set_paths(document, found)
    return found


def _plain(document: Document) -> Iterator[Unit]:
    """Without blocks: paragraphs of prose, and the text as one piece of what is read by lines."""
    text = document.text
    if document.kind in _IN_LINES:
        yield Unit(0, len(text), "row" if document.kind in ("log", "table") else "code", ())
        return
    start = 0
    for blank in _BLANK_LINES.finditer(text):
        yield Unit(start, blank.start(), "paragraph", ())
        start = blank.end()
    yield Unit(start, len(text), "paragraph", ())


def _filled(document: Document) -> Iterator[Unit]:
    """The blocks, and between them what no block holds."""
    between: BlockKind = "code" if document.kind in _IN_LINES else "paragraph"
    end = 0
    last: Block | None = None
    for block in document.blocks:
        start = max(block.start, end)
        if start > end:
            yield _between(document.text, end, start, between, last)
        if block.end > start:
            yield Unit(start, block.end, block.kind, block.headings, place=block.place, name=block.name)
            end = block.end
        last = block
    if end < len(document.text):
        yield _between(document.text, end, len(document.text), between, last)


def _between(text: str, start: int, end: int, kind: BlockKind, last: Block | None) -> Unit:
    """What follows a block belongs where that block does, or under it when it is a heading."""
    if last is None:
        return Unit(start, end, kind, ())
    headings = last.headings
    if last.kind == "heading" and not text[start:end].isspace():
        headings = (*headings, _MARKUP.sub("", text[last.start : last.end].strip()))
    return Unit(start, end, kind, headings, place=last.place)


def _trimmed(text: str, raw: Iterable[Unit]) -> Iterator[Unit]:
    """Units without blank ends; blank ones are left out."""
    for unit in raw:
        piece = text[unit.start : unit.end]
        kept = piece.strip()
        if kept:
            if len(kept) != len(piece):
                unit.start += len(piece) - len(piece.lstrip())
                unit.end = unit.start + len(kept)
            yield unit


def _by_page(document: Document, raw: Iterable[Unit]) -> Iterator[Unit]:
    """Units that go over the end of a page, cut there."""
    starts = [page.start for page in document.pages]
    for unit in raw:
        start = unit.start
        for border in starts[bisect_right(starts, start) : bisect_right(starts, unit.end - 1)]:
            yield replace(unit, start=start, end=border)
            start = border
        unit.start = start
        yield unit


def _set_paths(document: Document, found: list[Unit]) -> None:
    starts = [page.start for page in document.pages]
    after: tuple[str, ...] = ()
    for index in range(len(found) - 1, -1, -1):
        unit = found[index]
        own = unit.headings
        if len(after) > len(own) and after[: len(own)] == own:
            own = after[: len(own) + 1]
        elif unit.kind == "heading":
            own = (*own, document.text[unit.start : unit.end])
        after = unit.headings
        unit.opens = len(own) > len(unit.headings)
        unit.path = (f"\f{bisect_right(starts, unit.start)}", *own) if starts else own
