"""The widgets in view: takes frames and block widgets from pools, measures them, and puts them in their places."""

from __future__ import annotations

import time
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

from markdown_it import MarkdownIt
from PySide6.QtCore import QRect
from PySide6.QtWidgets import QWidget

from desktop.qt.components import paint
from desktop.qt.transcript.code import CodeBlock
from desktop.qt.transcript.math import FormulaBlock
from desktop.qt.transcript.message import ATTACHMENT, MARGIN, MessageFrame
from desktop.qt.transcript.piece_widget import FoundRange, Kit, PieceWidget
from desktop.qt.transcript.pieces import Code, Formula, Piece, Plain, Prose, Rule, Table, Thought
from desktop.qt.transcript.prose import ProseBlock
from desktop.qt.transcript.quote import RuleBlock, inset
from desktop.qt.transcript.reasoning import ThoughtBlock
from desktop.qt.transcript.rows import BUBBLE_PAD, Row, RowList
from desktop.qt.transcript.table import TableBlock

AHEAD = 240  # pixels above and below the view that are made ready
POOLED = 48
WIDGETS: dict[type, type[PieceWidget]] = {
    Prose: ProseBlock,
    Code: CodeBlock,
    Plain: CodeBlock,
    Table: TableBlock,
    Formula: FormulaBlock,
    Rule: RuleBlock,
    Thought: ThoughtBlock,
}


@dataclass(frozen=True, slots=True)
class Column:
    """Where the text stands in the view, in pixels."""

    left: int
    width: int


@dataclass(frozen=True, slots=True)
class StageHooks:
    """What the stage asks its transcript: ranges to show in a part, and what to do with what it makes."""

    selected: Callable[[int, int], tuple[int, int]]
    found: Callable[[int, int], list[FoundRange]]
    unsupported: Callable[[int, int], list[tuple[int, int]]]
    frame_made: Callable[[MessageFrame], None]
    widget_made: Callable[[PieceWidget], None]
    focus_lost: Callable[[], None]


class Stage:
    """Real widgets for what is in view and a little more; everything else exists as numbers only."""

    def __init__(self, kit: Kit, parser: MarkdownIt, rows: RowList, canvas: QWidget, hooks: StageHooks) -> None:
        self._kit = kit
        self._parser = parser
        self._rows = rows
        self._canvas = canvas
        self._hooks = hooks
        self.frames: dict[int, MessageFrame] = {}
        self.pinned: int | None = None  # a row that is being dragged from keeps its widgets
        self.unfinished = False  # something in view is not split to its end
        self.reordered = False  # other widgets than before are in view
        self._free_frames: list[MessageFrame] = []
        self._free: defaultdict[type[PieceWidget], list[PieceWidget]] = defaultdict(list)

    # Making ready

    def arrange(self, top: int, height: int, deadline: float) -> bool:
        """Make widgets for what lies between `top` and `top + height` and measure it. True when a height changed.

        Text that is not split yet is split until `deadline` (time.perf_counter); `unfinished` tells that some is left.
        """
        rows = self._rows
        first, last = rows.at(top - AHEAD), rows.at(top + height + AHEAD)
        for index in [index for index in self.frames if not first <= index <= last and index != self.pinned]:
            self._drop_frame(index)
        changed = False
        for index in range(first, last + 1) if len(rows) else ():
            row = rows.rows[index]
            if self._read(row, deadline) | self._dress(index, row, top, height):
                rows.changed(index)
                changed = True
        return changed

    def _read(self, row: Row, deadline: float) -> bool:
        """Split what is not split yet, as far as the time reaches: of a text that is new one step at least."""
        begun = row.splitter is not None
        if row.splitter is not None and (row.splitter.done or row.message.state == "streaming"):
            return False
        row.set_width(self._rows.text_width(row), self._rows.zoom)
        row.begin(self._parser)
        if begun and time.perf_counter() > deadline:
            self.unfinished = True
            return False
        self.unfinished |= row.advance(deadline)
        row.refresh(self._parser, self._rows.zoom)
        return True

    def read_all(self, row: Row) -> None:
        """Split all of a row now, for copying and searching."""
        row.set_width(self._rows.text_width(row), self._rows.zoom)
        row.begin(self._parser)
        if not row.complete:
            row.advance(float("inf"))
            row.refresh(self._parser, self._rows.zoom)

    def _dress(self, index: int, row: Row, top: int, height: int) -> bool:
        """Frame and widgets of a row; True when a height was corrected."""
        frame = self.frames.get(index) or self._take_frame(index)
        frame.show_message(row.message)
        changed = False
        chrome = frame.chrome(self._rows.width)
        if chrome != row.chrome:
            row.chrome, changed = chrome, True
            row.touch()
        row_top = self._rows.tops()[index]
        tops = row.tops(self._rows.zoom)
        first = max(0, bisect_right(tops, top - AHEAD - row_top) - 1)
        last = bisect_right(tops, top + height + AHEAD - row_top)
        wanted = range(first, min(last, len(row.parts)))
        for number in [number for number in frame.widgets if number not in wanted]:
            if index != self.pinned or number >= len(row.parts):
                self._drop_widget(frame, number)
        for number in wanted:
            changed |= self._show_part(frame, row, number)
        self._rows.note_measured(row)
        return changed

    def _show_part(self, frame: MessageFrame, row: Row, number: int) -> bool:
        part = row.parts[number]
        kind = WIDGETS[type(part.piece)]
        widget = frame.widgets.get(number)
        if widget is not None and type(widget) is not kind:
            self._drop_widget(frame, number)
            widget = None
        if widget is None:
            widget = self._take_widget(kind, frame)
            frame.widgets[number] = widget
        if widget.piece is not part.piece:
            widget.show_piece(part.piece)
            part.measured = False
        if part.measured:
            return False
        height = widget.height_for(self.piece_width(row, part.piece))
        part.measured = True
        changed, part.height = part.height != height, height
        if changed:
            row.touch()
        return changed

    def piece_width(self, row: Row, piece: Piece) -> int:
        return max(40, self._rows.text_width(row) - inset(self._kit.theme, piece.place))

    # Placing

    def place(self, top: int, offset: int, column: Column) -> None:
        """Put every frame where it belongs; `offset` is what lies above the first row."""
        tops = self._rows.tops()
        margin = self._kit.theme.px(MARGIN)
        for index, frame in self.frames.items():
            row = self._rows.rows[index]
            height = row.height(self._rows.zoom)
            frame.setGeometry(column.left - margin, tops[index] + offset - top, column.width + 2 * margin, height)
            self._place_parts(index, frame, row)

    def _place_parts(self, index: int, frame: MessageFrame, row: Row) -> None:
        theme = self._kit.theme
        margin = theme.px(MARGIN)
        tops = row.tops(self._rows.zoom)
        bubble = self._bubble(frame, row, tops[-1]) if frame.own else QRect()
        left = bubble.left() + theme.px(BUBBLE_PAD) if frame.own else margin
        for number, widget in frame.widgets.items():
            part = row.parts[number]
            x = left + inset(theme, part.piece.place) - widget.bleed
            width = self.piece_width(row, part.piece) + 2 * widget.bleed
            widget.setGeometry(x, tops[number], width, part.height)
            self.show_ranges(index, number, widget)
        frame.place(tops[-1], bubble)

    def _bubble(self, frame: MessageFrame, row: Row, text_bottom: int) -> QRect:
        """The ground of an own message: as wide as its longest line."""
        theme = self._kit.theme
        limit = self._rows.text_width(row)
        prose = [w for w in frame.widgets.values() if isinstance(w, ProseBlock)]
        width = limit
        if row.parts and len(prose) == len(row.parts):
            width = max(widget.ideal_width(limit) for widget in prose)
        font = theme.font("small", weight=500)
        chips = sum(paint.text_width(name, font) + theme.px(44) for name in row.message.attachments)
        width = min(limit, max(width, chips - theme.px(8), theme.px(ATTACHMENT))) + 2 * theme.px(BUBBLE_PAD)
        right = self._rows.width + theme.px(MARGIN)
        return QRect(right - width, 0, width, text_bottom + row.chrome[1])

    def show_ranges(self, index: int, number: int, widget: PieceWidget) -> None:
        """Mirror selection and search in a widget."""
        widget.select(*self._hooks.selected(index, number))
        widget.mark(self._hooks.found(index, number))
        widget.underline(self._hooks.unsupported(index, number))

    def show_all_ranges(self) -> None:
        for index, frame in self.frames.items():
            for number, widget in frame.widgets.items():
                self.show_ranges(index, number, widget)

    # Pools

    def _take_frame(self, index: int) -> MessageFrame:
        if self._free_frames:
            frame = self._free_frames.pop()
        else:
            frame = MessageFrame(self._kit.theme, self._canvas)
            self._hooks.frame_made(frame)
        self.frames[index] = frame
        self.reordered = True
        frame.show()
        return frame

    def _drop_frame(self, index: int) -> None:
        frame = self.frames.pop(index)
        for number in list(frame.widgets):
            self._drop_widget(frame, number)
        if frame.isAncestorOf(self._canvas.window().focusWidget() or self._canvas):
            self._hooks.focus_lost()
        frame.hide()
        self.reordered = True
        self._free_frames.append(frame)

    def _take_widget(self, kind: type[PieceWidget], frame: MessageFrame) -> PieceWidget:
        free = self._free[kind]
        self.reordered = True
        if free:
            widget = free.pop()
            if widget.parentWidget() is not frame:
                widget.setParent(frame)
        else:
            widget = kind(self._kit, frame)
            self._hooks.widget_made(widget)
        # Shown before it is measured: hidden widgets learn of their size late, and wrap their text for another one.
        widget.show()
        return widget

    def _drop_widget(self, frame: MessageFrame, number: int) -> None:
        widget = frame.widgets.pop(number)
        widget.release()
        widget.hide()
        self.reordered = True
        if len(self._free[type(widget)]) < POOLED:
            self._free[type(widget)].append(widget)
        else:
            widget.deleteLater()

    def clear(self) -> None:
        """Nothing is in view any more."""
        self.pinned = None
        for index in list(self.frames):
            self._drop_frame(index)

    def retheme(self) -> None:
        """Colours or zoom changed: widgets in view and in the pools are dressed anew."""
        for frame in [*self.frames.values(), *self._free_frames]:
            frame.retheme()
            for widget in frame.widgets.values():
                widget.retheme()
        for widgets in self._free.values():
            for widget in widgets:
                widget.retheme()

    # Finding

    def place_of(self, widget: PieceWidget) -> tuple[int, int] | None:
        """Row and part a widget shows, None when it is in a pool."""
        for index, frame in self.frames.items():
            for number, shown in frame.widgets.items():
                if shown is widget:
                    return index, number
        return None

    def in_reading_order(self) -> list[tuple[MessageFrame, list[PieceWidget]]]:
        return [
            (self.frames[index], [self.frames[index].widgets[n] for n in sorted(self.frames[index].widgets)])
            for index in sorted(self.frames)
        ]
