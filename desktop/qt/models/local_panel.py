"""The inspector for a model of the library: use and load it, how it fits, facts, and what can be made of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QScrollArea, QVBoxLayout, QWidget

from desktop.qt.bridge import Bridge, Call, Failure
from desktop.qt.components.button import Button, IconButton
from desktop.qt.components.label import ElidedLabel
from desktop.qt.components.notice import Notice
from desktop.qt.figures import in_bytes
from desktop.qt.model_actions import ModelActions
from desktop.qt.model_words import BUSY, title_of
from desktop.qt.models.facts import Facts
from desktop.qt.models.fit_panel import FitPanel
from desktop.qt.models.local_facts import local_facts
from desktop.qt.store import Store
from desktop.qt.surface import Line, column, make_scroll, row
from desktop.qt.theme import Theme

if TYPE_CHECKING:
    from desktop.wire_models import Details


class LocalPanel(QWidget):
    """Show a model with `show_model`. `extras` is the place of what else can be done with one (adapters, details)."""

    use_asked = Signal(str)
    remove_asked = Signal(str)
    repo_asked = Signal(str)
    card_asked = Signal(str)
    link_asked = Signal(str)
    model_shown = Signal(str)
    quantize_requested = Signal(str)

    def __init__(self, theme: Theme, bridge: Bridge, store: Store, actions: ModelActions) -> None:
        super().__init__()
        self._theme = theme
        self._bridge = bridge
        self._store = store
        self._actions = actions
        self._details_call: Call | None = None
        self.model_id = ""
        self.details: Details | None = None
        self.name = ElidedLabel(theme, "", "title")
        self.about = ElidedLabel(theme, "", "small", "text2")
        self.notice = Notice(theme, "error", "", narrow=True)
        self.use = Button(theme, "Use it", "primary", icon="message-square")
        self.load = Button(theme, "Load")
        self.remove = IconButton(theme, "trash-2", "Remove", keys="Del", icon_size=16)
        self.fit = FitPanel(theme, bridge, store)
        self.facts = Facts(theme)
        self.read = Button(theme, "Model card", "ghost", icon="file-text", small=True)
        self.repo = Button(theme, "More files", "ghost", icon="compass", small=True)
        self.quantize = Button(theme, "Quantize and measure…", icon="shrink")
        self.extras: QVBoxLayout = column(gap=8)
        self._lay_out()
        self._connect()

    def show_model(self, model_id: str) -> None:
        """Another model of the library."""
        model = self._store.models.get(model_id)
        if model is None:
            return
        if model_id != self.model_id:
            self.model_id, self.details = model_id, None
            self._ask_details()
            self.model_shown.emit(model_id)
        self.fit.show_model(model)
        self.refresh()

    def refresh(self) -> None:
        """Show what the store says of the model now."""
        model = self._store.models.get(self.model_id)
        if model is None:
            return
        self.name.setText(title_of(model))
        self.about.setText(" · ".join(part for part in (model.quant, in_bytes(model.bytes), model.repo) if part))
        loading = model.state in BUSY or (self._actions.is_busy(model.id) and not model.loaded)
        self.load.set_text("Cancel" if loading else "Unload" if model.loaded else "Load")
        self.use.setVisible(model.kind == "chat")
        self.remove.set_name(f"Remove {title_of(model)}", "Del")
        self.read.setVisible(bool(model.repo))
        self.repo.setVisible(bool(model.repo))
        failure = self._actions.failures.get(model.id)
        problem = failure.message if failure else model.error
        self.notice.setVisible(bool(problem))
        if problem:
            self.notice.show_message("error", problem, hint=failure.hint if failure else model.hint)
        self.facts.show_facts(local_facts(model, self.details))
        self.fit.show_model(model)

    def take_details(self, details: Details) -> None:
        """Facts beyond the model's row."""
        if details.id == self.model_id:
            self.details = details
            self.fit.take_details(details)
            self.refresh()

    def forget(self) -> None:
        """Nothing is in view."""
        self.model_id = ""
        self.fit.forget()

    def _ask_details(self) -> None:
        if self._details_call is not None:
            self._details_call.cancel()
        model_id = self.model_id

        def failed(_failure: Failure) -> None:
            self._details_call = None  # the row's own facts stand there already

        self._details_call = self._bridge.call(
            lambda client: client.model_details(model_id), self.take_details, failed, owner=self
        )

    def _toggle_load(self) -> None:
        model = self._store.models.get(self.model_id)
        if model is None:
            return
        self.fit.flush()
        if model.loaded or model.state in BUSY or self._actions.is_busy(model.id):
            self._actions.unload(model.id)
        else:
            self._actions.load(model.id)

    def _models_changed(self) -> None:
        if self.model_id:
            self.refresh()

    def _repo_of(self) -> str:
        model = self._store.models.get(self.model_id)
        return model.repo if model is not None else ""

    def _connect(self) -> None:
        self.use.clicked.connect(lambda: self.use_asked.emit(self.model_id))
        self.load.clicked.connect(self._toggle_load)
        self.remove.clicked.connect(lambda: self.remove_asked.emit(self.model_id))
        self.quantize.clicked.connect(lambda: self.quantize_requested.emit(self.model_id))
        self.read.clicked.connect(lambda: self.card_asked.emit(self._repo_of()))
        self.repo.clicked.connect(lambda: self.repo_asked.emit(self._repo_of()))
        self.facts.link_asked.connect(self.link_asked)
        self.fit.reload_asked.connect(self._actions.reload)
        self._store.models_changed.connect(self._models_changed)
        self._store.model_changed.connect(lambda model_id: self.refresh() if model_id == self.model_id else None)
        self._actions.changed.connect(lambda model_id: self.refresh() if model_id == self.model_id else None)

    def _lay_out(self) -> None:
        theme = self._theme
        layout = column(self)
        head = column(margins=(16, 14, 16, 8), gap=2)
        head.addWidget(self.name)
        head.addWidget(self.about)
        layout.addLayout(head)
        inside = QWidget()
        body = column(inside, margins=(16, 0, 16, 12), gap=10)
        first = row(gap=8)
        first.addWidget(self.use, 1)
        first.addWidget(self.load, 1)
        first.addWidget(self.remove)
        body.addWidget(self.notice)
        body.addLayout(first)
        body.addWidget(Line(theme))
        body.addWidget(self.fit)
        body.addWidget(Line(theme))
        body.addWidget(self.facts)
        more = row(gap=4)
        more.addWidget(self.read)
        more.addWidget(self.repo)
        more.addStretch(1)
        body.addLayout(more)
        body.addLayout(self.extras)
        body.addStretch(1)
        layout.addWidget(make_scroll(QScrollArea(), inside), 1)
        foot = column(margins=(16, 8, 16, 14))
        foot.addWidget(self.quantize)
        layout.addLayout(foot)
