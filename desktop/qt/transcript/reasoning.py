"""What the model thought before it answered, folded: "Thought for 12 s" opens it."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QPoint, QRect, Signal, Slot
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QWidget

from desktop.qt.components import paint
from desktop.qt.components.button import Button
from desktop.qt.transcript.inlines import clean
from desktop.qt.transcript.piece_widget import FoundRange, Kit, PieceWidget
from desktop.qt.transcript.pieces import Para, Piece, Prose, Span, Thought
from desktop.qt.transcript.prose import ProseBlock
from desktop.qt.transcript.quote import BAR, QUOTE_STEP

HEAD = 28
GAP = 4


def thought_label(thought: Thought) -> str:
    """What the fold says."""
    if thought.streaming:
        return "Thinking…"
    if thought.seconds is None:
        return "Thought"
    if thought.seconds < 60:
        return f"Thought for {max(1, round(thought.seconds))} s"
    minutes, seconds = divmod(round(thought.seconds), 60)
    return f"Thought for {minutes} min {seconds} s"


def thought_prose(text: str) -> Prose:
    """A thought as plain paragraphs: one for each line, so that a growing one changes only the last."""
    lines = text.rstrip("\n").split("\n")
    return Prose(tuple(Para((Span(clean(line)),) if line else (), tight=True) for line in lines))


class ThoughtBlock(PieceWidget):
    """Shows `Thought`; `toggled` asks to open or fold it, since what is open is the transcript's to know."""

    toggled = Signal(bool)

    def __init__(self, kit: Kit, parent: QWidget | None = None) -> None:
        super().__init__(kit, parent)
        self.button = Button(kit.theme, "Thought", "ghost", icon="chevron-right", small=True)
        self.button.setParent(self)
        self.button.clicked.connect(self._toggle)
        self._prose = ProseBlock(kit, self)
        self._prose.set_look("ui", "text2")

    def show_piece(self, piece: Piece) -> None:
        assert isinstance(piece, Thought)
        self.piece = piece
        words = thought_label(piece)
        if self.button.accessibleName() != words:
            self.button.set_text(words)
        self.button.setAccessibleDescription("open" if piece.opened else "folded")
        self.button.set_icon("chevron-down" if piece.opened else "chevron-right")
        self._prose.setVisible(piece.opened)
        if piece.opened:
            self._prose.show_piece(thought_prose(piece.text))
        self._place()

    @Slot()
    def _toggle(self) -> None:
        if isinstance(self.piece, Thought):
            self.toggled.emit(not self.piece.opened)

    def _open(self) -> bool:
        return isinstance(self.piece, Thought) and self.piece.opened

    def height_for(self, width: int) -> int:
        theme = self.kit.theme
        if not self._open():
            return theme.px(HEAD)
        return theme.px(HEAD) + theme.px(GAP) + self._prose.height_for(width - theme.px(QUOTE_STEP))

    def resizeEvent(self, event: object) -> None:
        self._place()

    def _place(self) -> None:
        theme = self.kit.theme
        hint = self.button.sizeHint()
        self.button.setGeometry(-theme.px(12), 0, hint.width(), theme.px(HEAD))
        bleed = self._prose.bleed
        top, left = theme.px(HEAD) + theme.px(GAP), theme.px(QUOTE_STEP)
        self._prose.setGeometry(left - bleed, top, self.width() - left + bleed, max(0, self.height() - top))

    def offset_at(self, point: QPoint) -> int:
        return self._prose.offset_at(point - self._prose.pos()) if self._open() else 0

    def rect_at(self, offset: int) -> QRect:
        return self._prose.rect_at(offset).translated(self._prose.pos()) if self._open() else self.rect()

    def select(self, start: int, end: int) -> None:
        self._prose.select(start, end)

    def mark(self, ranges: Sequence[FoundRange]) -> None:
        self._prose.mark(ranges)

    def release(self) -> None:
        self._prose.select(0, 0)
        self._prose.mark(())

    def retheme(self) -> None:
        self._prose.retheme()
        self._place()

    def paintEvent(self, event: QPaintEvent) -> None:
        if self._open():
            theme = self.kit.theme
            top = theme.px(HEAD) + theme.px(GAP)
            painter = paint.antialiased(QPainter(self))
            bar = QRect(0, top, theme.px(BAR), self.height() - top)
            paint.box(painter, bar, theme.px(BAR) / 2, theme.color("border_strong"))
