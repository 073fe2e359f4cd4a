"""Cards as a Qt model that changes no more than it must: selection and scroll place survive every refresh."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import QAbstractListModel, QModelIndex, QObject, QPersistentModelIndex, Qt, Signal

from desktop.qt.models.cards import Card

Index = QModelIndex | QPersistentModelIndex
CARD = Qt.ItemDataRole.UserRole + 1
NO_PARENT = QModelIndex()


class CardModel(QAbstractListModel):
    """Rows are cards. `reshaped` when a row changed its height without coming or going."""

    reshaped = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._cards: list[Card] = []

    @property
    def cards(self) -> list[Card]:
        return list(self._cards)

    def show(self, cards: Sequence[Card]) -> None:
        """Show these instead; rows at both ends that stay are only refreshed."""
        old, new = self._cards, list(cards)
        first = _shared(old, new)
        last = _shared(old[first:][::-1], new[first:][::-1])
        gone, come = len(old) - first - last, len(new) - first - last
        if gone:
            self.beginRemoveRows(NO_PARENT, first, first + gone - 1)
            self._cards = old[:first] + old[first + gone :]
            self.endRemoveRows()
        if come:
            self.beginInsertRows(NO_PARENT, first, first + come - 1)
            self._cards = self._cards[:first] + new[first : first + come] + self._cards[first:]
            self.endInsertRows()
        self._refresh(new)

    def _refresh(self, new: list[Card]) -> None:
        before, self._cards = self._cards, new
        reshaped = False
        for row, (was, card) in enumerate(zip(before, new, strict=True)):
            if was != card:
                reshaped |= shape_of(was) != shape_of(card)
                self.dataChanged.emit(self.index(row), self.index(row))
        if reshaped:
            self.reshaped.emit()

    def card_at(self, index: Index) -> Card | None:
        """The card of a row, None for headings and rows that do not exist."""
        card = self._cards[index.row()] if index.isValid() and index.row() < len(self._cards) else None
        return None if card is None or card.heading else card

    def index_of(self, key: str) -> QModelIndex:
        return next((self.index(row) for row, card in enumerate(self._cards) if card.key == key), QModelIndex())

    def rowCount(self, parent: Index = NO_PARENT) -> int:
        return 0 if parent.isValid() else len(self._cards)

    def flags(self, index: Index) -> Qt.ItemFlag:
        heading = index.isValid() and self.card_at(index) is None
        return Qt.ItemFlag.NoItemFlags if heading else super().flags(index)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid() or index.row() >= len(self._cards):
            return None
        card = self._cards[index.row()]
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return card.title
            case Qt.ItemDataRole.AccessibleTextRole:
                return card.spoken
            case _:
                return card if role == CARD else None


def shape_of(card: Card) -> tuple[object, ...]:
    """What decides how high a card is, beside the width of the view: words that may wrap, and what takes their room."""
    end = (card.remark, card.badge, card.shown_acts)
    return card.heading, card.progress is not None, bool(card.tags), card.about, card.problem, end


def _shared(old: Sequence[Card], new: Sequence[Card]) -> int:
    """How many cards both lists begin with, by their keys."""
    count = 0
    for was, card in zip(old, new, strict=False):
        if was.key != card.key:
            break
        count += 1
    return count
