"""What readers build documents with: the path of headings, lines with offsets, text put together from pieces."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rag.errors import ParseFailed
from rag.reading.types import MIB, Limits
from rag.types import Block, BlockKind, Page

TITLE_LENGTH = 200
_MOST_ROWS = 20_000
_JOINED = 600  # characters
_SPACES = re.compile(r"\s+")


def one_line(text: str, length: int = TITLE_LENGTH) -> str:
    """Text on one line, cut with an ellipsis beyond `length`."""
    line = _SPACES.sub(" ", text[: 8 * length]).strip()
    return line if len(line) <= length else line[: length - 1].rstrip() + "…"


def lines_of(text: str) -> Iterator[tuple[int, str]]:
    """Each line with its offset, without its end; only \\n ends a line."""
    start, length = 0, len(text)
    while start < length:
        end = text.find("\n", start)
        end = length if end < 0 else end
        yield start, text[start:end]
        start = end + 1


def joined_rows(blocks: list[Block]) -> tuple[Block, ...]:
    """The rows as they are, or for a large table neighbours as one block: a million blocks cost too much."""
    if len(blocks) <= _MOST_ROWS:
        return tuple(blocks)
    found = blocks[:1]
    for block in blocks[1:]:
        last = found[-1]
        if block.end - last.start <= _JOINED and block.headings == last.headings:
            found[-1] = Block("row", last.start, block.end, headings=last.headings)
        else:
            found.append(block)
    return tuple(found)


class Outline:
    """The headings above where we are; levels may skip."""

    def __init__(self) -> None:
        self._open: list[tuple[int, str]] = []
        self.headings: tuple[str, ...] = ()

    def enter(self, level: int, title: str) -> tuple[str, ...]:
        """Go below a heading; returns those above it."""
        while self._open and self._open[-1][0] >= level:
            self._open.pop()
        above = tuple(name for _, name in self._open)
        self._open.append((level, one_line(title)))
        self.headings = (*above, self._open[-1][1])
        return above

    def leave(self) -> None:
        """Go back above all headings."""
        self._open.clear()
        self.headings = ()


class TextBuilder:
    """Puts the text of a document together from pieces, and remembers where each came from.

    Pieces are separated by blank lines, rows and list items by line ends. Raises ParseFailed (too_large) beyond
    `limits.text_bytes` characters.
    """

    def __init__(self, limits: Limits) -> None:
        self.outline = Outline()
        self.blocks: list[Block] = []
        self.pages: list[Page] = []
        self.anchors: list[tuple[int, int]] = []
        self.length = 0
        self._limit = limits.text_bytes
        self._parts: list[str] = []
        self._last: BlockKind | None = None

    @property
    def text(self) -> str:
        return "".join(self._parts)

    def add(
        self,
        kind: BlockKind,
        text: str,
        *,
        level: int = 0,
        place: str = "",
        headings: tuple[str, ...] | None = None,
        name: str = "",
        anchors: list[tuple[int, int]] | None = None,
    ) -> None:
        """Add a piece, taken as it is, below the headings so far or other `headings`. `anchors` count in `text`.

        A heading may have a `name` other than its text.
        """
        if not text or text.isspace():
            return
        if self._parts:
            self._put("\n" if kind == self._last and kind in ("row", "list") else "\n\n")
        start = self.length
        self.anchors += [(start + at, there) for at, there in anchors or ()]
        self._put(text)
        above = self.outline.headings if headings is None else headings
        if kind == "heading" and headings is None:
            above = self.outline.enter(level, name or text)
        self.blocks.append(Block(kind, start, self.length, level, above, place, one_line(name)))
        self._last = kind

    def heading(self, level: int, text: str, place: str = "") -> None:
        """Add a heading; what follows is below it."""
        self.add("heading", one_line(text, 1000), level=level, place=place)

    def page(self, number: int, first: int) -> None:
        """Note that the blocks from index `first` on are on page `number`; nothing when there are none."""
        if first < len(self.blocks):
            self.pages.append(Page(number, self.blocks[first].start, self.length))

    def _put(self, text: str) -> None:
        self.length += len(text)
        if self.length > self._limit:
            most = self._limit / MIB
            raise ParseFailed(f"This file has more than {most:,.0f} million characters of text.", reason="too_large")
        self._parts.append(text)
