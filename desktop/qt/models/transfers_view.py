"""Transfers: every job, running, waiting, failed and finished, with what can be done about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QTimer

from desktop.qt.models.cards import Card, heading
from desktop.qt.models.job_words import grouped_jobs, job_card
from desktop.qt.models.page_view import PageView
from desktop.qt.store import FILE_KINDS, Store
from desktop.qt.theme import Theme

if TYPE_CHECKING:
    from desktop.wire import Job

SHOW_MS = 50  # many jobs report ten times a second each: they are shown together


class TransfersView(PageView):
    """What the jobs' cards do is decided by the page, as the same cards stand above the search as well."""

    def __init__(self, theme: Theme, store: Store) -> None:
        super().__init__(theme, "Transfers", "download")
        self._store = store
        self._soon = QTimer(self, singleShot=True, interval=SHOW_MS)
        self._soon.timeout.connect(self.refresh)
        store.job_changed.connect(self._job_changed)
        store.jobs_changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        cards: list[Card] = []
        for name, jobs in grouped_jobs(job for job in self._store.jobs.values() if job.kind not in FILE_KINDS):
            cards.append(heading(f"{name}: {len(jobs)}"))
            cards += [job_card(job) for job in jobs]
        if cards:
            self.show_cards(cards)
        else:
            self.show_empty("Nothing is running. Downloads, conversions and measurements appear here.", "Find a model")

    def _job_changed(self, _job: Job) -> None:
        if not self._soon.isActive():
            self._soon.start()
