"""A list of cards, painted: hundreds cost what the dozen in view costs. Mouse and keys reach every button of a card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from PySide6.QtCore import QEvent, QItemSelectionModel, QModelIndex, QPoint, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import (
    QAccessible,
    QAccessibleAnnouncementEvent,
    QContextMenuEvent,
    QFocusEvent,
    QHelpEvent,
    QKeyEvent,
    QMouseEvent,
    QResizeEvent,
)
from PySide6.QtWidgets import QAbstractItemView, QListView, QToolTip

from desktop.qt.components.label import plain_tooltip
from desktop.qt.components.menu import Menu
from desktop.qt.models.card_boxes import END, CardBoxes, card_boxes, row_area
from desktop.qt.models.card_delegate import CardDelegate
from desktop.qt.models.card_model import CardModel
from desktop.qt.models.cards import Card
from desktop.qt.theme import Theme

NOTHING = (-1, -1)
NEAR_END = 600  # pixels before the end from which on more is wanted
NO_BUTTON = -1


class CardView(QListView):
    """`chosen(key)` when another card becomes current, "" when none is any longer; `acted(key, act id)` when one of its
    buttons is used.

    Up and Down move between cards, Left and Right between the buttons of one, Enter and Space press (the first one
    when none is reached), Delete does what the card deletes by, the menu key opens everything. `end_near` asks for more
    rows.
    """

    chosen = Signal(str)
    acted = Signal(str, str)
    end_near = Signal()

    def __init__(self, theme: Theme, name: str) -> None:
        super().__init__()
        self._theme = theme
        self.hot = NOTHING
        self.held = NOTHING
        self.key_act = NO_BUTTON
        self.by_keyboard = False
        self._told = ""  # key of the card that was told of as the current one
        self._changing = False
        self.cards = CardModel(self)
        self.setAccessibleName(name)
        self.setModel(self.cards)
        self.setItemDelegate(CardDelegate(theme, self, self))
        self.setMouseTracking(True)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.viewport().setAutoFillBackground(False)
        self.verticalScrollBar().setSingleStep(theme.px(24))
        self.verticalScrollBar().valueChanged.connect(self._scrolled)
        self.cards.reshaped.connect(self.scheduleDelayedItemsLayout)
        self.cards.rowsInserted.connect(self.scheduleDelayedItemsLayout)
        self.selectionModel().currentChanged.connect(self._current_changed)
        theme.changed.connect(self.scheduleDelayedItemsLayout)
        theme.changed.connect(self.viewport().update)

    def show_cards(self, cards: Sequence[Card], follow: Mapping[str, str] | None = None) -> None:
        """Show these instead. The current card stays the current one wherever it stands now; `follow` names the cards
        that come in the place of others. Where it is gone the keys are at its neighbour, else no card is current.
        """
        wanted = (follow or {}).get(self._told, self._told)
        self._changing = True
        self.cards.show(cards)
        self._changing = False
        stays = self.cards.index_of(wanted) if wanted else QModelIndex()
        if stays.isValid():
            # Of a row that went and came again the selection is lost, even where it is the current one still.
            self.selectionModel().setCurrentIndex(stays, QItemSelectionModel.SelectionFlag.ClearAndSelect)
        elif wanted and not (self.hasFocus() and self.by_keyboard):
            self.choose_none()
        self._tell_current()

    def choose_none(self) -> None:
        """No card is current."""
        self.setCurrentIndex(QModelIndex())
        self.clearSelection()

    def current_card(self) -> Card | None:
        return self.cards.card_at(self.currentIndex())

    def choose(self, key: str) -> bool:
        """Make a card current; False when it is not here."""
        index = self.cards.index_of(key)
        if index.isValid():
            self.setCurrentIndex(index)
            self.scrollTo(index)
        return index.isValid()

    def choose_first(self) -> None:
        """Take the focus, and make the first card current when none is."""
        self.by_keyboard = True
        if self.current_card() is None:
            first = next((card for card in self.cards.cards if not card.heading), None)
            if first is not None:
                self.choose(first.key)
        self.setFocus(Qt.FocusReason.TabFocusReason)

    # -- keys --------------------------------------------------------------------------------------------------------

    def keyPressEvent(self, event: QKeyEvent) -> None:
        self.by_keyboard = True
        card = self.current_card()
        key = event.key()
        if card is not None and key in (Qt.Key.Key_Left, Qt.Key.Key_Right):
            self._step_act(card, 1 if key == Qt.Key.Key_Right else -1)
        elif card is not None and key in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space):
            self._press(card, max(0, self.key_act))
        elif card is not None and key == Qt.Key.Key_Delete:
            self._delete(card)
        elif card is not None and key == Qt.Key.Key_Menu:
            self._open_menu(card, self.visualRect(self.currentIndex()).center())
        else:
            super().keyPressEvent(event)
        self.viewport().update()

    def _step_act(self, card: Card, step: int) -> None:
        acts = card.shown_acts
        self.key_act = max(NO_BUTTON, min(self.key_act + step, len(acts) - 1))
        if self.key_act >= 0:
            QAccessible.updateAccessibility(QAccessibleAnnouncementEvent(self, acts[self.key_act].title))

    def _press(self, card: Card, number: int) -> None:
        if number < len(card.shown_acts):
            self.acted.emit(card.key, card.shown_acts[number].id)

    def _delete(self, card: Card) -> None:
        act = next((act for act in card.acts if act.delete), None)
        if act is not None:
            self.acted.emit(card.key, act.id)

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self.by_keyboard = event.reason() != Qt.FocusReason.MouseFocusReason
        if self.by_keyboard and self.current_card() is None:
            self.choose_first()

    # -- mouse -------------------------------------------------------------------------------------------------------

    def place_at(self, point: QPoint) -> tuple[int, int]:
        """Row and button under a point of the viewport, -1 for none."""
        index = self.indexAt(point)
        card = self.cards.card_at(index)
        if card is None:
            return NOTHING
        return index.row(), self._boxes(card, index).act_at(QPointF(point))

    def _boxes(self, card: Card, index: QModelIndex) -> CardBoxes:
        area = row_area(self.visualRect(index), self.width(), self._theme.px(END))
        return card_boxes(self._theme, card, area)

    def act_rect(self, key: str, act_id: str) -> QRectF:
        """Where a button is in the viewport; empty when it is not there."""
        index = self.cards.index_of(key)
        card = self.cards.card_at(index)
        if card is None:
            return QRectF()
        return next((box for act, box in self._boxes(card, index).acts if act.id == act_id), QRectF())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        super().mouseMoveEvent(event)
        self._set_hot(self.place_at(event.position().toPoint()))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self.by_keyboard = False
        place = self.place_at(event.position().toPoint())
        if event.button() == Qt.MouseButton.LeftButton and place[1] >= 0:
            self.held = place  # a button does not choose its card: pausing must not change the inspector
            self.viewport().update()
            return
        super().mousePressEvent(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        pressed, self.held = self.held, NOTHING
        self.viewport().update()
        if pressed == NOTHING:
            super().mouseReleaseEvent(event)
        elif pressed == self.place_at(event.position().toPoint()):
            card = self.cards.card_at(self.cards.index(pressed[0]))
            if card is not None:
                self._press(card, pressed[1])

    def leaveEvent(self, event: QEvent) -> None:
        super().leaveEvent(event)
        self._set_hot(NOTHING)

    def viewportEvent(self, event: QEvent) -> bool:
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            row, number = self.place_at(event.pos())
            card = self.cards.card_at(self.cards.index(row)) if row >= 0 else None
            words = "" if card is None else card.shown_acts[number].title if number >= 0 else card.problem or card.about
            QToolTip.showText(event.globalPos(), plain_tooltip(words), self)
            return True
        return super().viewportEvent(event)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        card = self.cards.card_at(self.indexAt(event.pos()))
        if card is not None:
            self._open_menu(card, event.pos())

    def _open_menu(self, card: Card, point: QPoint) -> None:
        menu = self.menu_for(card)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.popup(self.viewport().mapToGlobal(point))

    def menu_for(self, card: Card) -> Menu:
        """Everything that can be done with a card."""
        menu = Menu(self._theme, card.title, self)
        for act in card.acts:
            action = menu.addAction(act.title, partial(self.acted.emit, card.key, act.id))
            if act.icon:
                action.setIcon(self._theme.icon(act.icon))
            if act.delete:
                action.setShortcut("Del")
        return menu

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            self.scheduleDelayedItemsLayout()  # words wrap elsewhere; a list of one column does not ask again by itself

    # -- what follows ------------------------------------------------------------------------------------------------

    def _set_hot(self, place: tuple[int, int]) -> None:
        if place != self.hot:
            self.hot = place
            over = place[1] >= 0
            self.viewport().setCursor(Qt.CursorShape.PointingHandCursor if over else Qt.CursorShape.ArrowCursor)
            self.viewport().update()

    def _current_changed(self) -> None:
        if not self._changing:
            self._tell_current()

    def _tell_current(self) -> None:
        card = self.current_card()
        key = card.key if card is not None else ""
        if key != self._told:
            self._told, self.key_act = key, NO_BUTTON
            self.chosen.emit(key)

    def _scrolled(self, value: int) -> None:
        bar = self.verticalScrollBar()
        if bar.maximum() and value > bar.maximum() - self._theme.px(NEAR_END):
            self.end_near.emit()
