"""The scrolled area: keeps what is being read in its place while heights above it become known, and follows the end."""

from __future__ import annotations

import time
from dataclasses import dataclass

from PySide6.QtCore import QEvent, Qt, QTimer, Signal, Slot
from PySide6.QtGui import QHideEvent, QResizeEvent, QShowEvent, QWheelEvent
from PySide6.QtWidgets import QAbstractScrollArea, QApplication, QFrame, QWidget

from desktop.qt.components.button import Button
from desktop.qt.theme import Theme
from desktop.qt.transcript.code import CodeBlock
from desktop.qt.transcript.formats import Formats
from desktop.qt.transcript.highlight import Highlighter
from desktop.qt.transcript.markdown import make_parser
from desktop.qt.transcript.math import Maths
from desktop.qt.transcript.message import MessageFrame
from desktop.qt.transcript.piece_widget import FoundRange, Kit, PieceWidget
from desktop.qt.transcript.reasoning import ThoughtBlock
from desktop.qt.transcript.rows import RowList
from desktop.qt.transcript.stage import Column, Stage, StageHooks

COLUMN = 744
SIDE = 24
ABOVE = 24
BELOW = 32
ROW_GAP = 20
PASSES = 8
PARSE_S = 0.008


@dataclass(slots=True)
class Anchor:
    """What stays where it is: `offset` pixels below the top of the view's edge begins this part (or row, part -1)."""

    row: int = 0
    part: int = -1
    offset: int = 0


class TranscriptArea(QAbstractScrollArea):
    """Rows of widgets behind one scroll bar."""

    at_end_changed = Signal(bool)

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.theme = theme
        self.parser = make_parser()
        self.kit = Kit(theme, Formats(theme), Highlighter(theme, self), Maths(self))
        self.rows = RowList()
        hooks = StageHooks(
            self.selected_in, self.found_in, self.unsupported_in, self.frame_made, self.widget_made, self.setFocus
        )
        self.stage = Stage(self.kit, self.parser, self.rows, self.viewport(), hooks)
        self._anchor = Anchor()
        self._follow = True
        self._arranging = False
        self._value = 0
        self._set_up()
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.setInterval(0)
        self._later.timeout.connect(self.relayout)
        self._tab_order = QTimer(self)
        self._tab_order.setSingleShot(True)
        self._tab_order.setInterval(150)
        self._tab_order.timeout.connect(self._order_tabs)
        self.verticalScrollBar().valueChanged.connect(self._scrolled)
        theme.changed.connect(self.retheme)

    def _set_up(self) -> None:
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setAccessibleName("Conversation")
        self.viewport().setAutoFillBackground(False)
        self.viewport().setMouseTracking(True)
        self.new_text = Button(self.theme, "New text below", icon="arrow-down", small=True, parent=self.viewport())
        self.new_text.clicked.connect(self.scroll_to_end)
        self.new_text.hide()

    # Hooks for those who select and search

    def selected_in(self, row: int, part: int) -> tuple[int, int]:
        return (0, 0)

    def found_in(self, row: int, part: int) -> list[FoundRange]:
        return []

    def unsupported_in(self, row: int, part: int) -> list[tuple[int, int]]:
        return []

    def frame_made(self, frame: MessageFrame) -> None:
        frame.setMouseTracking(True)

    def widget_made(self, widget: PieceWidget) -> None:
        widget.setMouseTracking(True)
        widget.height_changed.connect(lambda: self._height_changed(widget))
        if isinstance(widget, ThoughtBlock):
            widget.toggled.connect(lambda opened: self._thought_toggled(widget, opened))

    def _height_changed(self, widget: PieceWidget) -> None:
        place = self.stage.place_of(widget)
        if place is not None and place[1] < len(self.rows.rows[place[0]].parts):
            self.rows.rows[place[0]].parts[place[1]].measured = False
            self._later.start()

    def _thought_toggled(self, widget: PieceWidget, opened: bool) -> None:
        place = self.stage.place_of(widget)
        if place is not None:
            self._stay()
            self.rows.rows[place[0]].toggle_thought(opened, self.rows.zoom)
            self.rows.changed(place[0])
            self.relayout()

    # Geometry

    def column(self) -> Column:
        px = self.theme.px
        # As if the scroll bar were always there: text must neither be wrapped anew nor move when it appears.
        room = self.width() - self.verticalScrollBar().sizeHint().width()
        width = max(px(240), min(px(COLUMN), room - 2 * px(SIDE)))
        return Column((self.width() - width) // 2, width)

    def _total(self) -> int:
        return self.rows.total + self.theme.px(ABOVE) + self.theme.px(BELOW)

    def _greatest(self) -> int:
        return max(0, self._total() - self.viewport().height())

    def _wanted_top(self) -> int:
        if self._follow or not len(self.rows):
            return self._greatest()
        row = min(self._anchor.row, len(self.rows) - 1)
        y = self.rows.tops()[row] + self.theme.px(ABOVE) + self._anchor.offset
        parts = self.rows.rows[row].tops(self.rows.zoom)
        if 0 <= self._anchor.part < len(parts) - 1:
            y += parts[self._anchor.part]
        return max(0, min(y, self._greatest()))

    def _anchor_at(self, top: int) -> Anchor:
        """The first measured part in view, or else the first row."""
        above = self.theme.px(ABOVE)
        if top <= 0 or not len(self.rows):
            return Anchor(0, -1, top - above)
        tops = self.rows.tops()
        first = self.rows.at(top - above)
        for index in range(first, len(self.rows)):
            row_top = tops[index] + above
            if row_top > top + self.viewport().height():
                break
            row = self.rows.rows[index]
            for number, (part, part_top) in enumerate(zip(row.parts, row.tops(self.rows.zoom), strict=False)):
                if part.measured and row_top + part_top + part.height > top:
                    return Anchor(index, number, top - row_top - part_top)
        return Anchor(first, -1, top - tops[first] - above)

    # Laying out

    @Slot()
    def relayout(self) -> None:
        """Make what is in view ready and place it. What is being read stays where it is."""
        if self._arranging or not self.isVisible():
            return
        self._arranging = True
        height, above = self.viewport().height(), self.theme.px(ABOVE)
        top = self._wanted_top()
        self.stage.unfinished = False
        deadline = time.perf_counter() + PARSE_S
        for _ in range(PASSES):
            if not self.stage.arrange(top - above, height, deadline):
                break
            top = self._wanted_top()
        top = self._wanted_top()
        self.stage.place(top, above, self.column())
        self._set_bar(top)
        self._arranging = False
        if not self._follow:
            self._anchor = self._anchor_at(top)
        if self.stage.unfinished:
            self._later.start()
        if self.stage.reordered:
            self._tab_order.start()

    def _set_bar(self, top: int) -> None:
        bar = self.verticalScrollBar()
        bar.setPageStep(self.viewport().height())
        bar.setSingleStep(self.theme.px(48))
        bar.setRange(0, self._greatest())
        bar.setValue(top)
        self._value = bar.value()

    @Slot(int)
    def _scrolled(self, value: int) -> None:
        if self._arranging:
            return
        upward, self._value = value < self._value, value
        if upward:
            self._set_follow(False)
        elif value >= self._greatest() - 1:
            self._set_follow(True)
        self._anchor = self._anchor_at(value)
        self.relayout()

    def _stay(self) -> None:
        """Keep what is in view where it is, whatever changes below."""
        self._anchor = self._anchor_at(self._value)
        if self._follow and self._value < self._greatest():
            self._set_follow(False)

    def _set_follow(self, follow: bool) -> None:
        if follow != self._follow:
            self._follow = follow
            self.at_end_changed.emit(follow)
        if follow:
            self.new_text.hide()

    @property
    def at_end(self) -> bool:
        """Whether the end is in view and followed."""
        return self._follow

    @Slot()
    def scroll_to_end(self) -> None:
        """Show the end and follow it."""
        self._set_follow(True)
        self.relayout()

    def scroll_to(self, row: int, part: int = -1, offset: int = 0, margin: int = 0) -> None:
        """Bring a place to the top of the view, `margin` pixels below its edge."""
        self._set_follow(False)
        self._anchor = Anchor(row, part, offset - margin)
        self.relayout()
        if self._value >= self._greatest() > 0 and row == len(self.rows) - 1:
            self._set_follow(True)

    def say_new_text(self) -> None:
        """Text came below what is in view."""
        if not self._follow and self.new_text.isHidden():
            self._place_new_text()
            self.new_text.show()
            self.new_text.raise_()

    def _place_new_text(self) -> None:
        hint, view = self.new_text.sizeHint(), self.viewport()
        y = view.height() - hint.height() - self.theme.px(12)
        self.new_text.setGeometry((view.width() - hint.width()) // 2, y, hint.width(), hint.height())

    # Events

    def resizeEvent(self, event: QResizeEvent) -> None:
        if not self._follow:
            self._anchor = self._anchor_at(self._value)
        self.measure_again()
        self._place_new_text()

    def measure_again(self) -> None:
        """Width or zoom may have changed."""
        px, width = self.theme.px, self.column().width
        if (width, self.theme.zoom / 100) != (self.rows.width, self.rows.zoom):
            self.rows.set_width(width, self.theme.zoom / 100, px(ROW_GAP))
        self.relayout()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.measure_again()

    def hideEvent(self, event: QHideEvent) -> None:
        self._tab_order.stop()
        self._later.stop()
        super().hideEvent(event)

    def wheelEvent(self, event: QWheelEvent) -> None:
        sideways = event.angleDelta().x() or (
            event.angleDelta().y() if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else 0
        )
        if sideways and self._scroll_code(event, -sideways // 2):
            event.accept()
            return
        super().wheelEvent(event)

    def _scroll_code(self, event: QWheelEvent, by: int) -> bool:
        point = event.position().toPoint()
        widget: QWidget | None = self.viewport().childAt(point)
        while widget is not None and not isinstance(widget, CodeBlock):
            widget = widget.parentWidget()
        return isinstance(widget, CodeBlock) and (widget.scroll_sideways(by) or True)

    def viewportEvent(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Wheel:
            self._value = self.verticalScrollBar().value()
        return super().viewportEvent(event)

    def scrollContentsBy(self, dx: int, dy: int) -> None:
        """Nothing: what is in view is placed by `relayout`, from the value of the bar."""

    @Slot()
    def retheme(self) -> None:
        """Colours or zoom changed."""
        self.kit.formats.forget()
        self.kit.highlighter.forget()
        self.stage.retheme()
        for frame in self.stage.frames.values():
            for number, part in enumerate(self.rows.rows[self._row_of(frame)].parts):
                part.measured = part.measured and number not in frame.widgets
        self.measure_again()
        self._place_new_text()
        self.viewport().update()

    def _row_of(self, frame: MessageFrame) -> int:
        return next(index for index, shown in self.stage.frames.items() if shown is frame)

    @Slot()
    def _order_tabs(self) -> None:
        """Tab goes through the controls in reading order, whichever widget was made first."""
        self.stage.reordered = False
        before: QWidget = self
        for frame, widgets in self.stage.in_reading_order():
            inside = [w for widget in widgets for w in _focusable(widget)]
            for widget in [*inside, *_own_buttons(frame)]:
                QWidget.setTabOrder(before, widget)
                before = widget
        if before is not self:
            QWidget.setTabOrder(before, self.new_text)


def _focusable(widget: QWidget) -> list[QWidget]:
    return [w for w in widget.findChildren(QWidget) if w.focusPolicy() & Qt.FocusPolicy.TabFocus]


def _own_buttons(frame: MessageFrame) -> list[QWidget]:
    options = Qt.FindChildOption.FindDirectChildrenOnly
    return sorted(frame.findChildren(Button, options=options), key=lambda button: (button.y(), button.x()))


def focused_inside(widget: QWidget) -> bool:
    """Whether the focus is in a widget or its children."""
    focused = QApplication.focusWidget()
    return focused is not None and (focused is widget or widget.isAncestorOf(focused))
