"""What the page knows beside the library: catalogue, suggestions, stores, disk use, and whether a token is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal

from desktop.qt.bridge import Bridge, Failure, Link
from desktop.qt.store import Store

if TYPE_CHECKING:
    from desktop.wire import Job
    from desktop.wire_models import CatalogueModel, DiskUse, HubToken, StoreReport, Suggestion

SETTLE_MS = 200
CHANGING = ("download", "convert", "quantize", "split", "merge", "merge_duplicates", "scan", "import")


class Known(QObject):
    """Asked for when the page is first shown, and again when jobs or the library change it."""

    catalogue_changed = Signal()
    stores_changed = Signal()
    disk_changed = Signal()
    token_changed = Signal()
    failed = Signal(object)  # Failure

    def __init__(self, bridge: Bridge, store: Store) -> None:
        super().__init__()
        self._bridge = bridge
        self._store = store
        self.catalogue: list[CatalogueModel] = []
        self.suggestions: list[Suggestion] = []
        self.catalogue_known = False
        self.failure: Failure | None = None  # why there is no catalogue
        self.stores: StoreReport | None = None
        self.disk: DiskUse | None = None
        self.token: HubToken | None = None
        self._wanted = False
        self._ids: frozenset[str] = frozenset()
        self._soon = QTimer(self, singleShot=True, interval=SETTLE_MS)
        self._soon.timeout.connect(self.ask_all)
        bridge.link_changed.connect(self._link_changed)
        store.models_changed.connect(self._changed)
        store.job_changed.connect(self._job_changed)

    def want(self) -> None:
        """The page is shown: ask now, unless it was done already."""
        if not self._wanted:
            self._wanted = True
            self.ask_all()
            self.ask_token()

    def ask_all(self) -> None:
        call, failed = self._bridge.call, self.failed.emit
        call(
            lambda client: client.catalogue(),
            lambda found: self._catalogue_came(found.models),
            self._no_catalogue,
            owner=self,
        )
        call(
            lambda client: client.suggestions(),
            lambda found: self._suggestions_came(found.suggestions),
            self._no_suggestions,
            owner=self,
        )
        call(lambda client: client.stores(), self._stores_came, failed, owner=self)
        call(lambda client: client.disk(), self._disk_came, failed, owner=self)

    def ask_token(self) -> None:
        self._bridge.call(lambda client: client.hub_token(), self.take_token, self.failed.emit, owner=self)

    def take_token(self, token: HubToken) -> None:
        self.token = token
        self.token_changed.emit()

    def _catalogue_came(self, models: list[CatalogueModel]) -> None:
        self.catalogue = models
        self.catalogue_known, self.failure = True, None
        self.catalogue_changed.emit()

    def _no_catalogue(self, failure: Failure) -> None:
        self.failure = failure
        self.catalogue_changed.emit()
        self.failed.emit(failure)

    def _suggestions_came(self, suggestions: list[Suggestion]) -> None:
        self.suggestions = suggestions
        self.catalogue_changed.emit()

    def _no_suggestions(self, failure: Failure) -> None:
        self.suggestions = []  # the catalogue itself is shown all the same
        self.failed.emit(failure)

    def _stores_came(self, report: StoreReport) -> None:
        self.stores = report
        self.stores_changed.emit()

    def _disk_came(self, use: DiskUse) -> None:
        self.disk = use
        self.disk_changed.emit()

    def _link_changed(self, link: Link) -> None:
        if link.phase == "online" and self._wanted:
            self._soon.start()

    def _changed(self) -> None:
        ids = frozenset(self._store.models)
        if self._wanted and ids != self._ids:  # what is loaded or busy changes none of this
            self._soon.start()
        self._ids = ids

    def _job_changed(self, job: Job) -> None:
        if self._wanted and job.kind in CHANGING and job.state in ("done", "failed", "cancelled", "paused"):
            self._soon.start()
