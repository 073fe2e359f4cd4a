"""The Models page: what is installed, how it stands, where more comes from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QScrollArea, QWidget

from desktop.qt.bridge import Failure
from desktop.qt.components.button import Button
from desktop.qt.components.drop import DropZone
from desktop.qt.components.field import SearchField
from desktop.qt.components.gauges import ProgressBar
from desktop.qt.components.label import ElidedLabel, Label
from desktop.qt.components.notice import Notice
from desktop.qt.components.states import Skeleton
from desktop.qt.figures import in_bytes
from desktop.qt.imports import Imports
from desktop.qt.matching import match_score
from desktop.qt.model_actions import ModelActions
from desktop.qt.model_card import ModelCard
from desktop.qt.model_words import not_added, title_of
from desktop.qt.store import Store
from desktop.qt.surface import Pane, clear, column, make_scroll, row
from desktop.qt.theme import Theme

if TYPE_CHECKING:
    from desktop.wire import Job, Model

WIDTH = 860


class ModelsPage(Pane):
    """`chosen(id)`: chat with this model. `choose_file_asked`, `remove_asked(id)` are answered by the window."""

    chosen = Signal(str)
    choose_file_asked = Signal()
    remove_asked = Signal(str)

    def __init__(self, theme: Theme, store: Store, actions: ModelActions, imports: Imports) -> None:
        super().__init__(theme, "bg_surface")
        self.setAccessibleName("Models")
        self._store = store
        self._actions = actions
        self._imports = imports
        self.cards: dict[str, ModelCard] = {}
        self._jobs: dict[str, ImportRow] = {}
        self.search = SearchField(theme, "Filter models", "Filter models")
        self.zone = DropZone(
            theme, "Drop a GGUF file here", "It is used where it lies; nothing is copied.", action="Choose a file…"
        )
        self._count = Label(theme, "", "small", "text2")
        self._notices = column(gap=8)
        self._work = column(gap=8)
        self._rows = column(gap=8)
        self._skeleton = Skeleton(theme, rows=6)
        self._none = Label(theme, "", "ui", "text2", wrap=True)
        self._lay_out()
        self._connect()
        self._rebuild()

    def first_focus(self) -> QWidget:
        return self.search

    # -- rows --------------------------------------------------------------------------------------------------------

    def _shown(self) -> list[Model]:
        query = self.search.text()
        models = sorted(self._store.models.values(), key=lambda model: (not model.loaded, title_of(model).lower()))
        return [m for m in models if match_score(query, f"{title_of(m)} {m.id} {m.quant} {m.arch}") is not None]

    def _rebuild(self) -> None:
        clear(self._rows)
        self.cards = {}
        shown = self._shown()
        for model in shown:
            card = ModelCard(self.theme, model, self._store, self._actions, removable=True)
            card.chosen.connect(self.chosen)
            card.remove_asked.connect(self.remove_asked)
            card.setToolTip(model.path)
            self.cards[model.id] = card
            self._rows.addWidget(card)
        self._show_count(shown)

    def _show_count(self, shown: list[Model]) -> None:
        self._skeleton.setVisible(not self._store.models_known)
        total = sum(model.bytes for model in self._store.models.values())
        count = len(self._store.models)
        self._count.setText(f"{count} installed, {in_bytes(total)} on disk" if count else "")
        self._none.setVisible(self._store.models_known and not shown)
        if count:
            self._none.setText("No model is called that.")
        else:
            self._none.setText("No model is installed yet. Drop a GGUF file into the window, or choose one.")

    def _models_changed(self) -> None:
        if list(self.cards) == [model.id for model in self._shown()]:
            for card in self.cards.values():
                card.refresh()
            self._show_count(self._shown())
        else:
            self._rebuild()

    def _one_changed(self, model_id: str) -> None:
        if model_id in self.cards:
            self.cards[model_id].refresh()

    def _status_changed(self) -> None:
        if self.isVisible():
            for card in self.cards.values():
                card.refresh()

    # -- imports -----------------------------------------------------------------------------------------------------

    def _job_moved(self, job: Job) -> None:
        line = self._jobs.get(job.id)
        if line is None:
            name = Path(self._imports.file_of(job.id)).name
            line = self._jobs[job.id] = ImportRow(self.theme, name)
            line.cancel.clicked.connect(lambda: self._imports.cancel(job.id))
            self._work.addWidget(line)
        line.show_job(job)

    def _job_ended(self, job: Job) -> None:
        line = self._jobs.pop(job.id, None)
        if line is not None:
            line.hide()
            line.deleteLater()
        if job.state == "failed":
            name = Path(self._imports.file_of(job.id)).name
            self._tell(not_added(name, job.error), job.hint)

    def _refused(self, path: str, failure: Failure) -> None:
        self._tell(not_added(Path(path).name, failure.message), failure.hint)

    def _tell(self, message: str, hint: str) -> None:
        notice = Notice(self.theme, "error", message, hint=hint, closable=True)
        notice.closed.connect(notice.deleteLater)
        self._notices.addWidget(notice)

    # -- building ----------------------------------------------------------------------------------------------------

    def _lay_out(self) -> None:
        body = QWidget()
        inside = column(body, margins=(24, 24, 24, 24), gap=12)
        head = row(gap=12)
        head.addWidget(Label(self.theme, "Models", "display"))
        head.addWidget(self._count, 1, Qt.AlignmentFlag.AlignBottom)
        add = Button(self.theme, "Add a model…", "primary", icon="folder-plus")
        add.clicked.connect(self.choose_file_asked)
        head.addWidget(add)
        inside.addLayout(head)
        inside.addWidget(self.search)
        inside.addWidget(self.zone)
        inside.addLayout(self._notices)
        inside.addLayout(self._work)
        inside.addWidget(self._skeleton)
        inside.addWidget(self._none)
        inside.addLayout(self._rows)
        inside.addStretch(1)
        body.setMaximumWidth(self.theme.px(WIDTH))
        holder = QWidget()
        middle = row(holder)
        middle.addStretch(1)
        middle.addWidget(body, 100)
        middle.addStretch(1)
        column(self).addWidget(make_scroll(QScrollArea(), holder))

    def _connect(self) -> None:
        self.search.textChanged.connect(lambda _text: self._rebuild())
        self.zone.dropped.connect(self._imports.start)
        self.zone.choose_clicked.connect(self.choose_file_asked)
        self._store.models_changed.connect(self._models_changed)
        self._store.model_changed.connect(self._one_changed)
        self._store.status_changed.connect(self._status_changed)
        self._actions.changed.connect(self._one_changed)
        self._imports.progress.connect(self._job_moved)
        self._imports.finished.connect(self._job_ended)
        self._imports.refused.connect(self._refused)


class ImportRow(Pane):
    """A file that is being read into the library: how far, and a way to give up."""

    def __init__(self, theme: Theme, name: str) -> None:
        super().__init__(theme, "bg_surface")
        self._name = name
        self._words = ElidedLabel(theme, f"Reading {name}", "label")
        self._far = Label(theme, "", "small", "text2")
        self._bar = ProgressBar(theme, f"Reading {name}")
        self._bar.set_fraction(None)
        self.cancel = Button(theme, "Cancel", "ghost", icon="x", small=True)
        layout = column(self, margins=(4, 4, 4, 8), gap=6)
        head = row(gap=8)
        head.addWidget(self._words, 1)
        head.addWidget(self._far)
        head.addWidget(self.cancel)
        layout.addLayout(head)
        layout.addWidget(self._bar)

    def show_job(self, job: Job) -> None:
        if job.total > 0:
            self._bar.set_fraction(job.done / job.total)
            amount = (
                f"{in_bytes(job.done)} of {in_bytes(job.total)}"
                if job.unit == "bytes"
                else f"{job.done} of {job.total} {job.unit}"
            )
            self._far.setText(amount)
        if job.message:
            self._words.setText(f"{self._name}: {job.message}")
