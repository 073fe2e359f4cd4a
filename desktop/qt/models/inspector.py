"""The inspector of the page: what is chosen decides which panel stands in it."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QStackedWidget, QWidget

from desktop.qt.bridge import Bridge
from desktop.qt.components.label import Label
from desktop.qt.model_actions import ModelActions
from desktop.qt.models.job_actions import JobActions
from desktop.qt.models.local_panel import LocalPanel
from desktop.qt.models.repo_panel import RepoPanel
from desktop.qt.store import Store
from desktop.qt.surface import Pane, column
from desktop.qt.theme import Theme
from desktop.qt.tokens import INSPECTOR


class ModelInspector(Pane):
    """`show_repo` and `show_model` choose the panel. `quantize_requested(model id)` opens the dialog of that name."""

    quantize_requested = Signal(str)
    use_asked = Signal(str)
    remove_asked = Signal(str)
    import_asked = Signal(list)
    repo_asked = Signal(str)
    card_asked = Signal(str)
    log_in_asked = Signal()
    link_asked = Signal(str)

    def __init__(self, theme: Theme, bridge: Bridge, store: Store, actions: ModelActions, jobs: JobActions) -> None:
        super().__init__(theme, "bg_list", ("left",))
        self.setAccessibleName("Inspector")
        self.repo = RepoPanel(theme, bridge, store, jobs)
        self.local = LocalPanel(theme, bridge, store, actions)
        self._pages = QStackedWidget()
        self._lay_out()
        for panel in (self.repo, self.local):
            panel.quantize_requested.connect(self.quantize_requested)
            panel.use_asked.connect(self.use_asked)
            panel.card_asked.connect(self.card_asked)
            panel.link_asked.connect(self.link_asked)
        self.repo.import_asked.connect(self.import_asked)
        self.repo.log_in_asked.connect(self.log_in_asked)
        self.local.remove_asked.connect(self.remove_asked)
        self.local.repo_asked.connect(self.repo_asked)

    @property
    def shows(self) -> str:
        """ "repo:org/name", "model:id", or "" when nothing is chosen."""
        if self._pages.currentWidget() is self.repo:
            return f"repo:{self.repo.repo_id}"
        return f"model:{self.local.model_id}" if self._pages.currentWidget() is self.local else ""

    def show_repo(self, repo_id: str, title: str = "") -> None:
        self.local.forget()
        self._pages.setCurrentWidget(self.repo)
        self.repo.show_repo(repo_id, title)

    def show_model(self, model_id: str) -> None:
        self._pages.setCurrentWidget(self.local)
        self.local.show_model(model_id)

    def show_nothing(self) -> None:
        self.local.forget()
        self._pages.setCurrentIndex(0)

    def first_focus(self) -> QWidget:
        if self._pages.currentWidget() is self.repo:
            return self.repo.variants if self.repo.variants.isVisible() else self.repo.quantize
        return self.local.load if self._pages.currentWidget() is self.local else self

    def _lay_out(self) -> None:
        nothing = QWidget()
        inside = column(nothing, margins=(16, 16, 16, 16))
        inside.addWidget(
            Label(self.theme, "Choose a model to see its files and how it fits.", "small", "text2", wrap=True)
        )
        inside.addStretch(1)
        for page in (nothing, self.repo, self.local):
            self._pages.addWidget(page)
        column(self, margins=(1, 0, 0, 0)).addWidget(self._pages)
        self.theme.changed.connect(self._resized)
        self._resized()

    def _resized(self) -> None:
        self.setFixedWidth(self.theme.px(INSPECTOR))
