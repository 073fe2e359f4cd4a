"""Cards of passages under one another: arrow keys go from one to the next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QScrollArea, QWidget

from desktop.qt.files.source_card import SourceCard
from desktop.qt.surface import clear, column, make_scroll
from desktop.qt.theme import Theme

if TYPE_CHECKING:
    from desktop.wire_files import SearchResult

SIDE = 14


class SourceList(QScrollArea):
    """`chosen(SearchResult)`, `preview_asked(SearchResult)`, `open_asked(SearchResult)`; one card at most is chosen."""

    chosen = Signal(object)
    preview_asked = Signal(object)
    open_asked = Signal(object)

    def __init__(self, theme: Theme, name: str) -> None:
        super().__init__()
        self._theme = theme
        self.cards: list[SourceCard] = []
        self._inside = QWidget()
        self._column = column(self._inside, margins=(SIDE, 2, SIDE, 16), gap=10)
        self._column.setAlignment(Qt.AlignmentFlag.AlignTop)
        make_scroll(self, self._inside)
        self.setAccessibleName(name)

    def show_found(self, found: Sequence[tuple[int, SearchResult, bool]]) -> None:
        """Show passages with their numbers; `strong` ones have the mark of citations."""
        if [(card.number, card.found) for card in self.cards] == [(number, one) for number, one, _strong in found]:
            return
        clear(self._column)
        self.cards = [SourceCard(self._theme, number, one, strong=strong) for number, one, strong in found]
        for card in self.cards:
            card.installEventFilter(self)
            card.chosen.connect(self._choose)
            card.preview_asked.connect(self.preview_asked)
            card.open_asked.connect(self.open_asked)
            self._column.addWidget(card)
        self.verticalScrollBar().setValue(0)

    def choose(self, number: int, *, focus: bool = False) -> bool:
        """Choose the card of a number and bring it into view; False when there is none."""
        card = next((card for card in self.cards if card.number == number), None)
        for other in self.cards:
            other.set_chosen(other is card)
        if card is None:
            return False
        self._column.activate()
        self.ensureWidgetVisible(card, 0, self._theme.px(16))
        if focus:
            card.setFocus(Qt.FocusReason.OtherFocusReason)
        return True

    def _choose(self, card: SourceCard) -> None:
        self.choose(card.number)
        self.chosen.emit(card.found)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress and watched in self.cards:
            step = {Qt.Key.Key_Down: 1, Qt.Key.Key_Up: -1}.get(Qt.Key(event.key()), 0)
            wanted = self.cards.index(watched) + step
            if step and 0 <= wanted < len(self.cards):
                self.choose(self.cards[wanted].number, focus=True)
                self.chosen.emit(self.cards[wanted].found)
                return True
        return super().eventFilter(watched, event)
