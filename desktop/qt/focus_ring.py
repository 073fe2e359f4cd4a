"""The focus ring: 2 px wide, 2 px outside the control that has the focus, in every window."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QObject, QPoint, QRect, QRectF, Qt, Slot
from PySide6.QtGui import QPainter, QPainterPath, QPaintEvent
from PySide6.QtWidgets import QAbstractScrollArea, QApplication, QWidget
from shiboken6 import isValid

from desktop.qt.tokens import RING_GAP, RING_WIDTH

if TYPE_CHECKING:
    from desktop.qt.theme import Theme

RADIUS_PROPERTY = "ringRadius"
REACH = RING_GAP + RING_WIDTH
MOVES = frozenset({QEvent.Type.Move, QEvent.Type.Resize, QEvent.Type.Show, QEvent.Type.Hide, QEvent.Type.ParentChange})


def give_ring(widget: QWidget, radius: int) -> None:
    """Let the ring appear around `widget`, a control with corners of `radius`, while it or a child has the focus.

    Opt-in: texts and lists that show the focus in another way stay without.
    """
    widget.setProperty(RADIUS_PROPERTY, radius)


def ring_target(focused: QWidget | None) -> QWidget | None:
    """The widget the ring belongs to when `focused` has the focus: itself or the nearest parent that asked for one."""
    widget = focused
    while widget is not None and not widget.isWindow():
        if widget.property(RADIUS_PROPERTY) is not None:
            return widget
        widget = widget.parentWidget()
    return None


class FocusRing(QWidget):
    """The ring of one window: drawn above everything, outside the control, never in the way of the mouse."""

    def __init__(self, theme: Theme, window: QWidget) -> None:
        super().__init__(window)
        self._theme = theme
        self._radius = 0
        self.setObjectName("focusRing")
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.hide()

    def surround(self, target: QWidget) -> None:
        """Lie around `target`, cut off where a scroll area cuts the target off."""
        window = self.window()
        place = QRect(target.mapTo(window, QPoint(0, 0)), target.size())
        self._radius = int(target.property(RADIUS_PROPERTY))
        self.setGeometry(place.adjusted(-REACH, -REACH, REACH, REACH))
        seen = visible_part(target, window, place)
        shown = self.geometry() if seen is None else self.geometry().intersected(seen)
        if seen is None:
            self.clearMask()
        else:
            self.setMask(shown.translated(-self.pos()))
        self.setVisible(target.isVisible() and not shown.isEmpty())
        self.raise_()
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        outer = QRectF(self.rect())
        inner = outer.adjusted(RING_WIDTH, RING_WIDTH, -RING_WIDTH, -RING_WIDTH)
        corner = self._theme.px(self._radius) + RING_GAP
        path = QPainterPath()
        path.addRoundedRect(outer, corner + RING_WIDTH, corner + RING_WIDTH)
        path.addRoundedRect(inner, corner, corner)
        painter.fillPath(path, self._theme.color("accent"))


def visible_part(target: QWidget, window: QWidget, place: QRect) -> QRect | None:
    """The part of `window` where scroll areas let `target` be seen, None when nothing cuts it off."""
    seen: QRect | None = None
    widget = target.parentWidget()
    while widget is not None and widget is not window:
        area = widget.parentWidget()
        if isinstance(area, QAbstractScrollArea) and area.viewport() is widget:
            frame = QRect(widget.mapTo(window, QPoint(0, 0)), widget.size())
            seen = frame if seen is None else seen.intersected(frame)
        widget = area
    return seen


class FocusRings(QObject):
    """Keeps one ring per window at the control that has the focus; made by the theme."""

    def __init__(self, theme: Theme, app: QApplication) -> None:
        super().__init__(theme)
        self._theme = theme
        self._target: QWidget | None = None
        self._watched: list[QWidget] = []
        self._ring: FocusRing | None = None
        app.focusChanged.connect(self._focus_changed)
        theme.changed.connect(self._place)

    @Slot(QWidget, QWidget)
    def _focus_changed(self, old: QWidget | None, now: QWidget | None) -> None:
        target = ring_target(now)
        if target is self._target:
            return
        self._leave()
        if target is None:
            return
        self._target = target
        self._ring = self._ring_of(target.window())
        self._watch(target)
        self._place()

    def _ring_of(self, window: QWidget) -> FocusRing:
        known = window.findChild(FocusRing, "focusRing", Qt.FindChildOption.FindDirectChildrenOnly)
        return known if isinstance(known, FocusRing) else FocusRing(self._theme, window)

    def _watch(self, target: QWidget) -> None:
        widget: QWidget | None = target
        while widget is not None:
            widget.installEventFilter(self)
            self._watched.append(widget)
            widget = None if widget.isWindow() else widget.parentWidget()
        target.destroyed.connect(self._forget)

    def _leave(self) -> None:
        # A window that is being destroyed loses its focus when it is half gone: nothing of it may be touched then.
        for widget in filter(isValid, self._watched):
            widget.removeEventFilter(self)
        if self._target is not None and isValid(self._target):
            self._target.destroyed.disconnect(self._forget)
        if self._ring is not None and isValid(self._ring):
            self._ring.hide()
        self._forget()

    @Slot()
    def _forget(self) -> None:
        self._watched = []
        self._target = None
        self._ring = None

    @Slot()
    def _place(self) -> None:
        if self._target is not None and self._ring is not None:
            self._ring.surround(self._target)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() in MOVES:
            self._place()
        return False
