"""Find in the transcript: every place a text stands in, message by message, without widgets."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from desktop.qt.transcript.piece_widget import FoundRange
from desktop.qt.transcript.pieces import Thought, piece_text, utf16_length
from desktop.qt.transcript.rows import Row, RowList

MOST = 5_000
_MARKUP = re.compile(r"[*_~`\\\[\]()#>|\s]+")


@dataclass(frozen=True, slots=True, order=True)
class Match:
    """A place in UTF-16 units."""

    row: int
    part: int
    start: int
    end: int


def may_hold(content: str, needle: str) -> bool:
    """Whether the shown text of a Markdown may hold `needle` (both lower case): marks and white space are ignored."""
    return needle in _MARKUP.sub("", content.lower())


def matches_in(text: str, needle: str) -> list[tuple[int, int]]:
    """Where `needle` stands in `text`, upper and lower case alike, as UTF-16 ranges."""
    found = re.finditer(re.escape(needle), text, re.IGNORECASE)
    if text.isascii():
        return [match.span() for match in found]
    return [(utf16_length(text[: m.start()]), utf16_length(text[: m.end()])) for m in found]


@dataclass(slots=True)
class Finding:
    """One search. `step` goes on until all rows were looked at; at most 5,000 places are kept."""

    rows: RowList
    text: str
    read: Callable[[Row], None]
    matches: list[Match] = field(default_factory=list)
    current: int = -1
    _next_row: int = 0

    @property
    def done(self) -> bool:
        return self._next_row >= len(self.rows) or len(self.matches) >= MOST

    def step(self, seconds: float) -> bool:
        """Look for at most `seconds`; True when there is more to look at."""
        deadline = time.perf_counter() + seconds
        needle = _MARKUP.sub("", self.text.lower())
        while not self.done:
            row = self.rows.rows[self._next_row]
            if may_hold(row.content + row.thought_text, needle):
                self._look_into(row, self._next_row)
            self._next_row += 1
            if time.perf_counter() > deadline:
                break
        return not self.done

    def _look_into(self, row: Row, number: int) -> None:
        self.read(row)
        for index, part in enumerate(row.parts):
            text = part.piece.text if isinstance(part.piece, Thought) else piece_text(part.piece)
            self.matches += [Match(number, index, a, b) for a, b in matches_in(text, self.text)]

    def ranges(self, row: int, part: int) -> list[FoundRange]:
        """What to mark in a part."""
        now = self.matches[self.current] if 0 <= self.current < len(self.matches) else None
        here = (match for match in self.matches if (match.row, match.part) == (row, part))
        return [FoundRange(match.start, match.end, match == now) for match in here]

    def move(self, by: int, near_row: int = 0) -> Match | None:
        """The next or previous match, around the end; the first time that nearest below `near_row`."""
        if not self.matches:
            return None
        if self.current < 0:
            after = (i for i, match in enumerate(self.matches) if match.row >= near_row)
            self.current = next(after, 0)
        else:
            self.current = (self.current + by) % len(self.matches)
        return self.matches[self.current]
