"""What is selected across messages, and what copying it gives. It works on the model, so it reaches past the screen."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from desktop.qt.transcript.pieces import copied_text, piece_text, utf16_length, utf16_part
from desktop.qt.transcript.rows import Row, RowList

# Row, part in the row, UTF-16 offset in the part. Tuples compare in reading order.
Position = tuple[int, int, int]
END = 2**31
_WORD = re.compile(r"\w+|[^\w\s]+|\s+")


@dataclass(slots=True)
class Selection:
    """Anchor and head; the text between them is selected, whichever comes first."""

    anchor: Position = (0, 0, 0)
    head: Position = (0, 0, 0)

    @property
    def empty(self) -> bool:
        return self.anchor == self.head

    @property
    def first(self) -> Position:
        return min(self.anchor, self.head)

    @property
    def last(self) -> Position:
        return max(self.anchor, self.head)

    def within(self, row: int, part: int) -> tuple[int, int]:
        """The selected range in a part; (0, 0) when nothing of it is selected, END stands for its end."""
        if self.empty or not self.first[:2] <= (row, part) <= self.last[:2]:
            return (0, 0)
        start = self.first[2] if self.first[:2] == (row, part) else 0
        end = self.last[2] if self.last[:2] == (row, part) else END
        return (start, end)


def word_around(text: str, offset: int) -> tuple[int, int]:
    """The word at a UTF-16 offset, as a range of such offsets."""
    position = len(utf16_part(text, 0, offset))
    for match in _WORD.finditer(text):
        if match.start() <= position < match.end():
            return utf16_length(text[: match.start()]), utf16_length(text[: match.end()])
    return offset, offset


def line_around(text: str, offset: int) -> tuple[int, int]:
    """The paragraph at a UTF-16 offset."""
    position = len(utf16_part(text, 0, offset))
    start, end = text.rfind("\n", 0, position) + 1, text.find("\n", position)
    return utf16_length(text[:start]), utf16_length(text[: end if end >= 0 else len(text)])


def selected_text(rows: RowList, selection: Selection, read: Callable[[Row], bool]) -> str:
    """The selected text as plain text, parts and messages parted by blank lines.

    `read` makes the parts of a row known, or returns False to have its Markdown taken instead (too many are unread).
    """
    messages = []
    for number, row, parts in _touched(rows, selection, read):
        if parts is None:
            messages.append(row.content)
            continue
        texts = []
        for index in parts:
            start, end = selection.within(number, index)
            piece = row.parts[index].piece
            if end > start:
                texts.append(copied_text(piece, start, min(end, utf16_length(piece_text(piece)))))
        messages.append("\n\n".join(text for text in texts if text))
    return "\n\n".join(message for message in messages if message)


def selected_markdown(rows: RowList, selection: Selection, read: Callable[[Row], bool]) -> str:
    """The Markdown of all blocks the selection touches, as the model wrote it; whole messages in full."""
    messages = []
    for _number, row, parts in _touched(rows, selection, read):
        known = row.splitter.blocks if row.splitter is not None else []
        blocks = sorted({row.parts[index].block for index in parts} - {-1}) if parts is not None else []
        if parts is None or (blocks and blocks[0] == 0 and blocks[-1] == len(known) - 1):
            messages.append(row.content.strip("\n"))
        else:
            messages.append("\n\n".join(known[number].source for number in blocks))
    return "\n\n".join(message for message in messages if message)


def _touched(
    rows: RowList, selection: Selection, read: Callable[[Row], bool]
) -> Iterator[tuple[int, Row, range | None]]:
    """Rows the selection touches, with their touched parts; None for all of a row that was not read."""
    if selection.empty or not len(rows):
        return
    first, last = selection.first, selection.last
    for number in range(first[0], min(last[0], len(rows) - 1) + 1):
        row = rows.rows[number]
        inner = first[0] < number < last[0]
        if not read(row) and inner:
            yield number, row, None
            continue
        begin = first[1] if number == first[0] else 0
        end = last[1] if number == last[0] else len(row.parts) - 1
        yield number, row, range(max(0, begin), min(end, len(row.parts) - 1) + 1)
