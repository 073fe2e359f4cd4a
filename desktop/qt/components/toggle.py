"""A switch for something that is on or off at once."""

from PySide6.QtCore import QPoint, QRectF, QSize, Qt, Slot
from PySide6.QtGui import QKeyEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QCheckBox, QSizePolicy, QWidget

from desktop.qt.components import paint
from desktop.qt.focus_ring import give_ring
from desktop.qt.theme import Theme
from desktop.qt.tokens import TARGET_MIN

TRACK_WIDTH = 32
TRACK_HEIGHT = 18
GAP = 8


class Toggle(QCheckBox):
    """A switch with its words in front, as in "Hybrid (on)". With `show_name` False the words are only spoken."""

    def __init__(self, theme: Theme, name: str, *, show_name: bool = True, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._label = name if show_name else ""
        self.setAccessibleName(name)
        if not show_name:
            self.setToolTip(name)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        give_ring(self, TRACK_HEIGHT // 2)
        theme.changed.connect(self.retheme)

    @Slot()
    def retheme(self) -> None:
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        px = self._theme.px
        words = paint.text_width(self._label, self._theme.font()) + px(GAP) if self._label else 0
        return QSize(words + px(TRACK_WIDTH) + px(4), px(TARGET_MIN))

    def minimumSizeHint(self) -> QSize:
        return self.sizeHint()

    def hitButton(self, pos: QPoint) -> bool:
        return self.rect().contains(pos)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and not event.isAutoRepeat():
            self.click()
            return
        super().keyPressEvent(event)

    def track(self) -> QRectF:
        """Where the switch itself is drawn."""
        px = self._theme.px
        height = px(TRACK_HEIGHT)
        return QRectF(self.width() - px(TRACK_WIDTH) - px(2), (self.height() - height) / 2, px(TRACK_WIDTH), height)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = paint.antialiased(QPainter(self))
        color, enabled, on = self._theme.color, self.isEnabled(), self.isChecked()
        track = self.track()
        if self._label:
            area = QRectF(0, 0, track.left() - self._theme.px(GAP), self.height())
            paint.text(painter, area, self._label, self._theme.font(), color("text2" if enabled else "text_disabled"))
        active = enabled and (self.underMouse() or self.isDown())
        fill = "bg_chip" if not enabled else ("accent_hover" if active else "accent") if on else "bg_input"
        edge = "" if on and enabled else "border_control" if enabled else "border_strong"
        if not on and active:
            fill = "bg_hover"
        paint.box(painter, track, track.height() / 2, color(fill), color(edge) if edge else None)
        knob = track.height() / 2 - self._theme.px(3)
        x = track.right() - track.height() / 2 if on else track.left() + track.height() / 2
        token = "text_disabled" if not enabled else "on_accent" if on else "border_control"
        paint.disc(painter, x, track.center().y(), knob, color(token))
