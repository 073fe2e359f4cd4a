"""The adapters of one model: attach, set the strength, add and remove; remembered with the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QWidget

from desktop.qt.adapters.rows import AdapterList
from desktop.qt.bridge import Bridge, Failure
from desktop.qt.components.button import Button
from desktop.qt.components.label import Label
from desktop.qt.store import Store
from desktop.qt.surface import column, row
from desktop.qt.theme import Theme

if TYPE_CHECKING:
    from desktop.wire import AdapterUse, Job
    from desktop.wire_models import Adapter, ModelOptions


class AdapterBox(QWidget):
    """`add_asked`: the window asks for a GGUF adapter or a PEFT folder and gives its path to `add`."""

    add_asked = Signal()

    def __init__(self, theme: Theme, store: Store, bridge: Bridge, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._store = store
        self._bridge = bridge
        self._model_id = ""
        self._adapters: list[Adapter] = []
        self._uses: list[AdapterUse] = []
        self.list = AdapterList(theme, removable=True)
        self.problem = Label(theme, "", "small", "danger", wrap=True)
        self.problem.hide()
        self.add_button = Button(theme, "Add an adapter…", icon="plus", small=True)
        self.note = Label(theme, "", "small", "text3", wrap=True)
        layout = column(self, gap=theme.px(8))
        layout.addWidget(self.list)
        layout.addWidget(self.problem)
        layout.addWidget(self.note)
        foot = row()
        foot.addWidget(self.add_button)
        foot.addStretch(1)
        layout.addLayout(foot)
        self.add_button.clicked.connect(self.add_asked)
        self.list.changed.connect(self._save)
        self.list.remove_asked.connect(self._remove)
        store.job_changed.connect(self._job_changed)

    def show_model(self, model_id: str) -> None:
        """Show the adapters beside this model; "" shows none."""
        self._model_id = model_id
        self.problem.hide()
        self.list.show_adapters((), (), model_id)
        if model_id:
            self._ask()

    def add(self, path: str) -> None:
        """Take an adapter in where it lies; a PEFT folder is made into a GGUF file first."""
        options = {"path": path, "base": self._model_id}
        self._bridge.call(
            lambda client: client.start_job("adapter", options), self._store.take_job, self._failed, owner=self
        )

    def _ask(self) -> None:
        model_id = self._model_id

        def options_came(options: ModelOptions) -> None:
            if model_id == self._model_id:
                self._uses = list(options.adapters or ())
                self._show()

        def adapters_came(adapters: list[Adapter]) -> None:
            self._adapters = adapters
            self._bridge.call(lambda client: client.model_options(model_id), options_came, self._failed, owner=self)

        self._bridge.call(lambda client: client.adapters(), adapters_came, self._failed, owner=self)

    def _show(self) -> None:
        self.list.show_adapters(self._adapters, self._uses, self._model_id)
        model = self._store.models.get(self._model_id)
        loaded = model is not None and model.loaded and bool(self._uses)
        self.note.setText("Which adapters are attached counts from the next load." if loaded else "")

    def _save(self, uses: list[AdapterUse]) -> None:
        from desktop.wire_models import ModelOptions

        model_id, self._uses = self._model_id, uses
        self._bridge.call(
            lambda client: client.set_model_options(model_id, ModelOptions(adapters=uses)),
            lambda options: self.problem.hide(),
            self._failed,
            owner=self,
        )

    def _remove(self, adapter_id: str) -> None:
        self._bridge.call(
            lambda client: client.remove_adapter(adapter_id), lambda gone: self._ask(), self._failed, owner=self
        )

    def _job_changed(self, job: Job) -> None:
        if job.kind != "adapter" or not self._model_id:
            return
        if job.state == "done":
            self._ask()
        elif job.state == "failed":
            self._failed(Failure("job", job.error, job.hint))

    def _failed(self, failure: Failure) -> None:
        self.problem.setText(f"{failure.message} {failure.hint}".strip())
        self.problem.show()
