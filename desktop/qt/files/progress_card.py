"""The card of a running index: how far, how fast, how long yet, and Pause and Cancel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal

from desktop.qt.components.button import Button
from desktop.qt.components.card import Card
from desktop.qt.components.gauges import ProgressBar
from desktop.qt.components.label import ElidedLabel, Label
from desktop.qt.files.words import index_words
from desktop.qt.surface import row
from desktop.qt.theme import Theme

if TYPE_CHECKING:
    from desktop.wire import Job

SHOWN = ("pending", "running", "paused", "interrupted")


class ProgressCard(Card):
    """Visible while there is work. `paused(id)`, `resumed(id)` and `cancelled(id)` name the job."""

    paused = Signal(str)
    resumed = Signal(str)
    cancelled = Signal(str)

    def __init__(self, theme: Theme) -> None:
        super().__init__(theme, name="Indexing", padding=14)
        self.job: Job | None = None
        self._words = Label(theme, "", "ui", weight=600)
        self._rate = ElidedLabel(theme, "", "ui", "text2")
        self.pause = Button(theme, "Pause", "ghost", icon="pause", small=True)
        self.cancel = Button(theme, "Cancel", "ghost", icon="x", small=True)
        self.bar = ProgressBar(theme, "Indexed", height=6)
        line = row(gap=8)
        line.addWidget(self._words)
        line.addWidget(self._rate, 1)
        line.addWidget(self.pause)
        line.addWidget(self.cancel)
        self.content.addLayout(line)
        self.content.addWidget(self.bar)
        self.pause.clicked.connect(self._pause)
        self.cancel.clicked.connect(self._cancel)
        self.hide()

    @property
    def words(self) -> str:
        """All it says, as a screen reader has it."""
        return self.accessibleName()

    def show_job(self, job: Job | None) -> None:
        """Show this job; one that has ended, or None, hides the card."""
        self.job = job if job is not None and job.state in SHOWN else None
        self.setVisible(self.job is not None)
        if self.job is None:
            return
        job = self.job
        first, second = index_words(job)
        waits = job.state in ("paused", "interrupted")
        self._words.setText(first)
        self._rate.setText(job.error or second)
        fraction = min(1.0, job.done / job.total) if job.total > 0 else None
        self.bar.set_fraction(0.0 if waits and fraction is None else fraction, "text3" if waits else "accent")
        self.pause.setVisible(job.can_resume if waits else job.can_pause)
        self.pause.set_text("Resume" if waits else "Pause")
        self.pause.set_icon("play" if waits else "pause")
        self.setAccessibleName(", ".join(part for part in (first, self._rate.text()) if part))

    def _pause(self) -> None:
        if self.job is not None:
            waits = self.job.state in ("paused", "interrupted")
            (self.resumed if waits else self.paused).emit(self.job.id)

    def _cancel(self) -> None:
        if self.job is not None:
            self.cancelled.emit(self.job.id)
