"""What all block widgets share, so that the transcript can measure, select and reuse them alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QPoint, QRect, Signal
from PySide6.QtGui import QFontMetrics
from PySide6.QtWidgets import QWidget

from desktop.qt.theme import Theme
from desktop.qt.transcript.formats import Formats
from desktop.qt.transcript.pieces import Piece, Thought

if TYPE_CHECKING:
    from desktop.qt.transcript.highlight import Highlighter
    from desktop.qt.transcript.math import Maths


@dataclass(frozen=True, slots=True)
class Kit:
    """What block widgets work with; one per transcript."""

    theme: Theme
    formats: Formats
    highlighter: Highlighter
    maths: Maths


@dataclass(frozen=True, slots=True)
class FoundRange:
    """A match of the search in a piece, in UTF-16 units."""

    start: int
    end: int
    current: bool = False


class PieceWidget(QWidget):
    """Shows one piece at a time and is used again for another. The mouse belongs to the transcript, not to it.

    Offsets are positions in `piece_text(piece)`. `bleed` is by how much the widget is wider than its text on each side.
    """

    height_changed = Signal()  # by itself: a formula was drawn, lines were wrapped, all was asked for
    link_activated = Signal(str)  # by the keyboard
    bleed = 0

    def __init__(self, kit: Kit, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.kit = kit
        self.piece: Piece | None = None

    def show_piece(self, piece: Piece) -> None:
        """Show `piece`; what is the same as in the piece shown before is left alone."""
        raise NotImplementedError

    def height_for(self, width: int) -> int:
        """Height in pixels at a width of the text."""
        raise NotImplementedError

    def offset_at(self, point: QPoint) -> int:
        """The offset nearest to a point in the widget."""
        return 0

    def rect_at(self, offset: int) -> QRect:
        """Where the character at `offset` stands in the widget."""
        return self.rect()

    def select(self, start: int, end: int) -> None:
        """Show what is selected; nothing when `start` is `end`."""

    def mark(self, ranges: Sequence[FoundRange]) -> None:
        """Show what the search found."""

    def underline(self, ranges: Sequence[tuple[int, int]]) -> None:
        """Mark what no source carries."""

    def link_at(self, point: QPoint) -> str:
        """The link under a point, "" when there is none."""
        return ""

    def citation_at(self, point: QPoint) -> int:
        """The number of the citation mark under a point, 0 when there is none."""
        return 0

    def release(self) -> None:
        """The widget goes back to the pool."""

    def retheme(self) -> None:
        """Colours or zoom changed."""
        if self.piece is not None and not isinstance(self.piece, Thought):
            piece, self.piece = self.piece, None
            self.show_piece(piece)

    def _metrics(self, style: str) -> QFontMetrics:
        return QFontMetrics(self.kit.theme.font(style))
