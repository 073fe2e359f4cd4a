"""Discover: what suits this machine, and the Hub once words are typed; running work stands on top."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QWidget

from desktop.qt.bridge import Failure
from desktop.qt.components.field import SearchField
from desktop.qt.components.notice import Notice
from desktop.qt.components.segmented import Segmented
from desktop.qt.model_actions import ModelActions
from desktop.qt.models.cards import Card, heading
from desktop.qt.models.discover_words import (
    CATALOGUE_SORTS,
    HUB_SORT_NAMES,
    HUB_SORTS,
    SIZES,
    Wishes,
    catalogue_cards,
    count_words,
    hub_cards,
    suggested_cards,
)
from desktop.qt.models.finder import Finder, parse_query
from desktop.qt.models.hub_words import TASKS, Place, catalogue_card
from desktop.qt.models.job_words import QUIET_KINDS, is_at_work, running_card
from desktop.qt.models.known import Known
from desktop.qt.models.local_words import local_card, shown_models
from desktop.qt.models.page_view import PageView
from desktop.qt.models.repo_words import in_window
from desktop.qt.store import FILE_KINDS, Store
from desktop.qt.theme import Theme

if TYPE_CHECKING:
    from desktop.wire import Job

QUIET = FILE_KINDS.union(QUIET_KINDS)
SHOW_MS = 50  # several jobs report ten times a second each: they are shown together
SCOPES = ("All", "Fits this computer", "Downloaded")


class DiscoverView(PageView):
    """The view and its state: words, task, scope, size, order. Results come from `finder`."""

    def __init__(self, theme: Theme, store: Store, known: Known, finder: Finder, actions: ModelActions) -> None:
        super().__init__(theme, "Discover", "compass")
        self._store = store
        self._known = known
        self._actions = actions
        self.finder = finder
        self._cards: list[Card] = []
        self._memory_known = False
        self._soon = QTimer(self, singleShot=True, interval=SHOW_MS)
        self.task = ""
        self.scope = Segmented(theme, "Which models", SCOPES, 1)
        self.search = SearchField(theme, "Search models", "Search models by name, author or task", keys="Ctrl F")
        self.search.setToolTip("Also: author:NAME  licence:apache-2.0  arch:qwen2")
        self.problem = Notice(theme, "warning", "", action="Try again")
        self.problem.hide()
        self.head.addWidget(self.scope)
        self.tools.addWidget(self.search, 1)
        self.size_limit = self.make_choice("Size", [words for words, _ in SIZES])
        self.sort = self.make_choice("Order", CATALOGUE_SORTS)
        self.above.addWidget(self.problem)
        self._connect()
        self.refresh()

    def first_focus(self) -> QWidget:
        return self.search

    def set_task(self, task: str) -> None:
        """Show models for a task of TASKS only; "" for all."""
        if task != self.task:
            self.task = task
            self.title.setText(TASKS.get(task, "Discover"))
            self._ask()

    def set_words(self, words: str) -> None:
        self.search.setText(words)

    # -- asking ------------------------------------------------------------------------------------------------------

    @property
    def _searching(self) -> bool:
        return bool(self.search.text().strip())

    def _ask(self) -> None:
        wanted = HUB_SORTS if self._searching else CATALOGUE_SORTS
        if self.sort.choices != list(wanted):
            self.sort.set_choices(wanted)
        if self._searching:
            self.finder.search(parse_query(self.search.text(), self.task, HUB_SORT_NAMES[self.sort.index]))
        else:
            self.finder.drop()
        self.refresh()

    # -- showing -----------------------------------------------------------------------------------------------------

    def _wishes(self) -> Wishes:
        return Wishes(self.task, self.scope.index == 1, SIZES[self.size_limit.index][1], self.sort.index)

    def _place(self) -> Place:
        memory = self._store.status.memory.total_bytes if self._store.status is not None else 0
        return Place(memory, self._store.models)

    def refresh(self) -> None:
        """Show what is known now."""
        self._cards = self._found()
        self._compose()

    def _compose(self) -> None:
        """Running work above the results; a job that moves ten times a second builds no other card anew."""
        failure = self._failure()
        self._show_problem(failure)
        jobs = self._at_work()
        subjects = {job.subject for job in jobs}
        found = [card for card in self._cards if card.kind != "repo" or card.subject not in subjects]
        if jobs or found:
            self.show_cards([*self._running(jobs), *_without_empty(found)], self._moved(jobs))
        elif self._waiting():
            self.show_loading()
        else:
            self._show_nothing(failure)

    def _moved(self, jobs: list[Job]) -> dict[str, str]:
        """The card of a download stands for the repo's while it runs, and the repo's for it again at its end."""
        cards = {f"repo:{job.subject}": f"job:{job.id}" for job in jobs}
        ended = {f"job:{job.id}": f"repo:{job.subject}" for job in self._store.jobs.values() if not is_at_work(job)}
        return cards | ended

    def _found(self) -> list[Card]:
        place, wishes = self._place(), self._wishes()
        if self.scope.index == 2:
            return self._downloaded()
        if self._searching:
            cards = hub_cards(self.finder.models, wishes, place)
            return [heading(count_words(len(cards), wishes, more=self.finder.has_more)), *cards] if cards else []
        cards = suggested_cards(self._known.suggestions, wishes, place)
        known = {card.key for card in cards}
        rest = [card for card in catalogue_cards(self._known.catalogue, wishes, place) if card.key not in known]
        groups: list[Card] = [heading("For this machine"), *cards] if cards else []
        return [*groups, heading(count_words(len(rest), wishes, others=bool(cards))), *rest] if rest else groups

    def _downloaded(self) -> list[Card]:
        status = self._store.status
        memory, models = status.memory if status is not None else None, self._store.models.values()
        found = shown_models(models, self.search.text())
        if self.task in ("embedding", "rerank", "chat"):
            found = [model for model in found if model.kind == self.task]
        cards = []
        for model in found:
            others = [other for other in models if other.id != model.id]
            cards.append(local_card(model, memory, others, busy=self._actions.is_busy(model.id)))
        return [heading(f"{len(cards)} on this computer"), *cards] if cards else []

    def _at_work(self) -> list[Job]:
        jobs = [job for job in self._store.jobs.values() if is_at_work(job) and job.kind not in QUIET]
        return sorted(jobs, key=lambda job: job.created_at)

    def _running(self, jobs: list[Job]) -> list[Card]:
        if not jobs:
            return []
        return [heading(f"{len(jobs)} running"), *(running_card(job, self._card_of(job.subject)) for job in jobs)]

    def _card_of(self, repo: str) -> Card | None:
        """The card of a repo in the results, else in the catalogue."""
        shown = next((card for card in self._cards if card.key == f"repo:{repo}"), None)
        if shown is not None:
            return shown
        model = next((model for model in self._known.catalogue if model.repo == repo), None)
        return catalogue_card(model, self._place()) if model is not None else None

    def _failure(self) -> Failure | None:
        return self.finder.failure if self._searching else self._known.failure

    def _try_again(self) -> None:
        if self._searching:
            self.finder.search_now()
        else:
            self._known.ask_all()

    def _waiting(self) -> bool:
        if self._searching:
            return self.finder.busy
        return not self._known.catalogue_known and self._known.failure is None

    def _show_problem(self, failure: Failure | None) -> None:
        self.problem.setVisible(failure is not None and bool(self.finder.models))
        if failure is not None:
            self.problem.show_message("warning", failure.message, hint=in_window(failure.hint), action="Try again")

    def _show_nothing(self, failure: Failure | None) -> None:
        words = self.search.text().strip()
        if self.scope.index == 2:
            self.show_empty("No model on this computer fits these words.", "Show everything")
        elif failure is not None:
            action = "Open the settings" if failure.kind == "air_gapped" else "Try again"
            self.show_empty(f"{failure.message} {in_window(failure.hint)}".strip(), action)
        elif words and self.finder.models:
            self.show_empty(f"Nothing the Hub has for “{words}” fits these limits.", "Show everything")
        elif words:
            self.show_empty(f"The Hub has nothing for “{words}”.", "Clear the search")
        else:
            self.show_empty("No model of the catalogue fits these limits.", "Show everything")

    def undo_limits(self) -> None:
        """The empty state's action: take back what keeps everything out of sight, or ask again."""
        if self._failure() is not None:
            self._try_again()
        elif self._searching and not self.finder.models and self.scope.index != 2:
            self.search.clear()
        else:
            self.size_limit.choose(0)
            self.scope.set_index(0)

    def _job_changed(self, job: Job) -> None:
        if self.isVisible() and job.kind not in QUIET and not self._soon.isActive():
            self._soon.start()

    def _status_changed(self) -> None:
        """Only what is free changes, which only cards of the library tell; and how much there is, once."""
        if not self._memory_known or (self.isVisible() and self.scope.index == 2):
            self._memory_known = True
            self.refresh()

    def _connect(self) -> None:
        self.search.textChanged.connect(lambda _text: self._ask())
        self.search.returnPressed.connect(self.enter_list)
        self.search.move_requested.connect(lambda step: self.enter_list() if step > 0 else None)
        self.scope.changed.connect(lambda _index: self.refresh())
        self.size_limit.changed.connect(lambda _index: self.refresh())
        self.sort.changed.connect(lambda _index: self._ask())
        self.problem.action_clicked.connect(self._try_again)
        self.finder.changed.connect(self.refresh)
        self.list.end_near.connect(self.finder.more)
        self._known.catalogue_changed.connect(self.refresh)
        self._store.models_changed.connect(self.refresh)
        self._store.model_changed.connect(lambda _id: self.refresh() if self.isVisible() else None)
        self._store.status_changed.connect(self._status_changed)
        self._store.job_changed.connect(self._job_changed)
        self._store.jobs_changed.connect(self._compose)
        self._soon.timeout.connect(self._compose)

    def enter_list(self) -> None:
        """From the field to the first result."""
        if self.list.cards.rowCount():
            self.list.choose_first()
        else:
            self.empty.button.setFocus(Qt.FocusReason.TabFocusReason)

    def enter(self) -> None:
        self.search.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.search.selectAll()


def _without_empty(cards: list[Card]) -> list[Card]:
    """Without headings whose only cards stand with the running work."""
    kept: list[Card] = []
    for card in reversed(cards):
        if not card.heading or (kept and not kept[-1].heading):
            kept.append(card)
    return kept[::-1]
