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
    found = list(_by_page(document, raw)) if document.pages else list(raw)
    _set_paths(document, found)
    return found


def _plain(document: Document) -> Iterator[Unit]:
    """Without blocks: paragraphs of prose, and the text as one piece of what is read by lines."""
    text = document.text
    if document.kind in _IN_LINES:
        kind: BlockKind = "row" if document.kind in ("log", "table") else "code"
        yield from _trimmed(text, Unit(0, len(text), kind, ()))
        return
    start = 0
    for blank in _BLANK_LINES.finditer(text):
        yield from _trimmed(text, Unit(start, blank.start(), "paragraph", ()))
        start = blank.end()
    yield from _trimmed(text, Unit(start, len(text), "paragraph", ()))


def _filled(document: Document) -> Iterator[Unit]:
    """The blocks, and between them what no block holds."""
    text = document.text
    between: BlockKind = "code" if document.kind in _IN_LINES else "paragraph"
    end = 0
    headings: tuple[str, ...] = ()
    place = ""
    for block in document.blocks:
        start = max(block.start, end)
        if start > end:
            yield from _trimmed(text, Unit(end, start, between, headings, place=place))
        if block.end > start:
            yield from _trimmed(
                text, Unit(start, block.end, block.kind, block.headings, place=block.place, name=block.name)
            )
            end = block.end
        headings, place = _below(block, text), block.place
    yield from _trimmed(text, Unit(end, len(text), between, headings, place=place))


def _below(block: Block, text: str) -> tuple[str, ...]:
    if block.kind != "heading":
        return block.headings
    return (*block.headings, _MARKUP.sub("", text[block.start : block.end].strip()))


def _trimmed(text: str, unit: Unit) -> Iterator[Unit]:
    """The unit without blank ends, if there is anything else."""
    piece = text[unit.start : unit.end]
    kept = piece.strip()
    if kept:
        start = unit.start + len(piece) - len(piece.lstrip())
        unit.start, unit.end = start, start + len(kept)
        yield unit


def _by_page(document: Document, raw: Iterable[Unit]) -> Iterator[Unit]:
    """Units that go over the end of a page, cut there."""
    starts = [page.start for page in document.pages]
    for unit in raw:
        start = unit.start
        for border in starts[bisect_right(starts, start) : bisect_right(starts, unit.end - 1)]:
            yield from _trimmed(document.text, replace(unit, start=start, end=border))
            start = border
        yield from _trimmed(document.text, replace(unit, start=start))


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
