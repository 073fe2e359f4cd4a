"""How much of something: bar, ring, curve and dot. Each says its figures to screen readers as well."""

from collections.abc import Sequence

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Slot
from PySide6.QtGui import QColor, QLinearGradient, QPainter, QPainterPath, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QProgressBar, QSizePolicy, QWidget

from desktop.qt.components import paint
from desktop.qt.components.label import plain_tooltip
from desktop.qt.theme import Theme

STEPS = 1000
FULL_TURN = 360 * 16  # Qt counts angles in sixteenths of a degree


class ProgressBar(QProgressBar):
    """A thin bar. `set_fraction(None)` means that work goes on and nobody knows how far: a third stands filled."""

    def __init__(
        self, theme: Theme, name: str, *, token: str = "accent", height: int = 4, parent: QWidget | None = None
    ):
        super().__init__(parent)
        self._theme = theme
        self._token = token
        self._height = height
        self.setAccessibleName(name)
        self.setTextVisible(False)
        self.setRange(0, STEPS)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        theme.changed.connect(self.retheme)

    def set_fraction(self, fraction: float | None, token: str = "") -> None:
        """Show a share of 0 to 1, and another colour when `token` is given."""
        self._token = token or self._token
        if fraction is None:
            self.setRange(0, 0)
        else:
            self.setRange(0, STEPS)
            self.setValue(round(min(1.0, max(0.0, fraction)) * STEPS))
        self.update()

    @property
    def fraction(self) -> float | None:
        return None if self.maximum() == 0 else self.value() / STEPS

    @Slot()
    def retheme(self) -> None:
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(self._theme.px(120), self._theme.px(self._height))

    def minimumSizeHint(self) -> QSize:
        return QSize(self._theme.px(24), self._theme.px(self._height))

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = paint.antialiased(QPainter(self))
        color = self._theme.color
        height = min(self.height(), self._theme.px(self._height))
        rect = QRectF(0, (self.height() - height) / 2, self.width(), height)
        token = self._token if self.isEnabled() else "text_disabled"
        fraction = self.fraction
        paint.bar(painter, rect, fraction or 0.0, color(token), color("border_strong"))
        if fraction is None:
            third = QRectF(rect.x() + rect.width() / 3, rect.y(), rect.width() / 3, rect.height())
            paint.box(painter, third, height / 2, color(token))


class RingGauge(QWidget):
    """A share as a ring with words beside it. From 80 % it turns to warning, from 100 % to danger."""

    def __init__(self, theme: Theme, name: str, *, diameter: int = 14, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._name = name
        self._diameter = diameter
        self._fraction = 0.0
        self._text = ""
        self.setAccessibleName(name)
        self.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        theme.changed.connect(self.retheme)

    @property
    def fraction(self) -> float:
        return self._fraction

    @property
    def text(self) -> str:
        return self._text

    def set_value(self, fraction: float, text: str, description: str = "") -> None:
        """Show a share and the words beside it; `description` is spoken and shown in the tooltip."""
        self._fraction = max(0.0, fraction)
        self._text = text
        self.setAccessibleName(f"{self._name}: {text}")
        self.setAccessibleDescription(description)
        self.setToolTip(plain_tooltip(description))
        self.retheme()

    def token(self) -> str:
        """The colour token of the ring at the share shown."""
        return "danger" if self._fraction >= 1 else "warning" if self._fraction >= 0.8 else "accent"

    @Slot()
    def retheme(self) -> None:
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        px = self._theme.px
        words = paint.text_width(self._text, self._theme.font("small")) + px(6) if self._text else 0
        return QSize(px(self._diameter) + px(2) + words, max(px(18), px(self._diameter)))

    def minimumSizeHint(self) -> QSize:
        return self.sizeHint()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = paint.antialiased(QPainter(self))
        px, color = self._theme.px, self._theme.color
        side, width = px(self._diameter), px(5) / 2
        ring = QRectF(width / 2, (self.height() - side + width) / 2, side - width, side - width)
        painter.setPen(QPen(color("border_strong"), width))
        painter.drawEllipse(ring)
        pen = QPen(color(self.token()), width)
        pen.setCapStyle(Qt.PenCapStyle.RoundCap)
        painter.setPen(pen)
        share = min(1.0, self._fraction)
        if share > 0:
            painter.drawArc(ring, FULL_TURN // 4, -round(share * FULL_TURN))
        x = side + px(6)
        token = "text2" if self._fraction < 0.8 else self.token()
        area = QRectF(x, 0, self.width() - x, self.height())
        paint.text(painter, area, self._text, self._theme.font("small"), color(token))


def short_count(count: int) -> str:
    """A count in the room of four figures: 812, 3.4k, 32k, 1.2M. Powers of two as people say them: 8192 is 8k."""
    if count and count % 1024 == 0:
        count = count // 1024 * 1000
    for limit, unit in ((1_000_000, "M"), (1_000, "k")):
        if count >= limit:
            value = count / limit
            return f"{value:.0f}{unit}" if value >= 10 or value == int(value) else f"{value:.1f}{unit}"
    return str(count)


class ContextRing(RingGauge):
    """How much of the allocated context a conversation fills, in tokens."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(theme, "Context", parent=parent)

    def set_tokens(self, used: int, allocated: int) -> None:
        """Show `used` of `allocated` tokens; nothing while `allocated` is 0, because no model is loaded."""
        if allocated <= 0:
            self.set_value(0, "", "No context is allocated until a model is loaded.")
            return
        self.set_value(
            used / allocated,
            f"{short_count(used)} of {short_count(allocated)}",
            f"{used:,} of {allocated:,} allocated tokens",
        )


class Sparkline(QWidget):
    """The last values of a rate as a curve over a faint ground; the highest value of the window touches the top."""

    def __init__(
        self, theme: Theme, name: str, *, keep: int = 120, token: str = "accent", parent: QWidget | None = None
    ):
        super().__init__(parent)
        self._theme = theme
        self._keep = keep
        self._token = token
        self._values: list[float] = []
        self.setAccessibleName(name)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        theme.changed.connect(self.retheme)

    @property
    def values(self) -> tuple[float, ...]:
        return tuple(self._values)

    def set_values(self, values: Sequence[float]) -> None:
        """Show these values, oldest first; only the last `keep` stay."""
        self._values = list(values)[-self._keep :]
        latest = f"{self._values[-1]:.1f}" if self._values else "no values yet"
        self.setAccessibleDescription(f"Latest {latest}")
        self.update()

    def add(self, value: float) -> None:
        """Add the newest value."""
        self.set_values([*self._values, value])

    @Slot()
    def retheme(self) -> None:
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(self._theme.px(120), self._theme.px(40))

    def minimumSizeHint(self) -> QSize:
        return QSize(self._theme.px(48), self._theme.px(16))

    def points(self) -> list[QPointF]:
        """Where the values are drawn, oldest first."""
        top = max(self._values, default=0.0) or 1.0
        step = self.width() / max(1, len(self._values) - 1)
        height = self.height() - 3
        return [QPointF(i * step, 2 + height * (1 - max(0.0, v) / top)) for i, v in enumerate(self._values)]

    def paintEvent(self, event: QPaintEvent) -> None:
        points = self.points()
        if len(points) < 2:
            return
        painter = paint.antialiased(QPainter(self))
        line = self._theme.color(self._token)
        ground = QLinearGradient(0, 0, 0, self.height())
        for place, alpha in ((0.0, 60), (1.0, 0)):
            shade = QColor(line)
            shade.setAlpha(alpha)
            ground.setColorAt(place, shade)
        path = QPainterPath(QPointF(0, self.height()))
        for point in points:
            path.lineTo(point)
        path.lineTo(QPointF(self.width(), self.height()))
        painter.fillPath(path, ground)
        painter.setPen(QPen(line, self._theme.px(3) / 2))
        painter.drawPolyline(QPolygonF(points))


class StatusDot(QWidget):
    """A dot in a state's colour. Colour is never the only sign: a word stands beside it and is the dot's name too."""

    def __init__(self, theme: Theme, name: str, token: str = "accent", *, size: int = 8, parent: QWidget | None = None):
        super().__init__(parent)
        self._theme = theme
        self._token = token
        self._size = size
        self.setAccessibleName(name)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        theme.changed.connect(self.retheme)

    def set_state(self, name: str, token: str) -> None:
        """Change colour and name together."""
        self._token = token
        self.setAccessibleName(name)
        self.update()

    @Slot()
    def retheme(self) -> None:
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        side = self._theme.px(self._size)
        return QSize(side, side)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = paint.antialiased(QPainter(self))
        radius = self._theme.px(self._size) / 2
        paint.disc(painter, self.width() / 2, self.height() / 2, radius, self._theme.color(self._token))
