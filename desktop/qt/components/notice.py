"""A notice where something happened: what, why, and the next step as a button. Never a modal box."""

from typing import Literal

from PySide6.QtCore import QRect, Qt, Signal, Slot
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QSizePolicy, QVBoxLayout, QWidget

from desktop.qt.components import paint
from desktop.qt.components.button import Button, IconButton
from desktop.qt.components.label import Label
from desktop.qt.theme import Theme
from desktop.qt.tokens import RADIUS_CARD, TARGET_MIN

Level = Literal["info", "success", "warning", "error", "cloud"]
# Icon, colour of icon and border, ground, and the word a screen reader says first.
LEVELS: dict[Level, tuple[str, str, str, str]] = {
    "info": ("info", "accent", "accent_subtle", "Note"),
    "success": ("circle-check", "success", "success_subtle", "Done"),
    "warning": ("triangle-alert", "warning", "warning_subtle", "Warning"),
    "error": ("circle-alert", "danger", "danger_subtle", "Error"),
    "cloud": ("cloud", "cloud", "cloud_subtle", "Leaves this computer"),
}
ICON = 16


class Notice(QFrame):
    """A sentence with an icon, a hint below it, and at most one action; with `closable` a cross.

    The action stands beside the words, or with `narrow` below them, where there is no room for both.
    `details` (a log, a reason in technical words) are folded behind a button.
    """

    action_clicked = Signal()
    closed = Signal()

    def __init__(
        self,
        theme: Theme,
        level: Level,
        message: str,
        *,
        hint: str = "",
        action: str = "",
        details: str = "",
        closable: bool = False,
        narrow: bool = False,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._theme = theme
        self._level: Level = level
        self._message = Label(theme, message, weight=500, wrap=True)
        self._hint = Label(theme, hint, "small", "text", wrap=True)
        self._details = Label(theme, details, "meta", "text", mono=True, wrap=True)
        self._action = Button(theme, action, small=True)
        self._more = Button(theme, "Details", "ghost", small=True)
        self._close = IconButton(theme, "x", "Close", size=TARGET_MIN, icon_size=14)
        self._action.clicked.connect(self.action_clicked)
        self._more.clicked.connect(self._fold)
        self._close.clicked.connect(self._closed)
        self._lay_out(closable, narrow)
        self.show_message(level, message, hint=hint, action=action, details=details)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)
        theme.changed.connect(self.retheme)
        self.retheme()

    def show_message(self, level: Level, message: str, *, hint: str = "", action: str = "", details: str = "") -> None:
        """Say something else in the same place."""
        self._level = level
        self._message.setText(message)
        self._hint.setText(hint)
        self._hint.setVisible(bool(hint))
        self._details.setText(details)
        self._details.hide()
        self._more.setVisible(bool(details))
        self._action.set_text(action)
        self._action.setVisible(bool(action))
        self.setAccessibleName(f"{LEVELS[level][3]}: {message}")
        self.setAccessibleDescription(hint)
        self.update()

    def _lay_out(self, closable: bool, narrow: bool) -> None:
        self._row = QHBoxLayout(self)
        words = QVBoxLayout()
        words.setSpacing(2)
        for label in (self._message, self._hint, self._details):
            words.addWidget(label)
        self._row.addLayout(words, 1)
        if narrow:
            words.addSpacing(4)
            words.addWidget(self._action, 0, Qt.AlignmentFlag.AlignLeft)
        for button in (self._more, self._close) if narrow else (self._more, self._action, self._close):
            self._row.addWidget(button)
        self._close.setVisible(closable)

    @Slot()
    def _fold(self) -> None:
        shown = self._details.isVisible()
        self._details.setVisible(not shown)
        self._more.set_text("Details" if shown else "Hide details")

    @Slot()
    def _closed(self) -> None:
        self.hide()
        self.closed.emit()

    @Slot()
    def retheme(self) -> None:
        px = self._theme.px
        self._row.setContentsMargins(px(12) + px(ICON) + px(8), px(8), px(12), px(8))
        self._row.setSpacing(px(8))
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = paint.antialiased(QPainter(self))
        px, color = self._theme.px, self._theme.color
        icon, token, ground, _ = LEVELS[self._level]
        paint.box(painter, self.rect(), px(RADIUS_CARD), color(ground), color(token))
        # Beside the first line of the message, however many lines follow.
        line = self._theme.line_height()
        top = self._message.geometry().top() + (min(line, self._message.height()) - px(ICON)) // 2
        if self._message.height() < 2 * line:
            top = self._message.geometry().center().y() - px(ICON) // 2
        self._theme.paint_icon(painter, QRect(px(12), top, px(ICON), px(ICON)), icon, token)
