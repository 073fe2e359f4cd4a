"""What stands beside and between pieces: the bars of quotes, and rules."""

from __future__ import annotations

from PySide6.QtCore import QRect
from PySide6.QtGui import QPainter, QPaintEvent

from desktop.qt.components import paint
from desktop.qt.theme import Theme
from desktop.qt.transcript.formats import INDENT
from desktop.qt.transcript.piece_widget import PieceWidget
from desktop.qt.transcript.pieces import Piece, Place

QUOTE_STEP = 16
BAR = 3
RULE_HEIGHT = 9


def inset(theme: Theme, place: Place) -> int:
    """How far a piece stands in from the left, in pixels."""
    return theme.px(INDENT * place.indent) + theme.px(QUOTE_STEP) * place.quotes


def paint_quote_bars(painter: QPainter, theme: Theme, quotes: int, *, left: int, top: int, bottom: int) -> None:
    """One bar for each level of quotation, left of a piece that reaches from `top` to `bottom`."""
    for level in range(quotes):
        bar = QRect(left + level * theme.px(QUOTE_STEP), top, theme.px(BAR), bottom - top)
        paint.box(painter, bar, theme.px(BAR) / 2, theme.color("border_strong"))


class RuleBlock(PieceWidget):
    """A line across."""

    def show_piece(self, piece: Piece) -> None:
        self.piece = piece
        self.setAccessibleName("Separator")

    def height_for(self, width: int) -> int:
        return self.kit.theme.px(RULE_HEIGHT)

    def retheme(self) -> None:
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        QPainter(self).fillRect(0, self.height() // 2, self.width(), 1, self.kit.theme.color("border"))
