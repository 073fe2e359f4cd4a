"""The frame of a message: who speaks, the pieces in view, and what can be done with it below."""

from __future__ import annotations

from datetime import datetime

from PySide6.QtCore import QEvent, QPoint, QRect, Qt, Signal, Slot
from PySide6.QtGui import QEnterEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QApplication, QWidget

from desktop.qt.components import paint
from desktop.qt.components.button import IconButton
from desktop.qt.components.notice import Notice
from desktop.qt.figures import per_second
from desktop.qt.focus_ring import give_ring
from desktop.qt.theme import Theme
from desktop.qt.tokens import BUTTON_SMALL, RADIUS_BUBBLE, RADIUS_BUTTON
from desktop.qt.transcript.messages import TranscriptMessage, figures
from desktop.qt.transcript.piece_widget import PieceWidget
from desktop.qt.transcript.quote import paint_quote_bars
from desktop.qt.transcript.rows import BUBBLE_PAD
from desktop.qt.transcript.source_chip import SourceChip

MARGIN = 16  # a frame is wider than the column on each side: room for chips, bars and the focus ring
HEADER = 24
GAP = 8
BELOW = 14
PAD_Y = 12
STATUS = 28
AVATAR = 20
ATTACHMENT = 24


class MessageFrame(QWidget):
    """One message. Used again for others; the transcript places its pieces, the frame paints and asks."""

    copy_asked = Signal(str)
    regenerate_asked = Signal(str)
    edit_asked = Signal(str)
    branch_asked = Signal(str, int)
    source_asked = Signal(str, int)
    height_changed = Signal(str)

    def __init__(self, theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self._theme = theme
        self.message: TranscriptMessage | None = None
        self.speed: float | None = None
        self.widgets: dict[int, PieceWidget] = {}
        self.bubble = QRect()
        self._hovered = False
        self._notice: Notice | None = None
        self._chips: list[SourceChip] = []
        give_ring(self, RADIUS_BUTTON)
        self._copy = self._button("copy", "Copy message")
        self._again = self._button("refresh-cw", "Answer again", keys="Ctrl+R")
        self._edit = self._button("pencil", "Edit message")
        self._earlier = self._button("chevron-left", "Earlier version")
        self._later = self._button("chevron-right", "Later version")
        self._copy.clicked.connect(lambda: self.copy_asked.emit(self._id()))
        self._again.clicked.connect(lambda: self.regenerate_asked.emit(self._id()))
        self._edit.clicked.connect(lambda: self.edit_asked.emit(self._id()))
        self._earlier.clicked.connect(lambda: self.branch_asked.emit(self._id(), -1))
        self._later.clicked.connect(lambda: self.branch_asked.emit(self._id(), 1))

    def _button(self, icon: str, name: str, keys: str = "") -> IconButton:
        button = IconButton(self._theme, icon, name, keys=keys, size=BUTTON_SMALL, icon_size=16, parent=self)
        button.installEventFilter(self)
        return button

    def _id(self) -> str:
        return self.message.id if self.message is not None else ""

    @property
    def own(self) -> bool:
        """Whether it is a message in a bubble: the user's, or instructions."""
        return self.message is not None and self.message.role != "assistant"

    # What is shown

    def show_message(self, message: TranscriptMessage) -> None:
        if message == self.message:
            return
        before, self.message = self.message, message
        self.speed = None if before is None or before.id != message.id else self.speed
        self.setAccessibleName(message.speaker)
        self.setAccessibleDescription(_described(message))
        self._show_notice(message)
        self._show_sources(message)
        self._earlier.setEnabled(message.branch_index > 0)
        self._later.setEnabled(message.branch_index < message.branch_count - 1)
        self._show_buttons()
        self.update()

    def _show_sources(self, message: TranscriptMessage) -> None:
        shown = message.cited if message.role == "assistant" and message.state != "streaming" else ()
        while len(self._chips) < len(shown):
            chip = SourceChip(self._theme, self)
            chip.clicked.connect(lambda _on=False, chip=chip: self.source_asked.emit(self._id(), chip.source.number))
            self._chips.append(chip)
        for chip, source in zip(self._chips, shown, strict=False):
            chip.show_source(source)
        for chip in self._chips[len(shown) :]:
            chip.hide()

    def _show_notice(self, message: TranscriptMessage) -> None:
        wanted = not self._bare(message)
        if wanted and self._notice is None:
            self._notice = Notice(self._theme, "error", "", parent=self)
            self._notice.action_clicked.connect(lambda: self.regenerate_asked.emit(self._id()))
        if self._notice is None:
            return
        if message.state == "failed":
            error = message.error or "The answer could not be written."
            self._notice.show_message("error", error, hint=message.hint, action="Retry")
        elif message.note:
            self._notice.show_message("info", message.note)
        elif message.state == "interrupted":
            error = message.error or "The answer was interrupted before it was finished."
            self._notice.show_message("warning", error, hint=message.hint, action="Retry")
        self._notice.setVisible(wanted)

    def set_speed(self, tokens_per_s: float | None) -> None:
        """Tokens per second of the answer being written."""
        if tokens_per_s != self.speed:
            self.speed = tokens_per_s
            self.update()

    def _show_buttons(self) -> None:
        message = self.message
        if message is None:
            return
        branches = message.branch_count > 1
        writing = message.state == "streaming"
        near = not self.own or self._hovered
        self._copy.setVisible(near and not writing)
        self._again.setVisible(message.role == "assistant" and not writing and not message.fixed)
        self._edit.setVisible(near and message.role == "user")
        self._earlier.setVisible(branches and not writing)
        self._later.setVisible(branches and not writing)

    # Measures

    def chrome(self, width: int) -> tuple[int, int]:
        """Space above and below the pieces, in pixels, at a width of the column."""
        assert self.message is not None
        px, message = self._theme.px, self.message
        if self.own:
            attachments = px(GAP) + px(ATTACHMENT) if message.attachments else 0
            return px(PAD_Y), px(PAD_Y) + attachments
        above = px(HEADER) + px(GAP)
        if message.state == "streaming":
            return above, px(GAP) + px(STATUS)
        below = px(GAP if self._bare(message) and not message.cited else BELOW) + px(BUTTON_SMALL)
        if message.cited:
            below += px(GAP) + px(BUTTON_SMALL)
        return above, below + self._notice_height(width)

    def _bare(self, message: TranscriptMessage) -> bool:
        """Whether no notice stands between the text and the foot."""
        return not (message.note or message.state in ("failed", "interrupted"))

    def _notice_height(self, width: int) -> int:
        if self._notice is None or self._notice.isHidden():
            return 0
        layout = self._notice.layout()
        asked = layout.heightForWidth(width) if layout is not None and layout.hasHeightForWidth() else -1
        return max(asked, self._notice.minimumSizeHint().height()) + self._theme.px(GAP)

    def place(self, text_bottom: int, bubble: QRect) -> None:
        """Put buttons and notice in place; `text_bottom` is where the pieces end, `bubble` the ground of an own one."""
        self.bubble = bubble
        px = self._theme.px
        left, width = px(MARGIN), self.width() - 2 * px(MARGIN)
        message = self.message
        near = message is None or (self._bare(message) and not message.cited)
        y = text_bottom + px(GAP if near else BELOW)
        if self._notice is not None and not self._notice.isHidden():
            height = self._notice_height(width) - px(GAP)
            self._notice.setGeometry(left, y, width, height)
            y += height + px(GAP)
        if message is not None and message.cited and not self.own and message.state != "streaming":
            self._place_sources(left, y)
            y += px(BUTTON_SMALL) + px(GAP)
        self._place_own(bubble) if self.own else self._place_foot(left - px(6), y)
        self.update()

    def _place_sources(self, left: int, y: int) -> None:
        """In one row; those there is no room for are in the panel of the sources."""
        assert self.message is not None
        x, right = left, self.width() - left
        for chip in self._chips[: len(self.message.cited)]:
            size = chip.sizeHint()
            fits = x + size.width() <= right
            chip.setVisible(fits)
            if fits:
                chip.setGeometry(x, y, size.width(), size.height())
                x += size.width() + self._theme.px(8)
            else:
                x = right  # none behind it either: they stand in order

    def _place_foot(self, x: int, y: int) -> None:
        px, side = self._theme.px, self._theme.px(BUTTON_SMALL)
        for button in (self._copy, self._again):
            button.setGeometry(x, y, side, side)
            x += side + px(2)
        self._earlier.setGeometry(x + px(4), y, side, side)
        self._later.setGeometry(x + px(4) + side + self._count_width(), y, side, side)

    def _place_own(self, bubble: QRect) -> None:
        px, side = self._theme.px, self._theme.px(BUTTON_SMALL)
        y = bubble.bottom() - side - px(6)
        x = bubble.left() - px(GAP) - side
        for button in (self._copy, self._edit):
            button.setGeometry(x, y, side, side)
            x -= side + px(2)
        self._later.setGeometry(x, y, side, side)
        self._earlier.setGeometry(x - side - self._count_width(), y, side, side)

    def _count(self) -> str:
        assert self.message is not None
        return f"{self.message.branch_index + 1}/{self.message.branch_count}"

    def _count_width(self) -> int:
        return paint.text_width(self._count(), self._theme.font("small"))

    # Nearness

    def enterEvent(self, event: QEnterEvent) -> None:
        self._near(True)

    def leaveEvent(self, event: QEvent) -> None:
        focused = QApplication.focusWidget()
        self._near(focused is not None and self.isAncestorOf(focused))

    def focusInEvent(self, event: QEvent) -> None:
        self._near(True)
        self.update()

    def focusOutEvent(self, event: QEvent) -> None:
        focused = QApplication.focusWidget()
        self._near(self.underMouse() or (focused is not None and self.isAncestorOf(focused)))

    def focusNextPrevChild(self, forward: bool) -> bool:
        """From a message that was reached by Alt+Up, Tab goes on inside it: the frame itself is no stop of Tab's."""
        inside = [w for w in self.findChildren(QWidget) if w.isVisible() and w.focusPolicy() & Qt.FocusPolicy.TabFocus]
        if not (forward and self.hasFocus() and inside):
            return super().focusNextPrevChild(forward)
        places = {widget: widget.mapTo(self, QPoint(0, 0)) for widget in inside}
        first = min(inside, key=lambda widget: (places[widget].y(), places[widget].x()))
        first.setFocus(Qt.FocusReason.TabFocusReason)
        return True

    @Slot()
    def _near(self, near: bool) -> None:
        if near != self._hovered:
            self._hovered = near
            self._show_buttons()

    def retheme(self) -> None:
        if self._notice is not None:
            self._notice.retheme()
        self.update()

    # Painting

    def paintEvent(self, event: QPaintEvent) -> None:
        if self.message is None:
            return
        painter = paint.antialiased(QPainter(self))
        if self.own:
            self._paint_bubble(painter)
        else:
            self._paint_header(painter)
            self._paint_foot(painter)
        if self._earlier.isVisible():
            self._paint_count(painter)
        for widget in self.widgets.values():
            if widget.piece is not None and widget.piece.place.quotes:
                bottom = widget.geometry().bottom() + 1
                left = self._theme.px(MARGIN)
                quotes = widget.piece.place.quotes
                paint_quote_bars(painter, self._theme, quotes, left=left, top=widget.y(), bottom=bottom)

    def _paint_bubble(self, painter: QPainter) -> None:
        theme, message = self._theme, self.message
        assert message is not None
        paint.box(painter, self.bubble, theme.px(RADIUS_BUBBLE), theme.color("bg_bubble"))
        x = self.bubble.left() + theme.px(BUBBLE_PAD)
        y = self.bubble.bottom() + 1 - theme.px(PAD_Y) - theme.px(ATTACHMENT)
        for name in message.attachments:
            words = paint.text_width(name, theme.font("small", weight=500))
            box = QRect(x, y, words + theme.px(36), theme.px(ATTACHMENT))
            if box.right() > self.bubble.right():
                break
            paint.box(painter, box, theme.px(RADIUS_BUTTON), theme.color("bg_surface"), theme.color("border"))
            spot = QRect(x + theme.px(8), y + theme.px(5), theme.px(14), theme.px(14))
            theme.paint_icon(painter, spot, "file-code")
            area = QRect(x + theme.px(28), y, words, theme.px(ATTACHMENT))
            paint.text(painter, area, name, theme.font("small", weight=500), theme.color("text2"))
            x = box.right() + theme.px(8)

    def _paint_header(self, painter: QPainter) -> None:
        theme, message = self._theme, self.message
        assert message is not None
        left, side = theme.px(MARGIN), theme.px(AVATAR)
        top = (theme.px(HEADER) - side) // 2
        paint.box(painter, QRect(left, top, side, side), theme.px(5), theme.color("accent"))
        spot = QRect(left + theme.px(3), top + theme.px(3), side - theme.px(6), side - theme.px(6))
        theme.paint_icon(painter, spot, "terminal", "on_accent")
        name = theme.font("ui", weight=600)
        x = left + side + theme.px(8)
        room = self.width() - 2 * left - side - theme.px(80)
        width = min(room, paint.text_width(message.speaker, name))
        paint.text(painter, QRect(x, 0, width, theme.px(HEADER)), message.speaker, name, theme.color("text"))
        if message.created_at:
            area = QRect(x + width + theme.px(8), 0, theme.px(72), theme.px(HEADER))
            paint.text(painter, area, clock(message.created_at), theme.font("small"), theme.color("text3"))

    def _paint_foot(self, painter: QPainter) -> None:
        theme, message = self._theme, self.message
        assert message is not None
        left = theme.px(MARGIN)
        if message.state == "streaming":
            self._paint_writing(painter, QRect(left, self.height() - theme.px(STATUS), self.width(), theme.px(STATUS)))
            return
        words = [*(["Stopped"] if message.state == "stopped" else []), *figures(message)]
        area = QRect(left, self._copy.y(), self.width() - 2 * left, theme.px(BUTTON_SMALL))
        text = "  ·  ".join(words)
        paint.text(painter, area, text, theme.font("small"), theme.color("text3"), align=Qt.AlignmentFlag.AlignRight)

    def _paint_writing(self, painter: QPainter, area: QRect) -> None:
        theme = self._theme
        caret = QRect(area.left(), area.top() + (area.height() - theme.px(16)) // 2, theme.px(8), theme.px(16))
        paint.box(painter, caret, theme.px(1.5), theme.color("accent"))
        words = "Writing…" if self.widgets else "Waiting for the first words…"
        if self.widgets and self.speed:
            words = f"{words} {per_second(self.speed)}"
        paint.text(painter, area.adjusted(theme.px(16), 0, 0, 0), words, theme.font("small"), theme.color("text3"))

    def _paint_count(self, painter: QPainter) -> None:
        area = QRect(
            self._earlier.geometry().right() + 1, self._earlier.y(), self._count_width(), self._earlier.height()
        )
        paint.text(painter, area, self._count(), self._theme.font("small"), self._theme.color("text2"))


def clock(seconds: float) -> str:
    """Time of day on this computer, "14:32"."""
    return datetime.fromtimestamp(seconds).astimezone().strftime("%H:%M")


def _described(message: TranscriptMessage) -> str:
    words = {"streaming": "being written", "stopped": "stopped", "interrupted": "interrupted", "failed": "failed"}
    parts = [clock(message.created_at)] if message.created_at else []
    return ", ".join([*parts, *([words[message.state]] if message.state in words else []), *figures(message)])
