"""What the window knows of files: collections, the index as a whole, embedders; kept current by events."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, QTimer, Signal

from desktop.qt.bridge import Bridge, Failure, Link

if TYPE_CHECKING:
    from desktop.client import Client
    from desktop.wire import Event
    from desktop.wire_files import Collection, EmbedderChoice, IndexStatus, RerankerChoice

SETTLE_MS = 150


class KnownFiles(QObject):
    """Asked for when files are first needed, and again when the service tells of a change.

    `told(FilesEvent)` passes every event about a collection on, also of those that belong to one chat.
    """

    changed = Signal()  # the list of collections, or what is in one
    status_changed = Signal()
    choices_changed = Signal()  # embedders and rerankers
    told = Signal(object)
    failed = Signal(object)  # Failure

    def __init__(self, bridge: Bridge, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._bridge = bridge
        self.collections: list[Collection] = []
        self.status: IndexStatus | None = None
        self.embedders: list[EmbedderChoice] = []
        self.rerankers: list[RerankerChoice] = []
        self.known = False
        self.failure: Failure | None = None
        self._wanted = False
        self._soon = QTimer(self, singleShot=True, interval=SETTLE_MS)
        self._soon.timeout.connect(self.ask)
        bridge.link_changed.connect(self._link_changed)
        bridge.event_seen.connect(self._event_seen)

    def want(self) -> None:
        """Files are shown: ask now, unless it was done already."""
        if not self._wanted:
            self._wanted = True
            self.ask()
            self.ask_choices()

    def ask(self) -> None:
        self._call(lambda client: client.collections(), self._collections_came, self._no_collections)
        self._call(lambda client: client.files_status(), self._status_came)

    def ask_choices(self) -> None:
        self._call(lambda client: client.embedders(), self._embedders_came)
        self._call(lambda client: client.rerankers(), self._rerankers_came)

    def of_id(self, collection_id: int) -> Collection | None:
        return next((one for one in self.collections if one.id == collection_id), None)

    def named(self, name: str) -> Collection | None:
        return next((one for one in self.collections if one.name == name), None)

    def take(self, collection: Collection) -> None:
        """What an answer said of a collection, before its event comes."""
        if collection.chat_id:
            return
        others = [one for one in self.collections if one.id != collection.id]
        self.collections = sorted([*others, collection], key=lambda one: one.name.lower())
        self.changed.emit()

    def _collections_came(self, collections: list[Collection]) -> None:
        shown = [one for one in collections if not one.chat_id]
        self.collections = sorted(shown, key=lambda one: one.name.lower())
        self.known, self.failure = True, None
        self.changed.emit()

    def _no_collections(self, failure: Failure) -> None:
        self.failure = failure
        self.changed.emit()
        self.failed.emit(failure)

    def _status_came(self, status: IndexStatus) -> None:
        self.status = status
        self.status_changed.emit()

    def _embedders_came(self, embedders: list[EmbedderChoice]) -> None:
        self.embedders = embedders
        self.choices_changed.emit()

    def _rerankers_came(self, rerankers: list[RerankerChoice]) -> None:
        self.rerankers = rerankers
        self.choices_changed.emit()

    def _call(
        self,
        work: Callable[[Client], Coroutine[Any, Any, Any]],
        done: Callable[[Any], None],
        failed: Callable[[Failure], None] | None = None,
    ) -> None:
        self._bridge.call(work, done, failed or self.failed.emit, owner=self)

    def _link_changed(self, link: Link) -> None:
        if link.phase == "online" and self._wanted:
            self._soon.start()

    def _event_seen(self, event: Event) -> None:
        if event.type == "reset" and self._wanted:
            self._soon.start()
        elif event.type == "files":
            self._files_event(event)

    def _files_event(self, event: Event) -> None:
        from desktop.wire_files import FilesEvent

        try:
            news = FilesEvent.model_validate(event.data)
        except ValueError:
            self._soon.start()
            return
        if news.action == "removed":
            self.collections = [one for one in self.collections if one.id != news.id]
            self.changed.emit()
        elif news.collection is not None:
            self.take(news.collection)
        if self._wanted and news.action in ("added", "changed", "removed") and not self._soon.isActive():
            self._soon.start()  # for the figures of the whole index
        self.told.emit(news)
