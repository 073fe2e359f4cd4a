"""What lies over the window for a moment: popovers at a control, and panels in the middle.

Both are children of the window and no windows of their own, so they look the same with and without a compositor,
belong to its accessible tree and go away with it. Esc or a click beside them closes; Tab stays inside; the focus
returns.
"""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QPoint, QRect, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QApplication, QFrame, QVBoxLayout, QWidget
from shiboken6 import isValid

from desktop.qt.components import paint
from desktop.qt.theme import Theme
from desktop.qt.tokens import RADIUS_CARD

MARGIN = 8


class Panel(QFrame):
    """The raised box on an overlay; put widgets into `content`."""

    def __init__(self, theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self._theme = theme
        self.content = QVBoxLayout(self)
        self.content.setContentsMargins(0, 0, 0, 0)
        self.content.setSpacing(0)
        theme.changed.connect(self.update)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = paint.antialiased(QPainter(self))
        color = self._theme.color
        paint.box(painter, QRectF(self.rect()), self._theme.px(RADIUS_CARD), color("bg_raised"), color("border_strong"))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        event.accept()  # a click on the panel's ground must not reach the overlay, which would close


class Overlay(QWidget):
    """Covers the window `host`. `open_at(anchor)` makes a popover, `open_centered(width)` a panel; `closed` follows."""

    closed = Signal()

    def __init__(self, theme: Theme, host: QWidget, name: str, *, dim: bool = False) -> None:
        super().__init__(host)
        self.theme = theme
        self._dim = dim
        self._anchor: QWidget | None = None
        self._above = False
        self._width = 0
        self._height = 0
        self._before: QWidget | None = None
        self.setAccessibleName(name)
        self.panel = Panel(theme, self)
        self.panel.setAccessibleName(name)
        self.hide()
        host.installEventFilter(self)
        self.panel.installEventFilter(self)

    def open_at(self, anchor: QWidget, width: int, *, above: bool = False) -> None:
        """Show at a control, below it or above; kept inside the window."""
        self._anchor, self._above, self._width = anchor, above, width
        self._open()

    def open_centered(self, width: int, height: int = 0) -> None:
        """Show in the middle of the window, a little above it; at least `height` high, as far as there is room."""
        self._anchor, self._width, self._height = None, width, height
        self._open()

    def close_overlay(self) -> None:
        """Hide and give the focus back. Harmless when hidden already."""
        if not self.isVisible():
            return
        self.hide()
        # What had the focus may have been taken away meanwhile, a row of a list that is new for example.
        if self._before is not None and isValid(self._before) and self._before.isVisible():
            self._before.setFocus(Qt.FocusReason.PopupFocusReason)
        self._before = None
        self.closed.emit()

    def focus_first(self) -> QWidget | None:
        """What gets the focus when it opens; the first control inside unless a subclass knows better."""
        return next(iter(self._stops()), None)

    def place(self) -> None:
        """Put the panel where it belongs, for its present content and the window's size."""
        host = self.parentWidget()
        if host is None:
            return
        self.setGeometry(host.rect())
        margin = self.theme.px(MARGIN)
        width = min(self.theme.px(self._width), self.width() - 2 * margin)
        self.panel.setFixedWidth(width)
        layout = self.panel.content
        wanted = layout.totalHeightForWidth(width) if layout.hasHeightForWidth() else layout.totalSizeHint().height()
        least = max(layout.totalMinimumSize().height(), self.panel.minimumHeight(), self.theme.px(self._height))
        height = min(max(wanted, least), self.height() - 2 * margin)
        self.panel.setGeometry(self._spot(width, height, margin))

    def _spot(self, width: int, height: int, margin: int) -> QRect:
        if self._anchor is None or not isValid(self._anchor):
            top = max(margin, min(self.theme.px(96), (self.height() - height) // 2))
            return QRect((self.width() - width) // 2, top, width, height)
        corner = self.mapFromGlobal(self._anchor.mapToGlobal(QPoint(0, 0)))
        x = max(margin, min(corner.x(), self.width() - width - margin))
        gap = self.theme.px(4)
        y = corner.y() - height - gap if self._above else corner.y() + self._anchor.height() + gap
        return QRect(x, max(margin, min(y, self.height() - height - margin)), width, height)

    def _open(self) -> None:
        if not self.isVisible():
            self._before = QApplication.focusWidget()
        self.show()
        self.raise_()
        self.place()
        first = self.focus_first()
        (first or self).setFocus(Qt.FocusReason.PopupFocusReason)

    def _stops(self) -> list[QWidget]:
        """Controls inside that Tab reaches, in reading order of their creation."""
        found = self.panel.findChildren(QWidget)
        return [w for w in found if w.focusPolicy() & Qt.FocusPolicy.TabFocus and w.isVisible() and w.isEnabled()]

    def focusNextPrevChild(self, forward: bool) -> bool:
        stops = self._stops()
        if not stops:
            return True
        focused = QApplication.focusWidget()
        place = stops.index(focused) if focused in stops else (-1 if forward else 0)
        stops[(place + (1 if forward else -1)) % len(stops)].setFocus(Qt.FocusReason.TabFocusReason)
        return True

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if self.isVisible() and (
            (watched is self.parent() and event.type() == QEvent.Type.Resize)
            or (watched is self.panel and event.type() == QEvent.Type.LayoutRequest)
        ):
            self.place()
        return super().eventFilter(watched, event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape:
            self.close_overlay()
        else:
            event.accept()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self.close_overlay()

    def paintEvent(self, event: QPaintEvent) -> None:
        if self._dim:
            QPainter(self).fillRect(self.rect(), QColor(0, 0, 0, 90))
