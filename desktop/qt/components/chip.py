"""Chips: small facts beside a thing, and things attached to a message."""

from typing import Literal

from PySide6.QtCore import QPointF, QRect, QRectF, QSize, Qt, Signal, Slot
from PySide6.QtGui import QKeyEvent, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from desktop.qt.components import paint
from desktop.qt.components.label import plain_tooltip
from desktop.qt.focus_ring import give_ring
from desktop.qt.theme import Theme
from desktop.qt.tokens import RADIUS_BUTTON, TARGET_MIN

Tone = Literal["neutral", "outline", "accent", "success", "warning", "danger", "cloud"]
ICON = 14
PAD = 8
GAP = 6
MAX_WIDTH = 240


def chip_tokens(tone: Tone, enabled: bool = True) -> tuple[str, str, str]:
    """Tokens of a chip's ground, border and text; "" where there is none."""
    if not enabled:
        return ("", "border", "text_disabled")
    if tone == "neutral":
        return ("bg_chip", "", "text2")
    if tone == "outline":
        return ("bg_surface", "border_strong", "text2")
    return (f"{tone}_subtle", "", tone)


class Chip(QWidget):
    """Words on a small ground, with an icon in front. `mono` for names of quantizations and the like."""

    def __init__(
        self,
        theme: Theme,
        text: str,
        tone: Tone = "neutral",
        *,
        icon: str = "",
        mono: bool = False,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._theme = theme
        self._text = text
        self._tone: Tone = tone
        self._icon = icon
        self._mono = mono
        self.setAccessibleName(text)
        self.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        theme.changed.connect(self.retheme)

    @property
    def text(self) -> str:
        return self._text

    def set_text(self, text: str, tone: Tone | None = None, icon: str | None = None) -> None:
        """Change the words, and tone and icon when given."""
        self._text = text
        self._tone = tone or self._tone
        self._icon = self._icon if icon is None else icon
        self.setAccessibleName(text)
        self.retheme()

    @Slot()
    def retheme(self) -> None:
        self.updateGeometry()
        self.update()

    def _tail(self) -> int:
        return 0

    def _font_style(self) -> str:
        return "code" if self._mono else "small"

    def sizeHint(self) -> QSize:
        px = self._theme.px
        icon = px(ICON) + px(GAP) if self._icon else 0
        words = paint.text_width(self._text, self._theme.font(self._font_style(), weight=500))
        width = min(px(MAX_WIDTH), words + icon + 2 * px(PAD) + self._tail())
        return QSize(width, px(TARGET_MIN))

    def minimumSizeHint(self) -> QSize:
        return QSize(min(self.sizeHint().width(), self._theme.px(64)), self.sizeHint().height())

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = paint.antialiased(QPainter(self))
        px, color = self._theme.px, self._theme.color
        ground, border, words = chip_tokens(self._tone, self.isEnabled())
        fill, edge = (color(token) if token else None for token in (ground, border))
        paint.box(painter, self.rect(), px(RADIUS_BUTTON), fill, edge)
        x, side = px(PAD), px(ICON)
        if self._icon:
            spot = QRect(x, (self.height() - side) // 2, side, side)
            self._theme.paint_icon(painter, spot, self._icon, words)
            x += side + px(GAP)
        area = QRectF(x, 0, self.width() - x - px(PAD) - self._tail(), self.height())
        font = self._theme.font(self._font_style(), weight=500)
        cut = paint.text_width(self._text, font) > area.width() + 1
        if bool(self.toolTip()) != cut:
            self.setToolTip(plain_tooltip(self._text) if cut else "")
        paint.text(painter, area, self._text, font, color(words))


class RemovableChip(Chip):
    """A chip with a cross: `removed` comes by a click on the cross, or Delete or Backspace while it has the focus."""

    removed = Signal()

    def __init__(
        self, theme: Theme, text: str, tone: Tone = "outline", *, icon: str = "", parent: QWidget | None = None
    ):
        super().__init__(theme, text, tone, icon=icon, parent=parent)
        self._over_cross = False
        self._pressed = False
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setAccessibleDescription("Press Delete to remove")
        give_ring(self, RADIUS_BUTTON)

    def _tail(self) -> int:
        return self._theme.px(18)

    def cross(self) -> QRect:
        """What can be clicked to remove: as tall as the chip, 24 px wide."""
        side = self._theme.px(TARGET_MIN)
        return QRect(self.width() - side, 0, side, self.height())

    def _hover(self, where: QPointF, inside: bool = True) -> None:
        over = inside and self.cross().contains(where.toPoint())
        if over != self._over_cross:
            self._over_cross = over
            self.update()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        self._hover(event.position())

    def leaveEvent(self, event: object) -> None:
        self._hover(QPointF(), inside=False)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._pressed = event.button() == Qt.MouseButton.LeftButton and self.cross().contains(
            event.position().toPoint()
        )
        self.update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        hit = self._pressed and self.cross().contains(event.position().toPoint())
        self._pressed = False
        self.update()
        if hit:
            self.removed.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            self.removed.emit()
            return
        super().keyPressEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        painter = paint.antialiased(QPainter(self))
        px = self._theme.px
        spot = QRect(0, 0, px(18), px(18))
        spot.moveCenter(self.cross().center())
        if self._over_cross and self.isEnabled():
            token = "bg_selected" if self._pressed else "bg_hover"
            paint.box(painter, spot, px(4), self._theme.color(token))
        _, _, words = chip_tokens(self._tone, self.isEnabled())
        inset = px(3)
        self._theme.paint_icon(painter, spot.adjusted(inset, inset, -inset, -inset), "x", words)
