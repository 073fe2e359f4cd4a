"""What was refused, told above the view of the page: each with its next step, until it is closed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QWidget

from desktop.qt.bridge import Failure
from desktop.qt.components.notice import Notice
from desktop.qt.imports import Imports
from desktop.qt.model_words import not_added
from desktop.qt.models.job_actions import JobActions
from desktop.qt.models.page_view import EDGE
from desktop.qt.surface import column
from desktop.qt.theme import Theme

if TYPE_CHECKING:
    from desktop.wire import Job

MOST = 4  # older ones go: a folder of files that are no models must not push the page out of view


class PageNotices(QWidget):
    """Hears of imports and jobs that were refused."""

    def __init__(self, theme: Theme, imports: Imports, jobs: JobActions) -> None:
        super().__init__()
        self._theme = theme
        self._imports = imports
        self._column = column(self, margins=(EDGE, 12, EDGE, 0), gap=8)
        self.hide()  # with nothing to tell its margins take no room
        imports.finished.connect(self._import_ended)
        imports.refused.connect(self._import_refused)
        jobs.refused.connect(self._job_refused)

    @property
    def shown(self) -> list[Notice]:
        """Those that stand there, oldest first."""
        return [notice for notice in self.findChildren(Notice) if not notice.isHidden()]

    def tell(self, message: str, hint: str = "") -> None:
        """Say that something was refused."""
        for old in self.shown[: 1 - MOST]:
            self._drop(old)
        notice = Notice(self._theme, "error", message, hint=hint, closable=True)
        notice.closed.connect(lambda: self._drop(notice))
        self._column.addWidget(notice)
        notice.show()
        self.show()

    def _drop(self, notice: Notice) -> None:
        notice.hide()
        notice.deleteLater()
        self.setVisible(bool(self.shown))

    def _import_ended(self, job: Job) -> None:
        if job.state == "failed":
            self.tell(not_added(Path(self._imports.file_of(job.id)).name, job.error), job.hint)

    def _import_refused(self, path: str, failure: Failure) -> None:
        self.tell(not_added(Path(path).name, failure.message), failure.hint)

    def _job_refused(self, what: str, failure: Failure) -> None:
        self.tell(f"{what}: {failure.message}", failure.hint)
