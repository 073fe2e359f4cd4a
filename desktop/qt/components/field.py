"""Fields for one line of text: plain, and for searching."""

from PySide6.QtCore import QRect, QSize, Qt, Signal, Slot
from PySide6.QtGui import QColor, QKeyEvent, QPainter, QPaintEvent, QPalette, QResizeEvent
from PySide6.QtWidgets import QLineEdit, QSizePolicy, QWidget

from desktop.qt.components import paint
from desktop.qt.components.button import IconButton
from desktop.qt.focus_ring import give_ring
from desktop.qt.theme import Theme
from desktop.qt.tokens import FIELD, RADIUS_BUTTON, TARGET_MIN


class Field(QLineEdit):
    """One line of text with an outline. `name` is for screen readers, `hint` stands in the empty field."""

    def __init__(self, theme: Theme, name: str, hint: str = "", *, mono: bool = False, parent: QWidget | None = None):
        super().__init__(parent)
        self._theme = theme
        self._mono = mono
        self._error = ""
        self.setFrame(False)
        self.setAccessibleName(name)
        self.setPlaceholderText(hint)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        give_ring(self, RADIUS_BUTTON)
        theme.changed.connect(self.retheme)
        self.retheme()

    def set_error(self, sentence: str) -> None:
        """Mark the field as wrong and tell screen readers why; "" takes it back. Show the sentence beside the field."""
        self._error = sentence
        self.setAccessibleDescription(sentence)
        self.update()

    @property
    def error(self) -> str:
        return self._error

    @Slot()
    def retheme(self) -> None:
        px = self._theme.px
        self.setFont(self._theme.font("code" if self._mono else "ui"))
        palette = self.palette()
        palette.setColor(QPalette.ColorRole.Base, QColor(Qt.GlobalColor.transparent))
        palette.setColor(QPalette.ColorRole.Text, self._theme.color("text"))
        palette.setColor(QPalette.ColorRole.PlaceholderText, self._theme.color("text3"))
        palette.setColor(QPalette.ColorGroup.Disabled, QPalette.ColorRole.Text, self._theme.color("text_disabled"))
        self.setPalette(palette)
        left, right = self._margins()
        self.setTextMargins(px(left), 0, px(right), 0)
        self.updateGeometry()

    def _margins(self) -> tuple[int, int]:
        return 8, 8

    def sizeHint(self) -> QSize:
        return QSize(self._theme.px(200), self._theme.px(FIELD))

    def minimumSizeHint(self) -> QSize:
        return QSize(self._theme.px(80), self._theme.px(FIELD))

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = paint.antialiased(QPainter(self))
        enabled = self.isEnabled()
        paint.box(
            painter,
            self.rect(),
            self._theme.px(RADIUS_BUTTON),
            self._theme.color("bg_input" if enabled else "bg_sunken"),
            paint.field_border(self._theme, enabled=enabled, error=bool(self._error)),
        )
        self._paint_extras(painter)
        painter.end()
        super().paintEvent(event)

    def _paint_extras(self, painter: QPainter) -> None:
        """For what stands in the field beside its text."""


class SearchField(Field):
    """A field with a magnifier, a button that empties it and, while it is empty, the keys that lead to it.

    `move_requested(1 or -1)` tells Down and Up, for a list below; Esc empties it, and leaves the event to the window
    when it is empty already.
    """

    move_requested = Signal(int)

    def __init__(self, theme: Theme, name: str, hint: str = "", *, keys: str = "", parent: QWidget | None = None):
        self._keys = keys
        super().__init__(theme, name, hint, parent=parent)
        self._clear = IconButton(theme, "x", "Clear search", size=TARGET_MIN, icon_size=14, parent=self)
        self._clear.setCursor(Qt.CursorShape.ArrowCursor)
        self._clear.hide()
        self._clear.clicked.connect(self._emptied)
        self.textChanged.connect(self._text_changed)

    def _margins(self) -> tuple[int, int]:
        words = paint.text_width(self._keys, self._theme.font("meta", weight=500)) * 100 // self._theme.zoom
        return 34, max(32, words + 16 if self._keys else 0)

    @Slot()
    def _emptied(self) -> None:
        self.clear()
        self.setFocus(Qt.FocusReason.OtherFocusReason)

    @Slot(str)
    def _text_changed(self, text: str) -> None:
        self._clear.setVisible(bool(text))
        self.update()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        side = self._theme.px(TARGET_MIN)
        inset = (self.height() - side) // 2
        self._clear.setGeometry(self.width() - side - inset, inset, side, side)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Down, Qt.Key.Key_Up):
            self.move_requested.emit(1 if event.key() == Qt.Key.Key_Down else -1)
        elif event.key() == Qt.Key.Key_Escape and self.text():
            self.clear()
        else:
            super().keyPressEvent(event)

    def _paint_extras(self, painter: QPainter) -> None:
        px = self._theme.px
        side = px(16)
        token = "text2" if self.isEnabled() else "text_disabled"
        self._theme.paint_icon(painter, QRect(px(9), (self.height() - side) // 2, side, side), "search", token)
        if self._keys and not self.text():
            area = self.rect().adjusted(0, 0, -px(10), 0)
            font = self._theme.font("meta", weight=500)
            paint.text(painter, area, self._keys, font, self._theme.color("text3"), align=Qt.AlignmentFlag.AlignRight)
