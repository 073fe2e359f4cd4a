"""The quantizations to choose from: a row to tick for each, with its size and what it means."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import QPoint, QRectF, QSize, Qt, Signal, Slot
from PySide6.QtGui import QKeyEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QCheckBox, QSizePolicy, QWidget

from desktop.qt.components import paint
from desktop.qt.components.label import plain_tooltip
from desktop.qt.figures import in_bytes
from desktop.qt.focus_ring import give_ring
from desktop.qt.quantize.choice import USUAL_TYPES, ordered
from desktop.qt.surface import clear, column
from desktop.qt.theme import Theme
from desktop.qt.tokens import RADIUS_BUTTON

if TYPE_CHECKING:
    from desktop.wire_models import QuantType

BOX = 16
HEIGHT = 42


class TypeRow(QCheckBox):
    """One quantization: tick, name, what it means, estimated size. `made`: it is in the library already."""

    def __init__(self, theme: Theme, kind: QuantType, *, made: bool, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self.kind = kind
        self.made = made
        self._size = "in the library" if made else in_bytes(kind.estimated_bytes) if kind.estimated_bytes else ""
        self.setEnabled(not made)
        about = f"{kind.about} {kind.bits_per_weight:.1f} bits per weight. {self._size}"
        self.setAccessibleName(kind.name)
        self.setAccessibleDescription(about)
        self.setToolTip(plain_tooltip(about))
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        give_ring(self, RADIUS_BUTTON)
        theme.changed.connect(self.retheme)

    @Slot()
    def retheme(self) -> None:
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(self._theme.px(300), self._theme.px(HEIGHT))

    def minimumSizeHint(self) -> QSize:
        return QSize(self._theme.px(180), self._theme.px(HEIGHT))

    def hitButton(self, pos: QPoint) -> bool:
        return self.rect().contains(pos)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and not event.isAutoRepeat():
            self.click()
            return
        super().keyPressEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = paint.antialiased(QPainter(self))
        px, color, enabled = self._theme.px, self._theme.color, self.isEnabled()
        if enabled and self.underMouse():
            paint.box(painter, self.rect(), px(RADIUS_BUTTON), color("bg_hover"))
        self._paint_box(painter)
        left = px(8 + BOX + 10)
        first = QRectF(left, px(3), self.width() - left - px(8), px(20))
        words = "text" if enabled or self.made else "text_disabled"
        small = self._theme.font("small")
        paint.text(
            painter, first, self._size, small, color("text2" if words == "text" else "text_disabled"), align=RIGHT
        )
        first.setRight(first.right() - paint.text_width(self._size, small) - px(8))
        paint.text(painter, first, self.kind.name, self._theme.font("code", mono=True, weight=500), color(words))
        second = QRectF(left, px(22), self.width() - left - px(8), px(16))
        about = self._theme.font("meta")
        paint.text(painter, second, self.kind.about, about, color("text3" if words == "text" else "text_disabled"))

    def _paint_box(self, painter: QPainter) -> None:
        px, color, on = self._theme.px, self._theme.color, self.isChecked()
        side = px(BOX)
        spot = QRectF(px(8), (self.height() - side) / 2, side, side)
        if self.made:
            self._theme.paint_icon(painter, spot, "check", "success")
        elif on:
            paint.box(painter, spot, px(4), color("accent" if self.isEnabled() else "text_disabled"))
            self._theme.paint_icon(painter, spot.adjusted(2, 2, -2, -2), "check", "on_accent")
        else:
            edge = "border_control" if self.isEnabled() else "border"
            paint.box(painter, spot, px(4), color("bg_input"), color(edge))


RIGHT = Qt.AlignmentFlag.AlignRight


class TypeRows(QWidget):
    """All types of one model. `changed` comes when a tick was set or taken."""

    changed = Signal()

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self.rows: list[TypeRow] = []
        self._column = column(self, gap=2)
        self.setAccessibleName("Quantizations to make")

    def show_types(self, types: Sequence[QuantType], made: Sequence[str], *, all_types: bool) -> None:
        """Show the usual types, or all of them; `made` are names of those the library has.

        Ticks are kept, and so is the focus.
        """
        shown = [one for one in ordered(types) if all_types or one.name in USUAL_TYPES]
        if [(row.kind, row.made) for row in self.rows] == [(one, one.name in made) for one in shown]:
            return
        ticked, focused = self.chosen, next((row.kind.name for row in self.rows if row.hasFocus()), "")
        clear(self._column)
        self.rows = [TypeRow(self._theme, one, made=one.name in made, parent=self) for one in shown]
        for row in self.rows:
            row.setChecked(row.isEnabled() and row.kind.name in ticked)
            row.toggled.connect(self.changed)
            self._column.addWidget(row)
        if focused:
            self._focus_again(focused)

    def _focus_again(self, name: str) -> None:
        """At the row of this name, else at the next one that can be ticked."""
        places = [row.kind.name for row in self.rows]
        after = self.rows[places.index(name) :] if name in places else self.rows
        if (row := next((row for row in (*after, *self.rows) if row.isEnabled()), None)) is not None:
            row.show()  # else it is shown by the event loop only, and what is hidden takes no focus
            row.setFocus(Qt.FocusReason.OtherFocusReason)

    @property
    def chosen(self) -> tuple[str, ...]:
        """Names of what is ticked, in the order shown."""
        return tuple(row.kind.name for row in self.rows if row.isChecked())

    def choose(self, names: Sequence[str]) -> None:
        """Tick exactly these, as far as they can be made."""
        for row in self.rows:
            row.setChecked(row.isEnabled() and row.kind.name in names)
