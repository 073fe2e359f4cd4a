"""The running work of the panel, in one row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtWidgets import QWidget

from desktop.qt.bridge import Bridge
from desktop.qt.components.button import Button
from desktop.qt.components.gauges import ProgressBar
from desktop.qt.components.label import ElidedLabel
from desktop.qt.figures import time_left
from desktop.qt.surface import column, row
from desktop.qt.theme import Theme

if TYPE_CHECKING:
    from desktop.wire import Job


class JobRow(QWidget):
    """The running work: how far, how long still, and Pause or Cancel. Hidden while there is none."""

    def __init__(self, theme: Theme, bridge: Bridge) -> None:
        super().__init__()
        self._bridge = bridge
        self.job: Job | None = None
        self._words = ElidedLabel(theme, "", "small", "text2")
        self._bar = ProgressBar(theme, "Progress")
        self.pause = Button(theme, "Pause", icon="pause", small=True)
        self.cancel = Button(theme, "Cancel", icon="x", small=True)
        self.pause.clicked.connect(self._pause)
        self.cancel.clicked.connect(self._cancel)
        line = row(self, gap=theme.px(12))
        words = column(gap=4)
        words.addWidget(self._words)
        words.addWidget(self._bar)
        line.addLayout(words, 1)
        line.addWidget(self.pause)
        line.addWidget(self.cancel)
        self.hide()

    def show_job(self, job: Job | None) -> None:
        self.job = job
        self.setVisible(job is not None)
        if job is None:
            return
        stopped = job.state in ("paused", "interrupted")
        left = "paused" if stopped else time_left(job.seconds_left)
        self._words.setText(" · ".join(part for part in (job.title, job.message, left) if part))
        self._bar.set_fraction(job.done / job.total if job.total else (0.0 if stopped else None))
        self.pause.setText("Go on" if stopped else "Pause")
        self.pause.setVisible(job.can_resume if stopped else job.can_pause)

    def _pause(self) -> None:
        if (job := self.job) is None:
            return
        if job.state in ("paused", "interrupted"):
            self._bridge.call(lambda client: client.resume_job(job.id), owner=self)
        else:
            self._bridge.call(lambda client: client.pause_job(job.id), owner=self)

    def _cancel(self) -> None:
        if (job := self.job) is not None:
            self._bridge.call(lambda client: client.cancel_job(job.id), owner=self)
