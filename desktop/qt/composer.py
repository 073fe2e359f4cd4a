"""Where a message is written: the field, what stands in its way, how full the context is, Send and Stop."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QRectF, Qt, Signal
from PySide6.QtGui import QPainter, QPaintEvent, QShowEvent
from PySide6.QtWidgets import QFrame, QWidget

from desktop.qt.components import paint
from desktop.qt.components.button import Button, IconButton
from desktop.qt.components.gauges import RingGauge
from desktop.qt.components.label import Label
from desktop.qt.components.states import IconSpot
from desktop.qt.composer_edit import ComposerEdit
from desktop.qt.context_gauge import Room
from desktop.qt.figures import grouped_digits
from desktop.qt.files.asked_bar import AskedBar
from desktop.qt.surface import column, row
from desktop.qt.theme import Theme
from desktop.qt.tokens import RADIUS_COMPOSER

LOCAL_NOTE = "Runs on this computer. Nothing is sent."
MAX_SHARE_OF_WINDOW = 0.4


class Composer(QWidget):
    """`send_asked(text)` when a message may go out, `stop_asked`, `edit_last_asked`, `draft_changed(text)`."""

    send_asked = Signal(str)
    stop_asked = Signal()
    edit_last_asked = Signal()
    edit_cancelled = Signal()
    draft_changed = Signal(str)
    parameters_asked = Signal()
    attach_asked = Signal(QWidget)
    ask_files_asked = Signal(QWidget)

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self._busy = False
        self._editing = False
        self._blocked = ""
        self._room = Room()
        self._warned = False
        self.edit = ComposerEdit(theme)
        self._frame = ComposerFrame(theme, self.edit)
        self.asked = AskedBar(theme)
        self._note = Label(theme, "", "small", "text2", wrap=True)
        self._edit_bar = self._make_edit_bar()
        self._ring = RingGauge(theme, "Context")
        self._send = IconButton(theme, "arrow-up", "Send", "primary", keys="Enter", size=32)
        self._stop = Button(theme, "Stop", icon="square")
        self._stop.setToolTip("Stop the answer (Esc)")
        self._local = Label(theme, LOCAL_NOTE, "small", "text3")
        self._lay_out()
        self._connect()
        self.set_room(Room())

    @property
    def text(self) -> str:
        return self.edit.toPlainText()

    def set_text(self, text: str) -> None:
        """Replace the draft and put the cursor behind it."""
        self.edit.setPlainText(text)
        cursor = self.edit.textCursor()
        cursor.movePosition(cursor.MoveOperation.End)
        self.edit.setTextCursor(cursor)

    def set_busy(self, busy: bool) -> None:
        """While an answer is written, Stop stands where Send was; the next message may be typed meanwhile."""
        self._busy = busy
        self._refresh()

    def set_editing(self, editing: bool) -> None:
        """Say that the draft replaces an earlier message, on a branch of its own."""
        self._editing = editing
        self._edit_bar.setVisible(editing)

    def set_blocked(self, reason: str) -> None:
        """Why nothing can be sent just now, as a sentence; "" when it can."""
        if self._blocked and self._note.text() == self._blocked:
            self.say("")
        self._blocked = reason
        self._refresh()

    def set_room(self, room: Room) -> None:
        """How full the context is with the draft."""
        self._room = room
        self._ring.set_value(room.share or 0.0, room.in_words(), room.in_full())
        self._ring.setVisible(bool(room.in_words()))
        self._refresh()

    def say(self, text: str, token: str = "text2") -> None:
        """A note above the field; "" takes it away."""
        self._warned = False
        self._note.set_token(token)
        self._note.setText(text)
        self._note.setVisible(bool(text))

    def focus(self) -> None:
        self.edit.setFocus(Qt.FocusReason.ShortcutFocusReason)

    def submit(self) -> None:
        """Send the draft, or say why it cannot be sent."""
        text = self.text.strip()
        if self._busy:
            self.say("The answer is still being written. Esc stops it.")
        elif self._blocked:
            self.say(self._blocked)
        elif not self._room.fits:
            self._warn()
        elif text:
            self.say("")
            self.edit.clear()
            self.send_asked.emit(text)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if watched is self.window() and event.type() == QEvent.Type.Resize:
            self._limit_height()
        return super().eventFilter(watched, event)

    def showEvent(self, event: QShowEvent) -> None:
        self.window().installEventFilter(self)
        self._limit_height()

    def _limit_height(self) -> None:
        self.edit.set_max_height(max(60, int(self.window().height() * MAX_SHARE_OF_WINDOW)))

    def _text_changed(self) -> None:
        if self._note.isVisible():
            self.say("")
        self._refresh()
        self.draft_changed.emit(self.text)

    def _refresh(self) -> None:
        self._stop.setVisible(self._busy)
        self._send.setVisible(not self._busy)
        can_send = bool(self.text.strip()) and not self._blocked and self._room.fits
        self._send.setEnabled(can_send)
        if not self._room.fits and not self._busy:
            self._warn()
        elif self._warned:
            self.say("")

    def _warn(self) -> None:
        self.say(does_not_fit(self._room, drafted=bool(self.text.strip())), "danger")
        self._warned = True

    def _make_edit_bar(self) -> QWidget:
        bar = QWidget()
        layout = row(bar, gap=8)
        layout.addWidget(Label(self._theme, "Editing an earlier message. Both versions are kept.", "small", "text2"), 1)
        cancel = Button(self._theme, "Cancel", "ghost", small=True)
        cancel.clicked.connect(self.edit_cancelled)
        layout.addWidget(cancel)
        bar.setVisible(False)
        return bar

    def _lay_out(self) -> None:
        px = self._theme.px
        self._note.setVisible(False)
        inside = column(self._frame, margins=(px(12), px(12), px(10), px(8)), gap=px(8))
        inside.addWidget(self._edit_bar)
        inside.addWidget(self._note)
        inside.addWidget(self.asked)
        inside.addWidget(self.edit)
        foot = row(gap=px(4))
        self.attach = IconButton(self._theme, "plus", "Attach a file or folder to this chat")
        self.ask_files = IconButton(self._theme, "at-sign", "Ask collections of files")
        foot.addWidget(self.attach)
        foot.addWidget(self.ask_files)
        self._parameters = IconButton(self._theme, "sliders-horizontal", "Parameters of this chat", keys="Ctrl+I")
        foot.addWidget(self._parameters)
        foot.addStretch(1)
        foot.addWidget(self._ring)
        foot.addSpacing(px(8))
        foot.addWidget(self._send)
        foot.addWidget(self._stop)
        inside.addLayout(foot)
        outside = column(self, gap=px(6))
        outside.addWidget(self._frame)
        note = row(gap=px(6))
        note.addStretch(1)
        note.addWidget(IconSpot(self._theme, "lock", size=14))
        note.addWidget(self._local)
        note.addStretch(1)
        outside.addLayout(note)

    def _connect(self) -> None:
        self.edit.textChanged.connect(self._text_changed)
        self.edit.submitted.connect(self.submit)
        self.edit.edit_last_asked.connect(self.edit_last_asked)
        self.edit.escaped.connect(self._escaped)
        self.edit.too_long.connect(
            lambda count: self.say(f"{grouped_digits(count)} characters are more than a message can hold.", "danger")
        )
        self._send.clicked.connect(self.submit)
        self._stop.clicked.connect(self.stop_asked)
        self._parameters.clicked.connect(self.parameters_asked)
        self.attach.clicked.connect(lambda: self.attach_asked.emit(self.attach))
        self.ask_files.clicked.connect(lambda: self.ask_files_asked.emit(self.ask_files))

    def _escaped(self) -> None:
        if self._busy:
            self.stop_asked.emit()
        elif self._editing:
            self.edit_cancelled.emit()
        else:
            self.say("")


class ComposerFrame(QFrame):
    """The rounded box around the field; its border shows where the focus is."""

    def __init__(self, theme: Theme, edit: QWidget) -> None:
        super().__init__()
        self._theme = theme
        self._edit = edit
        edit.installEventFilter(self)
        theme.changed.connect(self.update)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() in (QEvent.Type.FocusIn, QEvent.Type.FocusOut):
            self.update()
        return super().eventFilter(watched, event)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = paint.antialiased(QPainter(self))
        color = self._theme.color
        border = color("accent" if self._edit.hasFocus() else "border_control")
        paint.box(painter, QRectF(self.rect()), self._theme.px(RADIUS_COMPOSER), color("bg_input"), border)


def does_not_fit(room: Room, *, drafted: bool) -> str:
    """The sentence said before sending what the model cannot take; `drafted`: something is written already."""
    used, allocated = grouped_digits(room.used or 0), grouped_digits(room.allocated or 0)
    if not drafted:
        return (
            f"The context is full: {used} of {allocated} tokens. Begin a new chat (Ctrl+N), or edit an earlier message."
        )
    return (
        f"This does not fit: {used} tokens with the conversation so far, and the model has room for {allocated} "
        "including its answer. Shorten it, or begin a new chat."
    )
