"""The model a conversation uses: state, name and quantization; pressing it opens the picker."""

from typing import Literal

from PySide6.QtCore import QRect, QRectF, QSize, Qt
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import QWidget

from desktop.qt.components import paint
from desktop.qt.components.button import Button, Look
from desktop.qt.theme import Theme
from desktop.qt.tokens import BUTTON, RADIUS_CHIP

State = Literal["none", "unloaded", "loading", "ready", "failed"]
# Colour of the dot, and the word that stands for it in the tooltip and for screen readers.
STATES: dict[State, tuple[str, str]] = {
    "none": ("text3", "no model chosen"),
    "unloaded": ("text3", "not loaded"),
    "loading": ("warning", "loading"),
    "ready": ("success", "ready"),
    "failed": ("danger", "failed"),
}
DOT = 8
MAX_NAME = 260


class ModelPill(Button):
    """A button that shows the model in use. Set it with `set_model`; connect `clicked` to the picker."""

    def __init__(self, theme: Theme, *, keys: str = "", parent: QWidget | None = None) -> None:
        self._state: State = "none"
        self._quant = ""
        self._keys = keys
        super().__init__(theme, "Choose a model", "outline", trailing_icon="chevron-down", parent=parent)
        self.set_model("", "", "none")

    @property
    def state(self) -> State:
        return self._state

    def set_model(self, name: str, quant: str, state: State, fraction: float | None = None) -> None:
        """Show a model and how it is; `fraction` (0 to 1) says how far it is loaded."""
        self._state, self._quant = state, quant
        self.set_text(name or "Choose a model")
        word = STATES[state][1]
        if state == "loading" and fraction is not None:
            word = f"{word}, {fraction:.0%}"
        self.setAccessibleName(f"Model: {name}, {quant}, {word}" if name else f"Model: {word}")
        self.setToolTip(f"Change model ({self._keys})" if self._keys else "Change model")
        self.update()

    def _chip_width(self) -> int:
        if not self._quant:
            return 0
        return paint.text_width(self._quant, self._theme.font("meta", mono=True, weight=500)) + 2 * self._theme.px(6)

    def sizeHint(self) -> QSize:
        px = self._theme.px
        name = min(px(MAX_NAME), paint.text_width(self._label, self._theme.font("label")))
        chip = self._chip_width() + px(8) if self._quant else 0
        return QSize(px(12) + px(DOT) + px(8) + name + chip + px(8) + px(16) + px(10), px(BUTTON))

    def minimumSizeHint(self) -> QSize:
        return QSize(self._theme.px(140), self._theme.px(BUTTON))

    def _paint_content(self, painter: QPainter, look: Look) -> None:
        px, color = self._theme.px, self._theme.color
        middle = self.height() / 2
        dot = STATES[self._state][0] if self.isEnabled() else "text_disabled"
        paint.disc(painter, px(12) + px(DOT) / 2, middle, px(DOT) / 2, color(dot))
        x = px(12) + px(DOT) + px(8)
        chevron = QRect(self.width() - px(26), (self.height() - px(16)) // 2, px(16), px(16))
        chip = self._chip_width()
        room = chevron.left() - px(8) - x - (chip + px(8) if chip else 0)
        font = self._theme.font("label")
        width = max(0, min(room, paint.text_width(self._label, font)))
        paint.text(painter, QRectF(x, 0, width, self.height()), self._label, font, color(look.text))
        if chip:
            self._paint_chip(painter, QRectF(x + width + px(8), middle - px(9), chip, px(18)), look)
        self._theme.paint_icon(painter, chevron, "chevron-down", look.icon)

    def _paint_chip(self, painter: QPainter, area: QRectF, look: Look) -> None:
        paint.box(painter, area, self._theme.px(RADIUS_CHIP), self._theme.color("bg_chip"))
        font = self._theme.font("meta", mono=True, weight=500)
        middle = Qt.AlignmentFlag.AlignHCenter
        paint.text(painter, area, self._quant, font, self._theme.color(look.icon), align=middle)
