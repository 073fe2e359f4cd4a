"""Installed: the library, with what each model needs, how fast it is, and whether it is in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal

from desktop.qt.components.segmented import Segmented
from desktop.qt.figures import in_bytes, in_parameters, of_bytes
from desktop.qt.model_actions import ModelActions
from desktop.qt.models.cards import Card
from desktop.qt.models.known import Known
from desktop.qt.models.local_words import KINDS, SORTS, local_card, shown_models
from desktop.qt.models.page_view import PageView
from desktop.qt.models.store_words import unused_models
from desktop.qt.models.welcome import Welcome
from desktop.qt.store import Store
from desktop.qt.theme import Theme

if TYPE_CHECKING:
    from desktop.wire import Model


class InstalledView(PageView):
    """`welcome` stands here until there is a first model. `show_all_asked` when a filter hides everything."""

    show_all_asked = Signal()

    def __init__(self, theme: Theme, store: Store, known: Known, actions: ModelActions) -> None:
        super().__init__(theme, "Installed", "hard-drive")
        self._store = store
        self._known = known
        self._actions = actions
        self._words = ""
        self.kind = Segmented(theme, "Which kind", KINDS)
        self.head.addWidget(self.kind)
        self.sort = self.make_choice("Order", SORTS)
        self.tools.insertStretch(0, 1)
        self.welcome = Welcome(theme)
        self._stack.addWidget(self.welcome)
        self.kind.changed.connect(lambda _index: self.refresh())
        self.sort.changed.connect(lambda _index: self.refresh())
        self.empty_acted.connect(self.show_all_asked)
        store.models_changed.connect(self.refresh)
        store.model_changed.connect(lambda _id: self.refresh())
        store.status_changed.connect(lambda: self.refresh() if self.isVisible() else None)
        actions.changed.connect(lambda _id: self.refresh())
        known.catalogue_changed.connect(self._show_offer)
        known.stores_changed.connect(self._show_offer)
        self.refresh()

    def set_words(self, words: str) -> None:
        self._words = words
        self.refresh()

    def refresh(self) -> None:
        store = self._store
        if not store.models_known:
            self.show_loading()
            return
        total = sum(model.bytes for model in store.models.values())
        self.note.setText(f"{in_bytes(total)} on disk" if store.models else "")
        self.kind.setVisible(bool(store.models))
        self.sort.setVisible(bool(store.models))
        if not store.models:
            self.list.show_cards([])
            self._show_offer()
            self._stack.setCurrentWidget(self.welcome)
            return
        cards = [self._card(model) for model in self._shown()]
        if cards:
            self.show_cards(cards)
        else:
            self.show_empty("No model in the library is called that.", "Show all")

    def _shown(self) -> list[Model]:
        return shown_models(self._store.models.values(), self._words, self.kind.index, self.sort.index)

    def _card(self, model: Model) -> Card:
        status = self._store.status
        others = [other for other in self._store.models.values() if other.id != model.id]
        failure = self._actions.failures.get(model.id)
        return local_card(
            model,
            status.memory if status is not None else None,
            others,
            busy=self._actions.is_busy(model.id),
            failure=f"{failure.message} {failure.hint}".strip() if failure else "",
        )

    def _show_offer(self) -> None:
        """What the welcome offers: what other programs have, and one model that suits this machine."""
        report = self._known.stores
        usable = unused_models(report) if report is not None else []
        self.welcome.show_found(len(usable), sorted({model.store for model in usable}))
        first = next((s.model for s in self._known.suggestions if s.task == "chat"), None)
        if first is None:
            self.welcome.show_suggestion("", "", "")
            return
        memory = self._store.status.memory.total_bytes if self._store.status is not None else 0
        needed = first.needed_bytes or first.file_bytes
        fits = f"fits: {of_bytes(needed, memory)}" if memory else in_bytes(first.file_bytes)
        facts = f"{in_parameters(first.params)}, {in_bytes(first.file_bytes)}, {fits}"
        self.welcome.show_suggestion(first.repo, first.name, facts)
