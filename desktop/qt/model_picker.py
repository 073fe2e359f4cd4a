"""The model picker: which model answers in this chat, what it needs, how far it has loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QApplication, QScrollArea, QWidget

from desktop.qt.components.button import Button
from desktop.qt.components.field import SearchField
from desktop.qt.components.label import Label
from desktop.qt.figures import of_bytes
from desktop.qt.matching import best_matches
from desktop.qt.model_actions import ModelActions
from desktop.qt.model_card import ModelCard
from desktop.qt.model_words import title_of
from desktop.qt.overlay import Overlay
from desktop.qt.store import Store
from desktop.qt.surface import clear, column, make_scroll, row
from desktop.qt.theme import Theme

if TYPE_CHECKING:
    from desktop.wire import Model

WIDTH = 720
MAX_LIST = 420
INSET = 12
SCROLL_BAR = 12


class ModelPicker(Overlay):
    """`chosen(id)` when a model is taken for the chat; `manage_asked` leads to the Models page."""

    chosen = Signal(str)
    manage_asked = Signal()
    choose_file_asked = Signal()

    def __init__(self, theme: Theme, host: QWidget, store: Store, actions: ModelActions) -> None:
        super().__init__(theme, host, "Choose a model")
        self._store = store
        self._actions = actions
        self._current = ""
        self.cards: dict[str, ModelCard] = {}
        self.search = SearchField(theme, "Filter models", "Filter models")
        self._free = Label(theme, "", "small", "text2")
        self._nothing = Label(theme, "", "ui", "text2", wrap=True)
        self._rows = column(gap=8)
        self._scroll = QScrollArea()
        self._lay_out()
        self.search.textChanged.connect(lambda _text: self._rebuild())
        self.search.returnPressed.connect(self._take_first)
        self.search.move_requested.connect(self._move)
        store.models_changed.connect(self._models_changed)
        store.model_changed.connect(self._one_changed)
        store.status_changed.connect(self._show_free)
        actions.changed.connect(self._one_changed)

    def show_at(self, anchor: QWidget, current: str) -> None:
        """Open below the model's name; `current` is the model of the chat."""
        self._current = current
        self.search.clear()
        self._rebuild()
        self._show_free()
        self.open_at(anchor, WIDTH)

    def focus_first(self) -> QWidget | None:
        return self.search

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        # Seen at the cards: what they leave alone, the scroll area around them takes for scrolling.
        if isinstance(watched, ModelCard) and isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            step = {int(Qt.Key.Key_Down): 1, int(Qt.Key.Key_Up): -1}.get(event.key())
            if step is not None:
                self._move(step)
                return True
        return super().eventFilter(watched, event)

    def _take_first(self) -> None:
        if self.cards:
            self._take(next(iter(self.cards)))

    def _move(self, step: int) -> None:
        """Up and down between the field and the cards."""
        stops: list[QWidget] = [self.search, *self.cards.values()]
        focused = QApplication.focusWidget() or self.search
        here = next((i for i, stop in enumerate(stops) if stop is focused or stop.isAncestorOf(focused)), 0)
        there = stops[max(0, min(here + step, len(stops) - 1))]
        there.setFocus(Qt.FocusReason.TabFocusReason)
        if there is not self.search:
            self._scroll.ensureWidgetVisible(there)

    def _models_changed(self) -> None:
        if not self.isVisible():
            return
        if set(self.cards) == {model.id for model in self._shown()}:
            for card in self.cards.values():
                card.refresh()
            self._fit()
        else:
            self._rebuild()

    def _one_changed(self, model_id: str) -> None:
        if self.isVisible() and model_id in self.cards:
            self.cards[model_id].refresh()
            self._fit()

    def _shown(self) -> list[Model]:
        models = self._store.chat_models()
        return best_matches(self.search.text(), models, lambda model: f"{title_of(model)} {model.quant} {model.id}", 50)

    def _rebuild(self) -> None:
        clear(self._rows)
        self.cards = {}
        for model in self._shown():
            card = ModelCard(self.theme, model, self._store, self._actions, removable=False)
            card.set_selected(model.id == self._current)
            card.chosen.connect(self._take)
            card.installEventFilter(self)
            self.cards[model.id] = card
            self._rows.addWidget(card)
            card.show()  # a layout counts what it holds only once that is shown
        self._rows.addStretch(1)
        self._nothing.setVisible(not self.cards)
        self._scroll.setVisible(bool(self.cards))
        if not self.cards:
            none = "No model is here yet. Drop a GGUF file into the window, or choose one."
            self._nothing.setText("No model is called that." if self.search.text() else none)
        self._fit()

    def _fit(self) -> None:
        # As wide as the cards can be beside a scroll bar: sentences of a failed load wrap.
        width = self.theme.px(WIDTH - 2 * INSET) - SCROLL_BAR
        rows = self._rows
        wanted = rows.totalHeightForWidth(width) if rows.hasHeightForWidth() else rows.totalSizeHint().height()
        self._scroll.setFixedHeight(min(self.theme.px(MAX_LIST), max(self.theme.px(60), wanted)))
        if self.isVisible():
            self.place()

    def _take(self, model_id: str) -> None:
        self.close_overlay()
        self.chosen.emit(model_id)

    def _show_free(self) -> None:
        status = self._store.status
        if status is not None:
            memory = status.memory
            self._free.setText(f"{of_bytes(memory.available_bytes, memory.total_bytes)} of memory free")

    def _lay_out(self) -> None:
        inside = QWidget()
        inside.setLayout(self._rows)
        make_scroll(self._scroll, inside)
        body = column(margins=(INSET, INSET, INSET, 10), gap=10)
        head = row(gap=12)
        head.addWidget(self.search, 1)
        head.addWidget(self._free)
        body.addLayout(head)
        body.addWidget(self._nothing)
        body.addWidget(self._scroll)
        foot = row(gap=8)
        choose = Button(self.theme, "Choose a file…", "ghost", icon="folder-plus", small=True)
        choose.clicked.connect(self.close_overlay)
        choose.clicked.connect(self.choose_file_asked)
        manage = Button(self.theme, "All models", "ghost", icon="box", small=True)
        manage.clicked.connect(self.close_overlay)
        manage.clicked.connect(self.manage_asked)
        foot.addWidget(choose)
        foot.addStretch(1)
        foot.addWidget(manage)
        body.addLayout(foot)
        self.panel.content.addLayout(body)
