"""The head of a table: words in line with what stands in the cells below."""

from __future__ import annotations

from PySide6.QtCore import QRect, QRectF, Qt
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import QHeaderView

from desktop.qt.components import paint
from desktop.qt.theme import Theme


class TableHead(QHeaderView):
    """Not clickable and no stop of the keys. `inset` is by how much cells keep away from the sides of a column."""

    def __init__(self, theme: Theme, *, height: int, style: str = "ui", inset: int = 8, first: int = 4) -> None:
        super().__init__(Qt.Orientation.Horizontal)
        self._theme = theme
        self._height = height
        self._style = style
        self._inset = inset
        self._first = first
        self.setSectionsClickable(False)
        self.setHighlightSections(False)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setMinimumSectionSize(24)
        theme.changed.connect(self._resized)
        self._resized()

    def _resized(self) -> None:
        self.setFixedHeight(self._theme.px(self._height))
        self.viewport().update()

    def paintSection(self, painter: QPainter, rect: QRect, logicalIndex: int) -> None:
        theme, px = self._theme, self._theme.px
        orientation = Qt.Orientation.Horizontal
        words = str(self.model().headerData(logicalIndex, orientation, Qt.ItemDataRole.DisplayRole) or "")
        align = self.model().headerData(logicalIndex, orientation, Qt.ItemDataRole.TextAlignmentRole) or 0
        right = bool(int(align) & Qt.AlignmentFlag.AlignRight.value)
        left = px(self._first if logicalIndex == 0 else self._inset)
        area = QRectF(rect).adjusted(left, 0, -px(self._inset), 0)
        side = Qt.AlignmentFlag.AlignRight if right else Qt.AlignmentFlag.AlignLeft
        paint.text(painter, area, words, theme.font(self._style, weight=500), theme.color("text2"), align=side)
        line = QRectF(rect.x(), rect.bottom(), rect.width(), 1)
        painter.fillRect(line, theme.color("border_strong"))


def fixed_sections(head: TableHead, stretched: int = 0) -> None:
    """Every column keeps the width it is given, but one takes what is left."""
    head.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
    head.setSectionResizeMode(stretched, QHeaderView.ResizeMode.Stretch)
