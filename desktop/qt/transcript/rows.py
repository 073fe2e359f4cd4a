"""The messages of a transcript with what is known of them: blocks, pieces and heights. No widgets."""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from markdown_it import MarkdownIt

from desktop.qt.transcript.blocks import Block, BlockSplitter
from desktop.qt.transcript.heights import HeightFit, guess_piece, guess_text
from desktop.qt.transcript.inlines import InlineReader
from desktop.qt.transcript.messages import TranscriptMessage
from desktop.qt.transcript.pieces import Piece, Prose, Span, Thought, gap_above
from desktop.qt.transcript.reading import read_pieces

PART_GAP = 14
BUBBLE_SHARE = 0.72
BUBBLE_PAD = 16
# What a frame adds above and below its pieces, before it was measured: header and foot, or the padding of a bubble.
# Of more rows than this only SAMPLE of each side are looked into when a conversation opens.
CAREFUL_ROWS = 2_000
SAMPLE = 300
CHROME = {"assistant": (32, 36), "user": (12, 12), "system": (12, 12)}


# Shared by all rows that were not looked at yet, and never changed: 10,000 rows need no 40,000 containers.
_NO_PARTS: list[Part] = []
_NO_TOPS: list[int] = []
_NO_MEMO: dict[str, tuple[Span, ...]] = {}


@dataclass(slots=True)
class Part:
    """One piece in its row. `block` is the index of its block, -1 for a thought. `height` is in pixels."""

    piece: Piece
    block: int
    height: int
    measured: bool = False

    @property
    def gap(self) -> int:
        """Space above it, in pixels at 100 %; headings begin something new and get more."""
        piece = self.piece
        if not isinstance(piece, Prose):
            return PART_GAP
        return gap_above(piece.paras[0]) if piece.continues else max(PART_GAP, gap_above(piece.paras[0]))


class Row:
    """One message. Until it is looked at only its height is guessed; then it is split and read step by step."""

    __slots__ = (
        "_closed_chars", "_closed_parts", "_closed_seen", "_generation", "_memo", "_rest", "_tops",
        "chrome", "guess", "message", "noted", "parts", "splitter",
        "thought_began", "thought_opened", "thought_seconds", "thought_text", "width",
    )  # fmt: skip

    def __init__(self, message: TranscriptMessage) -> None:
        self.message = message
        self.splitter: BlockSplitter | None = None
        self.parts: list[Part] = _NO_PARTS
        self.guess = 0.0
        self.width = 0
        self.noted = False
        self.chrome = CHROME[message.role]
        self.thought_text = message.reasoning
        self.thought_seconds = message.reasoning_s
        self.thought_began: float | None = None
        self.thought_opened = False
        self._closed_parts: list[Part] = _NO_PARTS
        self._closed_seen = 0
        self._generation = 0
        self._rest = 0.0
        self._closed_chars = 0
        self._memo: dict[str, tuple[Span, ...]] = _NO_MEMO
        self._tops: list[int] = _NO_TOPS

    # Text

    def begin(self, parser: MarkdownIt) -> BlockSplitter:
        """Start to split the content; what is being written ends later, by `end`."""
        if self.splitter is None:
            self.splitter = BlockSplitter(parser)
            self.parts, self._closed_parts, self._memo = [], [], {}
            if self.message.content:
                self.splitter.feed(self.message.content)
            if self.message.state != "streaming":
                self.splitter.end()
        return self.splitter

    @property
    def content(self) -> str:
        """The Markdown of the message, as far as it is there."""
        return self.splitter.text if self.splitter is not None else self.message.content

    @property
    def complete(self) -> bool:
        """Whether all of the text there is so far is split."""
        return self.splitter is not None and (self.splitter.done or self.message.state == "streaming")

    def advance(self, deadline: float) -> bool:
        """Split until `deadline` (time.perf_counter), at least one step; True when more is to be done."""
        assert self.splitter is not None
        while self.splitter.advance():
            if time.perf_counter() > deadline:
                return True
        return False

    def forget(self) -> None:
        """The content is another one: begin anew."""
        self.splitter, self.parts, self.noted = None, [], False
        self._closed_parts, self._closed_seen, self._generation = [], 0, 0
        self._closed_chars = 0
        self.touch()

    # Parts

    def refresh(self, parser: MarkdownIt, zoom: float) -> None:
        """Bring the parts in line with the blocks; parts of closed blocks are kept as they are."""
        splitter = self.splitter
        if splitter is None:
            return
        if splitter.generation != self._generation:
            # Keeps what was measured: most blocks are the same as before.
            self._generation = splitter.generation
            self._closed_parts, self._closed_seen, self._closed_chars = [], 0, 0
        reader = self._reader(parser, splitter)
        if len(splitter.closed) != self._closed_seen:
            self._memo.clear()
        for number in range(self._closed_seen, len(splitter.closed)):
            self._closed_parts += self._read(splitter.closed[number], number, reader, zoom)
            splitter.drop_tokens(number)
            self._closed_chars += len(splitter.closed[number].source) + 2
        self._closed_seen = len(splitter.closed)
        opened: list[Part] = []
        # While more is queued the tail is not worth reading: it changes with the next step.
        for number, block in enumerate(() if splitter.behind else splitter.open, len(splitter.closed)):
            opened += self._read(block, number, reader, zoom)
        self.parts = self._thought(zoom) + self._closed_parts + self._measured_again(opened)
        waiting = len(self.message.content) - self._closed_chars
        self.touch()
        done = splitter.done or self.message.state == "streaming" or waiting <= 0
        self._rest = 0.0 if done else guess_text("x" * waiting, max(self.width, 40), zoom)

    def _reader(self, parser: MarkdownIt, splitter: BlockSplitter) -> InlineReader:
        numbers = frozenset(source.number for source in self.message.sources)
        return InlineReader(
            parser, splitter.references, numbers, keep_lines=self.message.role != "assistant", memo=self._memo
        )

    def _read(self, block: Block, number: int, reader: InlineReader, zoom: float) -> list[Part]:
        pieces = read_pieces(block, reader)
        return [Part(piece, number, round(guess_piece(piece, self.width, zoom))) for piece in pieces]

    def _thought(self, zoom: float) -> list[Part]:
        if not self.thought_text:
            return []
        streaming = self.message.state == "streaming" and not self.content
        thought = Thought(self.thought_text, streaming, self.thought_seconds, self.thought_opened)
        old = self.parts[0] if self.parts and self.parts[0].block < 0 else None
        if old is not None and old.piece == thought:
            return [old]
        return [Part(thought, -1, old.height if old else round(guess_piece(thought, self.width, zoom)))]

    def _measured_again(self, opened: list[Part]) -> list[Part]:
        """Open parts that are what they were keep their height; grown ones begin at the height they had."""
        first = len(self._closed_parts) + (1 if self.thought_text else 0)
        for old, new in zip(self.parts[first:], opened, strict=False):
            if type(old.piece) is type(new.piece):
                new.height, new.measured = old.height, old.measured and old.piece == new.piece
        return opened

    def toggle_thought(self, opened: bool, zoom: float) -> None:
        self.thought_opened = opened
        if self.parts and self.parts[0].block < 0:
            self.parts[0] = self._thought(zoom)[0]
            self.touch()

    # Heights

    def set_width(self, width: int, zoom: float) -> None:
        """The text is `width` pixels wide now: what was measured at another width is guessed again."""
        if width == self.width:
            return
        self.width = width
        self.noted = False
        self.touch()
        for part in self.parts:
            part.measured = False
            part.height = round(guess_piece(part.piece, width, zoom))

    def tops(self, zoom: float) -> list[int]:
        """Where each part begins, from the top of the row, and last where the text ends."""
        if not self._tops:
            tops, y = [], self.chrome[0]
            for number, part in enumerate(self.parts):
                y += round(part.gap * zoom) if number else 0
                tops.append(y)
                y += part.height
            self._tops = [*tops, y]
        return self._tops

    def touch(self) -> None:
        """A height, the parts or the chrome changed."""
        self._tops = _NO_TOPS

    def height(self, zoom: float) -> int:
        """Height of the row without the space below it."""
        if not self.parts and not self.complete:
            return round(self.guess)
        return self.tops(zoom)[-1] + round(self._rest) + self.chrome[1]


class RowList:
    """All rows with their places. Tops are kept and reckoned again only from the first row that changed."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self._index: dict[str, int] = {}
        self._tops: list[int] = [0]
        self._valid = 1
        self.gap = 24
        self.width = 0
        self.zoom = 1.0
        self.fit = HeightFit()

    def __len__(self) -> int:
        return len(self.rows)

    def replace(self, rows: Sequence[Row]) -> None:
        self.rows = list(rows)
        self._index = {row.message.id: number for number, row in enumerate(self.rows)}
        self._guess_all()

    def append(self, row: Row) -> int:
        self._index[row.message.id] = len(self.rows)
        self.rows.append(row)
        self._guess(row)
        return len(self.rows) - 1

    def find(self, message_id: str) -> int:
        """Index of a message, -1 when it is not shown."""
        return self._index.get(message_id, -1)

    def text_width(self, row: Row) -> int:
        """Width of the text of a row: the column, or what a bubble may take of it less its padding."""
        if row.message.role == "assistant":
            return self.width
        return max(40, round(self.width * BUBBLE_SHARE) - round(2 * BUBBLE_PAD * self.zoom))

    def _raw_guess(self, row: Row) -> float:
        return guess_text(row.content, max(self.text_width(row), 40), self.zoom) + sum(row.chrome)

    def _guess_all(self) -> None:
        """Guess every row; of very many only a sample, which tells how high the others are for their length."""
        self._valid = 1
        if len(self.rows) <= CAREFUL_ROWS:
            for row in self.rows:
                self._guess(row)
            return
        by_role: dict[str, list[Row]] = {role: [] for role in CHROME}
        for row in self.rows:
            by_role[row.message.role].append(row)
        for role, rows in by_role.items():
            self._guess_by_sample(rows, sum(CHROME[role]))

    def _guess_by_sample(self, rows: list[Row], chrome: int) -> None:
        sample = rows[:: max(1, len(rows) // SAMPLE)]
        for row in sample:
            self._guess(row)
        chars = sum(len(row.message.content) for row in sample)
        ratio = sum(row.guess - chrome for row in sample) / max(1, chars)
        for row in rows:
            if row.parts:
                row.set_width(self.text_width(row), self.zoom)
            row.guess = ratio * len(row.message.content) + chrome

    def _guess(self, row: Row) -> None:
        row.set_width(self.text_width(row), self.zoom)
        row.guess = self._raw_guess(row) * self.fit.factor(row.message.role)

    def set_width(self, width: int, zoom: float, gap: int) -> None:
        """All rows get another width or zoom."""
        if zoom != self.zoom:
            for row in self.rows:
                row.width = 0
        self.width, self.zoom, self.gap = width, zoom, gap
        self.fit = HeightFit()
        self._guess_all()

    def note_measured(self, row: Row) -> None:
        """A row is laid out in full for the first time: learn from it."""
        if row.noted or not row.complete or not all(part.measured for part in row.parts):
            return
        row.noted = True
        self.fit.note(row.message.role, self._raw_guess(row), row.height(self.zoom))

    def changed(self, index: int) -> None:
        """The height of a row changed."""
        self.rows[index].touch()
        self._valid = min(self._valid, index + 1)

    def tops(self) -> list[int]:
        """Top of each row, and last the height of all."""
        count = len(self.rows)
        if self._valid <= count or len(self._tops) != count + 1:
            tops = self._tops[: min(self._valid, count + 1)] or [0]
            y = tops[-1]
            for row in self.rows[len(tops) - 1 :]:
                y += row.height(self.zoom) + self.gap
                tops.append(y)
            self._tops, self._valid = tops, count + 1
        return self._tops

    @property
    def total(self) -> int:
        """Height of everything in pixels."""
        return max(0, self.tops()[-1] - self.gap) if self.rows else 0

    def at(self, y: float) -> int:
        """Index of the row at a height; the space below a row belongs to it."""
        return max(0, min(len(self.rows) - 1, bisect_right(self.tops(), y) - 1))
