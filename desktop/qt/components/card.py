"""Cards: raised boxes for what belongs together."""

from PySide6.QtCore import QEvent, Qt, Signal, Slot
from PySide6.QtGui import QEnterEvent, QKeyEvent, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QFrame, QVBoxLayout, QWidget

from desktop.qt.components import paint
from desktop.qt.focus_ring import give_ring
from desktop.qt.theme import Theme
from desktop.qt.tokens import RADIUS_CARD


class Card(QFrame):
    """A raised box for what belongs together; put widgets into `content`.

    With `clickable` it is a button as well: `clicked` comes by mouse, Space and Enter. `set_selected` gives it the
    accent's outline.
    """

    clicked = Signal()

    def __init__(
        self, theme: Theme, *, name: str = "", clickable: bool = False, padding: int = 12, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._theme = theme
        self._padding = padding
        self._clickable = clickable
        self._selected = False
        self._down = False
        self.setAccessibleName(name)
        self.content = QVBoxLayout(self)
        if clickable:
            self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            give_ring(self, RADIUS_CARD)
        theme.changed.connect(self.retheme)
        self.retheme()

    @property
    def selected(self) -> bool:
        return self._selected

    def set_selected(self, selected: bool) -> None:
        self._selected = selected
        self.update()

    @Slot()
    def retheme(self) -> None:
        pad = self._theme.px(self._padding)
        self.content.setContentsMargins(pad, pad, pad, pad)
        self.content.setSpacing(self._theme.px(4))
        self.update()

    def _set_down(self, down: bool) -> None:
        self._down = down
        self.update()

    def enterEvent(self, event: QEnterEvent) -> None:
        self.update()

    def leaveEvent(self, event: QEvent) -> None:
        self.update()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if not self._clickable or event.button() != Qt.MouseButton.LeftButton:
            event.ignore()
            return
        self._set_down(True)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        hit = self._down and self.rect().contains(event.position().toPoint())
        self._set_down(False)
        if hit:
            self.clicked.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if self._clickable and event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space):
            self.clicked.emit()
            return
        super().keyPressEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = paint.antialiased(QPainter(self))
        color = self._theme.color
        hover = self._clickable and self.isEnabled() and self.underMouse()
        ground = "bg_selected" if self._down else "bg_hover" if hover else "bg_raised"
        edge = "accent" if self._selected else "border"
        paint.box(painter, self.rect(), self._theme.px(RADIUS_CARD), color(ground), color(edge))
