"""The chart of sizes against losses, with the line of those that nothing beats in both, and the pick."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal, Slot
from PySide6.QtGui import (
    QAccessible,
    QAccessibleEvent,
    QFocusEvent,
    QFont,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QPolygonF,
)
from PySide6.QtWidgets import QSizePolicy, QWidget

from desktop.qt.components import paint
from desktop.qt.focus_ring import give_ring
from desktop.qt.quantize.labels import Box, place_labels
from desktop.qt.quantize.plot import GIGABYTE, ChartPoint, Plot, loss_text, make_plot, size_text
from desktop.qt.theme import Theme
from desktop.qt.tokens import RADIUS_CARD

LEFT, RIGHT, TOP, BOTTOM = 64, 16, 12, 44  # room for the words of the axes
DOT = 5
REACH = 12  # how near to a point a click counts
STEPS = {Qt.Key.Key_Right: 1, Qt.Key.Key_Down: 1, Qt.Key.Key_Left: -1, Qt.Key.Key_Up: -1}


class ParetoChart(QWidget):
    """Sizes to the right, losses upwards. Arrow keys and clicks choose a point: `chosen(model_id)`.

    Its accessible description names every point, so that nothing is told by the picture alone.
    """

    chosen = Signal(str)

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._points: tuple[ChartPoint, ...] = ()
        self._plot: Plot = make_plot(())
        self._current = -1
        self.setAccessibleName("Size and loss of each quantization")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        give_ring(self, RADIUS_CARD)
        theme.changed.connect(self.retheme)

    @property
    def points(self) -> tuple[ChartPoint, ...]:
        """What is shown, smallest first."""
        return self._points

    @property
    def current(self) -> ChartPoint | None:
        return self._points[self._current] if self._current >= 0 else None

    def set_points(self, points: Sequence[ChartPoint]) -> None:
        """Show these; the chosen one stays chosen when it is among them."""
        kept = self.current.model_id if self.current is not None else ""
        self._points = tuple(sorted(points, key=lambda point: point.bytes))
        self._plot = make_plot(self._points)
        self._current = next((n for n, point in enumerate(self._points) if point.model_id == kept), -1)
        self.setAccessibleDescription(" ".join(map(_sentence, self._points)) or "Nothing is measured yet.")
        self.update()

    def choose(self, model_id: str) -> None:
        """Choose a point by its model; an unknown id chooses none."""
        number = next((n for n, point in enumerate(self._points) if point.model_id == model_id), -1)
        if number != self._current:
            self._choose(number)

    def spot(self, number: int) -> QPointF:
        """The middle of a point, in the widget's coordinates."""
        area, (x, y) = self._area(), self._plot.spots[number]
        return QPointF(area.left() + x * area.width(), area.bottom() - y * area.height())

    @Slot()
    def retheme(self) -> None:
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(self._theme.px(420), self._theme.px(280))

    def minimumSizeHint(self) -> QSize:
        return QSize(self._theme.px(260), self._theme.px(180))

    # -- choosing ----------------------------------------------------------------------------------------------------

    def keyPressEvent(self, event: QKeyEvent) -> None:
        step = STEPS.get(Qt.Key(event.key()))
        if step is None or not self._points:
            super().keyPressEvent(event)
            return
        start = self._current if self._current >= 0 else (-1 if step > 0 else len(self._points))
        self._choose(min(len(self._points) - 1, max(0, start + step)))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if (number := self._near(event.position())) >= 0:
            self._choose(number)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        hand = Qt.CursorShape.PointingHandCursor if self._near(event.position()) >= 0 else Qt.CursorShape.ArrowCursor
        self.setCursor(hand)

    def _near(self, where: QPointF) -> int:
        reach = self._theme.px(REACH)
        found = [((self.spot(n) - where).manhattanLength(), n) for n in range(len(self._points))]
        distance, number = min(found, default=(reach + 1.0, -1))
        return number if distance <= reach else -1

    def _choose(self, number: int) -> None:
        self._current = number
        self.update()
        if (point := self.current) is not None:
            self.setAccessibleName(f"Size and loss: {_sentence(point)}")
            QAccessible.updateAccessibility(QAccessibleEvent(self, QAccessible.Event.NameChanged))
            self.chosen.emit(point.model_id)

    # -- painting ----------------------------------------------------------------------------------------------------

    def _area(self) -> QRectF:
        px = self._theme.px
        return QRectF(self.rect()).adjusted(px(LEFT), px(TOP), -px(RIGHT), -px(BOTTOM))

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = paint.antialiased(QPainter(self))
        self._paint_axes(painter)
        if not self._points:
            words = "Nothing is measured yet."
            font, color = self._theme.font("small"), self._theme.color("text3")
            paint.text(painter, self._area(), words, font, color, align=Qt.AlignmentFlag.AlignHCenter)
            return
        self._paint_frontier(painter)
        for number, box in enumerate(self.label_boxes()):
            self._paint_point(painter, number)
            self._paint_label(painter, number, box)

    def label_boxes(self) -> list[QRectF]:
        """Where the name of each point stands, in the widget's coordinates."""
        px, spots = self._theme.px, [self.spot(number) for number in range(len(self._points))]
        corners = [(spot.x(), spot.y()) for spot in spots]
        sizes = [
            (float(paint.text_width(self._label(point), self._font(point))), float(px(16))) for point in self._points
        ]
        frame = self._area()
        room = Box(frame.left() + px(2), 0, self.width() - frame.left() - px(2), frame.bottom())
        first = [n for n, point in enumerate(self._points) if point.picked or n == self._current]
        line = [corners[number] for number in self._plot.frontier]
        return [QRectF(*box) for box in place_labels(corners, sizes, room, line, gap=px(DOT + 5), first=first)]

    def _label(self, point: ChartPoint) -> str:
        return f"{point.label} · pick" if point.picked else point.label

    def _font(self, point: ChartPoint) -> QFont:
        return self._theme.font("small", weight=600 if point.picked else 500)

    def _paint_axes(self, painter: QPainter) -> None:
        area, px, color = self._area(), self._theme.px, self._theme.color
        font, line = self._theme.font("meta"), max(1, px(1))
        for tick in self._plot.losses:
            y = area.bottom() - tick.place * area.height()
            painter.fillRect(QRectF(area.left(), y, area.width(), line), color("border"))
            spot = QRectF(0, y - px(8), area.left() - px(8), px(16))
            paint.text(painter, spot, tick.text, font, color("text3"), align=Qt.AlignmentFlag.AlignRight)
        for tick in self._plot.sizes:
            spot = QRectF(area.left() + tick.place * area.width() - px(32), area.bottom() + px(4), px(64), px(16))
            paint.text(painter, spot, tick.text, font, color("text3"), align=Qt.AlignmentFlag.AlignHCenter)
        painter.fillRect(QRectF(area.left(), area.bottom(), area.width(), line), color("border_strong"))
        painter.fillRect(QRectF(area.left(), area.top(), line, area.height()), color("border_strong"))
        below = QRectF(area.left(), area.bottom() + px(22), area.width(), px(18))
        words = "Size on disk →   ·   ↑ KL divergence, nats per token (lower is closer to the original)"
        paint.text(painter, below, words, font, color("text2"), align=Qt.AlignmentFlag.AlignHCenter)

    def _paint_frontier(self, painter: QPainter) -> None:
        line = QPolygonF([self.spot(number) for number in self._plot.frontier])
        painter.setPen(QPen(self._theme.color("accent"), self._theme.px(3) / 2))
        painter.drawPolyline(line)

    def _paint_point(self, painter: QPainter, number: int) -> None:
        point, spot = self._points[number], self.spot(number)
        px, color = self._theme.px, self._theme.color
        if number == self._current or point.picked:
            ring = "text" if number == self._current else "accent"
            paint.disc(painter, spot.x(), spot.y(), px(DOT + 4), color(ring))
            paint.disc(painter, spot.x(), spot.y(), px(DOT + 2), color("bg_raised"))
        paint.disc(painter, spot.x(), spot.y(), px(DOT), color("accent" if point.on_frontier else "text3"))

    def _paint_label(self, painter: QPainter, number: int, box: QRectF) -> None:
        point = self._points[number]
        token = "accent" if point.picked else "text"
        paint.text(painter, box, self._label(point), self._font(point), self._theme.color(token))

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        if self._current < 0 and self._points and event.reason() != Qt.FocusReason.MouseFocusReason:
            self._choose(next((n for n, point in enumerate(self._points) if point.picked), 0))


def _sentence(point: ChartPoint) -> str:
    size = size_text(point.bytes / GIGABYTE)
    pick = ", the pick" if point.picked else ""
    return f"{point.label}{pick}: {size}, KL divergence {loss_text(point.loss)}."
