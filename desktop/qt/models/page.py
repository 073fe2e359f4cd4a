"""The Models page: the list beside it, four views, and the inspector; what is done in one is seen in the others."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QApplication, QStackedWidget, QWidget

from desktop.qt.bridge import Bridge
from desktop.qt.imports import Imports
from desktop.qt.links import ask_to_open
from desktop.qt.model_actions import ModelActions
from desktop.qt.models.card_acts import CardActs
from desktop.qt.models.card_reader import CardReader
from desktop.qt.models.discover_view import DiscoverView
from desktop.qt.models.finder import Finder
from desktop.qt.models.folding import Folding
from desktop.qt.models.inspector import ModelInspector
from desktop.qt.models.installed_view import InstalledView
from desktop.qt.models.job_actions import JobActions
from desktop.qt.models.known import Known
from desktop.qt.models.nav import ModelsNav
from desktop.qt.models.page_notices import PageNotices
from desktop.qt.models.page_view import PageView
from desktop.qt.models.stores_view import StoresView
from desktop.qt.models.token_dialog import TokenDialog
from desktop.qt.models.transfers_view import TransfersView
from desktop.qt.store import Store
from desktop.qt.surface import column, row
from desktop.qt.theme import Theme


class ModelsPage(QWidget):
    """`chosen(id)`: chat with this model. The other signals are answered by the window too."""

    chosen = Signal(str)
    choose_file_asked = Signal()
    remove_asked = Signal(str)
    dropped = Signal(list)
    settings_asked = Signal()
    quantize_requested = Signal(str)

    def __init__(
        self, theme: Theme, bridge: Bridge, store: Store, actions: ModelActions, *, imports: Imports, jobs: JobActions
    ) -> None:
        super().__init__()
        self.setAccessibleName("Models")
        self.theme = theme
        self._bridge = bridge
        self._store = store
        self.jobs = jobs
        self.known = Known(bridge, store)
        self.finder = Finder(bridge)
        self.nav = ModelsNav(theme)
        self.discover = DiscoverView(theme, store, self.known, self.finder, actions)
        self.installed = InstalledView(theme, store, self.known, actions)
        self.transfers = TransfersView(theme, store)
        self.stores = StoresView(theme, store, self.known, jobs, imports)
        self.inspector = ModelInspector(theme, bridge, store, actions, jobs)
        self.acts = CardActs(store, self.known, actions, jobs, self.inspector)
        self.views = QStackedWidget()
        self.notices = PageNotices(theme, imports, jobs)
        self.reader: CardReader | None = None
        self._by_row: dict[str, PageView] = {
            "discover": self.discover,
            "installed": self.installed,
            "transfers": self.transfers,
            "stores": self.stores,
        }
        self.folding = Folding(theme, self, self.nav, self.inspector, list(self._by_row.values()))
        self._lay_out()
        self._connect()
        self.nav.choose("installed")

    # -- views -------------------------------------------------------------------------------------------------------

    @property
    def view(self) -> PageView:
        current = self.views.currentWidget()
        assert isinstance(current, PageView)
        return current

    def show_view(self, row_id: str) -> None:
        """Show a row of the list beside the page: a view, or Discover for a task."""
        self.nav.choose(row_id)

    def first_focus(self) -> QWidget:
        return self.view.first_focus()

    def enter(self) -> None:
        """The page is shown: ask for what it needs, and begin where there is something."""
        self.known.want()
        self.view.enter()

    def find_models(self) -> None:
        """Ctrl+F: search the Hub and the catalogue."""
        if self.nav.current != "discover" and not self.nav.current.startswith("task:"):
            self.nav.choose("discover")
        self.discover.enter()

    def areas(self) -> list[QWidget]:
        """Where F6 leads within this page."""
        areas = [] if self.nav.isHidden() else [self.nav.first_focus()]
        areas.append(self.view.first_focus())
        return areas if self.inspector.isHidden() else [*areas, self.inspector.first_focus()]

    def _row_chosen(self, row_id: str) -> None:
        view, _, task = row_id.partition(":")
        if view in ("discover", "task"):
            self.discover.set_task(task)
            view = "discover"
        focused = QApplication.focusWidget()
        within = focused is not None and self.view.isAncestorOf(focused)
        if within:
            self.setFocus()  # else Qt hands the focus to the next one it finds, and a list chooses a card for it
        self.views.setCurrentWidget(self._by_row[view])
        if within:
            self.view.first_focus().setFocus()
        card = self.view.list.current_card()
        self._card_chosen(card.key if card is not None else "")

    def _filter_changed(self, words: str) -> None:
        if words and self.nav.current not in ("installed", "stores"):
            self.nav.choose("installed")
        self.installed.set_words(words)
        self.stores.set_words(words)

    # -- going somewhere ---------------------------------------------------------------------------------------------

    def _card_chosen(self, key: str) -> None:
        card = self.view.list.current_card()
        self.acts.choose(key, card.title if card is not None else "")

    def show_model(self, model_id: str) -> None:
        """Go to a model of the library."""
        self.nav.choose("installed")
        self.nav.filter.clear()
        self.installed.kind.set_index(0)
        if self.installed.list.choose(f"model:{model_id}"):
            self.inspector.show_model(model_id)

    def show_repo(self, repo: str) -> None:
        """Go to a repo of the Hub."""
        self.nav.choose("discover")
        if not self.discover.list.choose(f"repo:{repo}"):
            self.discover.list.choose_none()
        self.inspector.show_repo(repo)
        self.folding.open_inspector()

    # -- over the page -----------------------------------------------------------------------------------------------

    def read_card(self, repo: str) -> None:
        """Open the model card of a repo."""
        if self.reader is None:
            self.reader = CardReader(self.theme, self.window(), self._bridge)
        self.reader.read(repo)

    def log_in(self) -> TokenDialog:
        """Ask for a token of the Hub."""
        dialog = TokenDialog(self.theme, self._bridge, self.known.token, self.window())
        dialog.token_changed.connect(self.known.take_token)
        dialog.token_changed.connect(lambda _token: self.inspector.repo.reload())
        dialog.link_asked.connect(lambda url: ask_to_open(self.theme, url, self))
        dialog.open()
        return dialog

    # -- counts ------------------------------------------------------------------------------------------------------

    def _models_changed(self) -> None:
        self.nav.model.set_count("installed", len(self._store.models))
        kind, _, subject = self.inspector.shows.partition(":")
        if kind == "model" and subject and subject not in self._store.models:
            self.inspector.show_nothing()

    def _jobs_changed(self, _job: object = None) -> None:
        self.nav.model.set_count("transfers", len(self._store.running_jobs()))

    def _disk_changed(self) -> None:
        if self.known.disk is not None:
            self.nav.show_disk(self.known.disk)

    # -- layout ------------------------------------------------------------------------------------------------------

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            self.folding.fold_for(self.window().width())

    def _lay_out(self) -> None:
        for view in self._by_row.values():
            self.views.addWidget(view)
        layout = row(self)
        layout.addWidget(self.nav)
        middle = column()
        middle.addWidget(self.notices)
        middle.addWidget(self.views, 1)
        layout.addLayout(middle, 1)
        layout.addWidget(self.inspector)

    def _connect(self) -> None:
        self.nav.chosen.connect(self._row_chosen)
        self.nav.entered.connect(self.enter)
        self.nav.filter_changed.connect(self._filter_changed)
        self.nav.add_asked.connect(self.choose_file_asked)
        for view in self._by_row.values():
            view.chosen.connect(self._card_chosen)
            view.acted.connect(self.acts.act)
        self.acts.use_asked.connect(self.chosen)
        self.acts.quantize_requested.connect(self.quantize_requested)
        self.acts.remove_asked.connect(self.remove_asked)
        self.acts.model_asked.connect(self.show_model)
        self.acts.files_asked.connect(self.show_repo)
        self._connect_views()
        inspector = self.inspector
        inspector.use_asked.connect(self.chosen)
        inspector.remove_asked.connect(self.remove_asked)
        inspector.import_asked.connect(self.dropped)
        inspector.repo_asked.connect(self.show_repo)
        inspector.card_asked.connect(self.read_card)
        inspector.log_in_asked.connect(self.log_in)
        inspector.link_asked.connect(lambda url: ask_to_open(self.theme, url, self))
        inspector.quantize_requested.connect(self.quantize_requested)
        self._store.models_changed.connect(self._models_changed)
        self._store.job_changed.connect(self._jobs_changed)
        self._store.jobs_changed.connect(self._jobs_changed)
        self.known.disk_changed.connect(self._disk_changed)

    def _connect_views(self) -> None:
        welcome = self.installed.welcome
        welcome.choose_asked.connect(self.choose_file_asked)
        welcome.dropped.connect(self.dropped)
        welcome.stores_asked.connect(self._show_stores)
        welcome.download_asked.connect(self.jobs.download)
        welcome.discover_asked.connect(lambda: self.nav.choose("discover"))
        self.installed.show_all_asked.connect(self.nav.filter.clear)
        self.installed.show_all_asked.connect(lambda: self.installed.kind.set_index(0))
        self.transfers.empty_acted.connect(lambda: self.nav.choose("discover"))
        self.stores.model_asked.connect(self.show_model)
        self.stores.remove_asked.connect(self.remove_asked)
        self.discover.empty_acted.connect(self._discover_empty_acted)

    def _discover_empty_acted(self) -> None:
        failure = self.finder.failure
        if failure is not None and failure.kind == "air_gapped":
            self.settings_asked.emit()
        else:
            self.discover.undo_limits()

    def _show_stores(self) -> None:
        self.nav.choose("stores")
        report = self.known.stores
        if report is None or not report.scanned_at:
            self.stores.look()
