"""What a model takes of a memory, part by part, against what is free and what there is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QRectF, QSize
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from desktop.qt.components import paint
from desktop.qt.figures import in_bytes, of_bytes
from desktop.qt.theme import Theme

if TYPE_CHECKING:
    from desktop.wire_models import DeviceNeed

HEIGHT = 10
LINE = 18
# Field of DeviceNeed, words, colour token. Colours are never alone: each part stands in the legend with its number.
PARTS = (
    ("weights_bytes", "Weights", "accent"),
    ("kv_bytes", "Cache", "link"),
    ("compute_bytes", "Buffers", "code_keyword"),
    ("projector_bytes", "Picture part", "code_number"),
    ("draft_bytes", "Draft model", "warning"),
    ("other_bytes", "Other", "text3"),
)


@dataclass(frozen=True, slots=True)
class CostPart:
    words: str
    token: str
    bytes: int


def memory_name(device: str) -> str:
    """What a memory is called."""
    return "Main memory" if device in ("memory", "cpu", "CPU") else device


def parts_of(need: DeviceNeed) -> list[CostPart]:
    """The parts that take anything, in the order they are drawn."""
    parts = [CostPart(words, token, int(getattr(need, field))) for field, words, token in PARTS]
    return [part for part in parts if part.bytes > 0]


class CostBar(QWidget):
    """One memory: its name and total, the bar, and a legend of two columns."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self._need: DeviceNeed | None = None
        self._parts: list[CostPart] = []
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        theme.changed.connect(self.updateGeometry)
        theme.changed.connect(self.update)

    @property
    def parts(self) -> list[CostPart]:
        return list(self._parts)

    def show_need(self, need: DeviceNeed) -> None:
        self._need, self._parts = need, parts_of(need)
        legend = ", ".join(f"{part.words} {in_bytes(part.bytes)}" for part in self._parts)
        self.setAccessibleName(f"{memory_name(need.device)}: {self._total()}")
        self.setAccessibleDescription(f"{legend}. {in_bytes(need.free_bytes)} free.")
        self.setToolTip(f"{in_bytes(need.free_bytes)} are free now, counting what other programs use.")
        self.updateGeometry()
        self.update()

    def _total(self) -> str:
        need = self._need
        return "" if need is None else of_bytes(need.total_bytes, need.size_bytes or need.total_bytes)

    def sizeHint(self) -> QSize:
        lines = (len(self._parts) + 1) // 2
        px = self._theme.px
        return QSize(px(200), px(LINE) + px(HEIGHT) + px(8) + lines * px(LINE))

    def minimumSizeHint(self) -> QSize:
        return self.sizeHint()

    def paintEvent(self, event: QPaintEvent) -> None:
        need = self._need
        if need is None:
            return
        painter = paint.antialiased(QPainter(self))
        theme, px, color = self._theme, self._theme.px, self._theme.color
        small = theme.font("small")
        width = self.width()
        total = self._total()
        room = paint.text_width(total, small)
        paint.text(painter, QRectF(0, 0, width - room - 8, px(LINE)), memory_name(need.device), small, color("text2"))
        over = need.total_bytes > need.free_bytes
        paint.text(painter, QRectF(width - room, 0, room, px(LINE)), total, small, color("danger" if over else "text"))
        self._paint_bar(painter, QRectF(0, px(LINE) + px(3), width, px(HEIGHT)), need)
        top = px(LINE) + px(HEIGHT) + px(8)
        for number, part in enumerate(self._parts):
            column, line = number % 2, number // 2
            spot = QRectF(column * width / 2, top + line * px(LINE), width / 2 - px(4), px(LINE))
            paint.disc(painter, spot.x() + px(4), spot.center().y(), px(4), color(part.token))
            words = f"{part.words} {in_bytes(part.bytes)}"
            paint.text(painter, spot.adjusted(px(13), 0, 0, 0), words, theme.font("meta"), color("text2"))

    def _paint_bar(self, painter: QPainter, bar: QRectF, need: DeviceNeed) -> None:
        color = self._theme.color
        whole = max(need.size_bytes, need.total_bytes, 1)
        paint.box(painter, bar, bar.height() / 2, color("bg_selected"))
        x = bar.x()
        for part in self._parts:
            wide = max(1.0, bar.width() * part.bytes / whole)
            paint.box(painter, QRectF(x, bar.y(), wide, bar.height()), self._theme.px(2), color(part.token))
            x += wide
        if need.size_bytes > need.free_bytes:
            # Where what is free now ends.
            free = bar.x() + bar.width() * min(1.0, need.free_bytes / whole)
            painter.fillRect(QRectF(free, bar.y() - 2, self._theme.px(2), bar.height() + 4), color("text"))
