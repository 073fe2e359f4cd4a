"""What the components draw with. Lines are filled shapes: pens of one pixel blur at fractional scales."""

from PySide6.QtCore import QRect, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QPainter, QPainterPath

from desktop.qt.theme import Theme


def antialiased(painter: QPainter) -> QPainter:
    """The same painter with smooth edges."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    return painter


def box(
    painter: QPainter,
    rect: QRectF | QRect,
    radius: float,
    fill: QColor | None = None,
    border: QColor | None = None,
    *,
    width: float = 1.0,
) -> None:
    """A box with round corners: `fill` inside, and a `border` of `width` pixels inside its edge."""
    outer = QRectF(rect)
    if fill is not None:
        path = QPainterPath()
        path.addRoundedRect(outer, radius, radius)
        painter.fillPath(path, fill)
    if border is not None:
        inner = outer.adjusted(width, width, -width, -width)
        ring = QPainterPath()
        ring.addRoundedRect(outer, radius, radius)
        ring.addRoundedRect(inner, max(0.0, radius - width), max(0.0, radius - width))
        painter.fillPath(ring, border)


def disc(painter: QPainter, center_x: float, center_y: float, radius: float, color: QColor) -> None:
    """A filled circle."""
    path = QPainterPath()
    path.addEllipse(QRectF(center_x - radius, center_y - radius, 2 * radius, 2 * radius))
    painter.fillPath(path, color)


def text(
    painter: QPainter,
    rect: QRectF | QRect,
    words: str,
    font: QFont,
    color: QColor,
    *,
    align: Qt.AlignmentFlag = Qt.AlignmentFlag.AlignLeft,
    elide: Qt.TextElideMode = Qt.TextElideMode.ElideRight,
) -> None:
    """One line of plain text, vertically centred, with an ellipsis where it does not fit."""
    area = QRectF(rect)
    painter.setFont(font)
    painter.setPen(color)
    fitted = QFontMetricsF(font).elidedText(words, elide, area.width() + 0.5)
    painter.drawText(area, int(align | Qt.AlignmentFlag.AlignVCenter | Qt.TextFlag.TextSingleLine), fitted)


def wrapped(words: str, font: QFont, width: float, most: int) -> list[str]:
    """Plain text broken between words into at most `most` lines; the last ends in an ellipsis if there is more."""
    metrics, lines = QFontMetricsF(font), [""]
    pending = words.split()
    while pending:
        longer = f"{lines[-1]} {pending[0]}".strip()
        if len(lines) == most:
            lines[-1] = metrics.elidedText(" ".join((lines[-1], *pending)).strip(), Qt.TextElideMode.ElideRight, width)
            break
        if lines[-1] and metrics.horizontalAdvance(longer) > width:
            lines.append("")
        else:
            lines[-1] = longer
            pending.pop(0)
    return lines


def paragraph(painter: QPainter, rect: QRectF, lines: list[str], font: QFont, color: QColor) -> None:
    """Lines of `wrapped`, evenly over the height of an area."""
    for number, line in enumerate(lines):
        height = rect.height() / len(lines)
        text(painter, QRectF(rect.x(), rect.y() + number * height, rect.width(), height), line, font, color)


def text_width(words: str, font: QFont) -> int:
    """Width of one line of text in whole pixels, rounded up."""
    return -int(-QFontMetricsF(font).horizontalAdvance(words) // 1)


def bar(painter: QPainter, rect: QRectF, fraction: float, fill: QColor, track: QColor) -> None:
    """A bar with round ends, filled from the left; `fraction` is kept within 0 to 1."""
    radius = rect.height() / 2
    box(painter, rect, radius, track)
    share = min(1.0, max(0.0, fraction))
    if share > 0:
        # Never narrower than its own round end: less would be a sliver and not a bar.
        box(painter, QRectF(rect.x(), rect.y(), max(rect.height(), rect.width() * share), rect.height()), radius, fill)


def field_border(theme: Theme, *, enabled: bool, error: bool = False) -> QColor:
    """The outline of a field in its state."""
    if error:
        return theme.color("danger")
    return theme.color("border_control" if enabled else "border")
