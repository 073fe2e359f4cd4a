"""Menus and popovers: what opens beside a control and closes by Esc or a click elsewhere."""

from PySide6.QtCore import QPoint, QRect, QRectF, Qt, Signal, Slot
from PySide6.QtGui import QHideEvent, QPainter, QPainterPath, QPaintEvent, QRegion, QResizeEvent
from PySide6.QtWidgets import QMenu, QVBoxLayout, QWidget

from desktop.qt.components import paint
from desktop.qt.theme import Theme
from desktop.qt.tokens import RADIUS_CARD


def round_mask(rect: QRect, radius: int) -> QRegion:
    """A region with round corners. Windows without a compositor show translucent corners black, so they are cut."""
    path = QPainterPath()
    path.addRoundedRect(QRectF(rect), radius, radius)
    return QRegion(path.toFillPolygon().toPolygon())


class Menu(QMenu):
    """A menu in the look of the style sheet, with round corners. Its `name` is what a screen reader says."""

    def __init__(self, theme: Theme, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self.setAccessibleName(name)
        self.setToolTipsVisible(True)

    def open_below(self, anchor: QWidget) -> None:
        """Open under a control, with left edges in line."""
        self.popup(anchor.mapToGlobal(QPoint(0, anchor.height() + self._theme.px(4))))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.setMask(round_mask(self.rect(), self._theme.px(4)))


def popover_place(anchor: QRect, size: QRect, screen: QRect, gap: int) -> QPoint:
    """Where a popover opens: under `anchor`, or above it where there is no room, never past the edges of the screen."""
    x = min(max(anchor.left(), screen.left() + gap), screen.right() - size.width() - gap)
    below = anchor.bottom() + gap
    fits = below + size.height() <= screen.bottom()
    return QPoint(x, below if fits else max(screen.top(), anchor.top() - gap - size.height()))


class Popover(QWidget):
    """A small window for content beside a control; put widgets into `content`. `closed` comes when it has gone."""

    closed = Signal()

    def __init__(self, theme: Theme, name: str, parent: QWidget) -> None:
        super().__init__(parent, Qt.WindowType.Popup | Qt.WindowType.FramelessWindowHint)
        self._theme = theme
        self.setAccessibleName(name)
        self.setWindowTitle(name)
        self.content = QVBoxLayout(self)
        theme.changed.connect(self.retheme)
        self.retheme()

    def open_at(self, anchor: QWidget) -> None:
        """Open beside `anchor` and take the focus to the first control inside."""
        self.adjustSize()
        place = QRect(anchor.mapToGlobal(QPoint(0, 0)), anchor.size())
        self.move(popover_place(place, self.rect(), anchor.screen().availableGeometry(), self._theme.px(4)))
        self.show()
        self.focusNextChild()

    @Slot()
    def retheme(self) -> None:
        pad = self._theme.px(12)
        self.content.setContentsMargins(pad, pad, pad, pad)
        self.content.setSpacing(self._theme.px(8))
        self.update()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self.closed.emit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.setMask(round_mask(self.rect(), self._theme.px(RADIUS_CARD)))

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = paint.antialiased(QPainter(self))
        color = self._theme.color
        painter.fillRect(self.rect(), color("bg_raised"))
        paint.box(painter, self.rect(), self._theme.px(RADIUS_CARD), None, color("border_strong"))
