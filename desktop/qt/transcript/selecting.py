"""Mouse and keys of the transcript: selecting across messages, links, moving from message to message, copying."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable

from PySide6.QtCore import QEvent, QPoint, Qt, QTimer, Signal, Slot
from PySide6.QtGui import QContextMenuEvent, QGuiApplication, QHelpEvent, QHideEvent, QKeyEvent, QMouseEvent
from PySide6.QtWidgets import QMenu, QToolTip, QWidget

from desktop.qt.components.label import plain_tooltip
from desktop.qt.theme import Theme
from desktop.qt.transcript.area import ABOVE
from desktop.qt.transcript.messages import Source
from desktop.qt.transcript.piece_widget import PieceWidget
from desktop.qt.transcript.pieces import Code, piece_text
from desktop.qt.transcript.rows import Row
from desktop.qt.transcript.searching import SearchingArea
from desktop.qt.transcript.selection import (
    END,
    Position,
    Selection,
    line_around,
    selected_markdown,
    selected_text,
    word_around,
)

SCROLL_MS = 30
COPY_READS = 400  # messages that are read to be copied; more, never seen ones are copied as they were written


class SelectingArea(SearchingArea):
    """Adds selection, links and keys to the area."""

    link_clicked = Signal(str)  # nothing opened yet: give it to the gate in desktop/qt/links.py
    citation_clicked = Signal(str, int)  # a mark in the text, or a source below it
    copy_requested = Signal(str)

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        self.selection = Selection()
        super().__init__(theme, parent)
        self._dragging = False
        self._pressed_link = ""
        self._pointer = QPoint()
        self._clicks = 0
        self._autoscroll = QTimer(self)
        self._autoscroll.setInterval(SCROLL_MS)
        self._autoscroll.timeout.connect(self._scroll_on)

    def widget_made(self, widget: PieceWidget) -> None:
        super().widget_made(widget)
        widget.link_activated.connect(self._open_link)

    # Selection

    def selected_in(self, row: int, part: int) -> tuple[int, int]:
        return self.selection.within(row, part)

    def position_at(self, point: QPoint) -> Position:
        """The place in the text nearest to a point of the viewport."""
        if not len(self.rows):
            return (0, 0, 0)
        y = point.y() + self._value - self.theme.px(ABOVE)
        index = self.rows.at(y)
        row = self.rows.rows[index]
        if not row.parts:
            return (index, 0, 0)
        inside = y - self.rows.tops()[index]
        tops = row.tops(self.rows.zoom)
        number = max(0, min(len(row.parts), bisect_right(tops, inside)) - 1)
        if inside > tops[number] + row.parts[number].height:
            return (index, number, END) if number == len(row.parts) - 1 else (index, number + 1, 0)
        frame = self.stage.frames.get(index)
        widget = frame.widgets.get(number) if frame is not None else None
        if widget is None or inside < tops[0]:
            return (index, number, 0)
        return (index, number, widget.offset_at(widget.mapFrom(self.viewport(), point)))

    def _set_selection(self, anchor: Position, head: Position) -> None:
        self.selection = Selection(anchor, head)
        self.stage.show_all_ranges()

    def clear_selection(self) -> None:
        self._set_selection((0, 0, 0), (0, 0, 0))

    def select_all(self) -> None:
        """Select everything, from the first message to the last."""
        if len(self.rows):
            self._set_selection((0, 0, 0), (len(self.rows) - 1, END, END))

    def selected_text(self) -> str:
        return selected_text(self.rows, self.selection, self._reader())

    def selected_markdown(self) -> str:
        return selected_markdown(self.rows, self.selection, self._reader())

    def _reader(self) -> Callable[[Row], bool]:
        left = COPY_READS
        ends = {self.selection.first[0], self.selection.last[0]}

        def read(row: Row) -> bool:
            nonlocal left
            left -= row.splitter is None
            if left < 0 and row.splitter is None and self.rows.find(row.message.id) not in ends:
                return False
            self.stage.read_all(row)
            return True

        return read

    def copy_text(self) -> None:
        """Put the selected text on the clipboard."""
        self._to_clipboard(self.selected_text())

    def copy_markdown(self) -> None:
        """Put the Markdown of the selected blocks on the clipboard."""
        self._to_clipboard(self.selected_markdown())

    def _to_clipboard(self, text: str) -> None:
        if text:
            QGuiApplication.clipboard().setText(text)
            self.copy_requested.emit(text)

    @Slot()
    def copy_last_code(self) -> bool:
        """Copy the last code block of the conversation; False when there is none in the last 50 messages."""
        for row in reversed(self.rows.rows[-50:]):
            self.stage.read_all(row)
            for part in reversed(row.parts):
                if isinstance(part.piece, Code):
                    self._to_clipboard(part.piece.text)
                    return True
        return False

    # Mouse

    def _widget_at(self, point: QPoint) -> PieceWidget | None:
        widget: QWidget | None = self.viewport().childAt(point)
        while widget is not None and widget is not self.viewport():
            parent = widget.parentWidget()
            if isinstance(widget, PieceWidget) and not isinstance(parent, PieceWidget):
                return widget
            widget = parent
        return None

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() != Qt.MouseButton.LeftButton:
            return
        self.setFocus(Qt.FocusReason.MouseFocusReason)
        point = event.position().toPoint()
        position = self.position_at(point)
        widget = self._widget_at(point)
        self._pressed_link = widget.link_at(widget.mapFrom(self.viewport(), point)) if widget is not None else ""
        self._dragging = True
        self.stage.pinned = position[0] if len(self.rows) else None
        shift = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        self._set_selection(self.selection.anchor if shift else position, position)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        self._dragging = False
        self._select_around(self.position_at(event.position().toPoint()), word_around)

    def _select_around(self, at: Position, around: Callable[[str, int], tuple[int, int]]) -> None:
        if at[0] < len(self.rows) and at[1] < len(self.rows.rows[at[0]].parts):
            start, end = around(piece_text(self.rows.rows[at[0]].parts[at[1]].piece), at[2])
            self._set_selection((at[0], at[1], start), (at[0], at[1], end))

    def select_paragraph_at(self, point: QPoint) -> None:
        """Select the paragraph under a point of the viewport."""
        self._select_around(self.position_at(point), line_around)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        point = event.position().toPoint()
        if not self._dragging:
            self._show_cursor(point)
            return
        self._pointer = point
        self._set_selection(self.selection.anchor, self.position_at(point))
        outside = not 0 <= point.y() < self.viewport().height()
        if outside != self._autoscroll.isActive():
            self._autoscroll.start() if outside else self._autoscroll.stop()

    def _show_cursor(self, point: QPoint) -> None:
        widget = self._widget_at(point)
        shape = Qt.CursorShape.ArrowCursor
        if widget is not None:
            local = widget.mapFrom(self.viewport(), point)
            over = bool(widget.link_at(local)) or bool(widget.citation_at(local))
            shape = Qt.CursorShape.PointingHandCursor if over else Qt.CursorShape.IBeamCursor
        if self.viewport().cursor().shape() != shape:
            self.viewport().setCursor(shape)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if not self._dragging or event.button() != Qt.MouseButton.LeftButton:
            return
        self._dragging = False
        self._autoscroll.stop()
        self.stage.pinned = None
        if self.selection.empty:
            self._clicked(event.position().toPoint())

    def _clicked(self, point: QPoint) -> None:
        widget = self._widget_at(point)
        if widget is None:
            return
        local = widget.mapFrom(self.viewport(), point)
        link, number = widget.link_at(local), widget.citation_at(local)
        if link and link == self._pressed_link:
            self._open_link(link)
        elif number:
            place = self.stage.place_of(widget)
            self.citation_clicked.emit(self.rows.rows[place[0]].message.id if place else "", number)

    @Slot(str)
    def _open_link(self, link: str) -> None:
        self.link_clicked.emit(link)

    @Slot()
    def _scroll_on(self) -> None:
        """The mouse is held outside: scroll towards it, faster the further it is away."""
        y, height = self._pointer.y(), self.viewport().height()
        distance = y if y < 0 else y - height + 1 if y >= height else 0
        bar = self.verticalScrollBar()
        bar.setValue(bar.value() + max(-120, min(120, distance)))
        self._set_selection(self.selection.anchor, self.position_at(self._clamped()))

    def _clamped(self) -> QPoint:
        return QPoint(self._pointer.x(), max(0, min(self.viewport().height() - 1, self._pointer.y())))

    def viewportEvent(self, event: QEvent) -> bool:
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            QToolTip.showText(event.globalPos(), plain_tooltip(self.source_at(event.pos())), self)
            return True
        return super().viewportEvent(event)

    def source_at(self, point: QPoint) -> str:
        """What is known of the source of the citation mark under a point of the viewport, "" where there is none."""
        widget = self._widget_at(point)
        if widget is None or (place := self.stage.place_of(widget)) is None:
            return ""
        number = widget.citation_at(widget.mapFrom(self.viewport(), point))
        sources = self.rows.rows[place[0]].message.sources
        return next((_described(source) for source in sources if source.number == number), "") if number else ""

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        point = self.viewport().mapFrom(self, event.pos())
        widget = self._widget_at(point)
        link = widget.link_at(widget.mapFrom(self.viewport(), point)) if widget is not None else ""
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        for words, enabled, action in (
            ("Copy", not self.selection.empty, self.copy_text),
            ("Copy as Markdown", not self.selection.empty, self.copy_markdown),
            ("Select all", bool(len(self.rows)), self.select_all),
        ):
            menu.addAction(words, action).setEnabled(enabled)
        if link:
            menu.addSeparator()
            menu.addAction("Copy link address", lambda: self._to_clipboard(link))
        menu.popup(event.globalPos())

    # Keys

    def keyPressEvent(self, event: QKeyEvent) -> None:
        keys: dict[tuple[Qt.Key, Qt.KeyboardModifier], Callable[[], object]] = {
            (Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier): self.select_all,
            (Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier): self.copy_text,
            (Qt.Key.Key_C, _CTRL_SHIFT): self.copy_markdown,
            (Qt.Key.Key_K, _CTRL_SHIFT): self.copy_last_code,
            (Qt.Key.Key_End, Qt.KeyboardModifier.NoModifier): self.scroll_to_end,
            (Qt.Key.Key_End, Qt.KeyboardModifier.ControlModifier): self.scroll_to_end,
            (Qt.Key.Key_Home, Qt.KeyboardModifier.NoModifier): self.scroll_to_start,
            (Qt.Key.Key_Home, Qt.KeyboardModifier.ControlModifier): self.scroll_to_start,
            (Qt.Key.Key_Up, Qt.KeyboardModifier.AltModifier): lambda: self.move_message(-1),
            (Qt.Key.Key_Down, Qt.KeyboardModifier.AltModifier): lambda: self.move_message(1),
        }
        modifiers = event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
        action: Callable[[], object] | None = keys.get((Qt.Key(event.key()), modifiers))
        if action is not None:
            action()
            event.accept()
        else:
            super().keyPressEvent(event)

    def scroll_to_start(self) -> None:
        """Show the beginning."""
        self.verticalScrollBar().setValue(0)

    def move_message(self, by: int) -> None:
        """Bring the next or previous message to the top and give it the focus, so that it is read aloud."""
        if not len(self.rows):
            return
        above = self.theme.px(ABOVE)
        current = self._focused_row()
        if current is None:
            current = self.rows.at(self._value)
            aligned = self.rows.tops()[current] >= self._value - 1
            current += 0 if by > 0 or not aligned else by
            target = current + (by if by > 0 and aligned else 0) if by > 0 else current
        else:
            target = current + by
        target = max(0, min(len(self.rows) - 1, target))
        self.scroll_to(target, margin=above)
        frame = self.stage.frames.get(target)
        if frame is not None:
            frame.setFocus(Qt.FocusReason.ShortcutFocusReason)

    def _focused_row(self) -> int | None:
        focused = self.window().focusWidget()
        for index, frame in self.stage.frames.items():
            if focused is not None and (focused is frame or frame.isAncestorOf(focused)):
                return index
        return None

    def hideEvent(self, event: QHideEvent) -> None:
        self._autoscroll.stop()
        super().hideEvent(event)


_CTRL_SHIFT = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier


def _described(source: Source) -> str:
    head = ", ".join(part for part in (f"{source.number}. {source.title}", source.detail) if part)
    return "\n".join(part for part in (head, source.about) if part)
