"""The files of one collection as far as they were asked for: pages on demand, and again when something changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal

from desktop.qt.bridge import Bridge, Call, Failure

if TYPE_CHECKING:
    from desktop.client import Client
    from desktop.wire_files import Collection, FilePage, FileRow

PAGE = 200
REFRESHED = 1000  # rows that are asked for anew while an index runs; those further down when it has ended
SETTLE_MS = 400


class FileList(QObject):
    """`changed` when rows, total or counts are others; `failed(Failure)` when they could not be read."""

    changed = Signal()
    failed = Signal(object)

    def __init__(self, bridge: Bridge) -> None:
        super().__init__()
        self._bridge = bridge
        self.collection: Collection | None = None
        self.state = ""
        self.words = ""
        self.rows: list[FileRow] = []
        self.total = 0
        self.reasons: dict[str, int] = {}
        self.known = False
        self._next = ""
        self._call: Call | None = None
        self._more: Call | None = None
        self._wants_more = False  # since the end came into view while what is shown was asked for once more
        self._later = QTimer(self, singleShot=True, interval=SETTLE_MS)
        self._later.timeout.connect(self.refresh)

    @property
    def has_more(self) -> bool:
        return bool(self._next)

    def show(self, collection: Collection | None, state: str = "", words: str = "") -> None:
        """Read the files of a collection in a state ("" for all) whose path holds some words."""
        wanted = (collection.id if collection else 0, state, words)
        same = wanted == (self.collection.id if self.collection else 0, self.state, self.words)
        self.collection, self.state, self.words = collection, state, words
        if same:
            return
        self._stop()
        self.rows, self.total, self._next, self.reasons, self.known = [], 0, "", {}, False
        self.changed.emit()
        self.refresh()

    def refresh_soon(self) -> None:
        """Something changed: ask again shortly, once for all that changes meanwhile."""
        if self.collection is not None and not self._later.isActive():
            self._later.start()

    def patch(self, rows: Sequence[FileRow]) -> None:
        """Rows that changed: they are shown at once; those that are not here yet are asked for."""
        fresh = {(row.root, row.path): row for row in rows}
        known = {(row.root, row.path) for row in self.rows}
        if known & fresh.keys():
            self.rows = [fresh.get((row.root, row.path), row) for row in self.rows]
            self.changed.emit()
        if fresh.keys() - known and not self._next:
            self.refresh_soon()

    def refresh(self) -> None:
        """Ask for what is shown once more, at most for REFRESHED rows; what lies below is left as it was."""
        if self.collection is None or self._call is not None:
            return
        wanted = min(max(PAGE, len(self.rows)), REFRESHED)
        name, state, words = self.collection.name, self.state, self.words

        async def work(client: Client) -> tuple[list[FileRow], FilePage]:
            rows: list[FileRow] = []
            cursor = ""
            while True:
                page = await client.files_list(name, state=state, q=words, next=cursor, limit=PAGE)
                rows += page.files
                cursor = page.next
                if not cursor or len(rows) >= wanted:
                    return rows, page

        self._call = self._bridge.call(work, self._came, self._failed, owner=self)

    def want_more(self) -> None:
        """The end is in view: ask for the next page."""
        if self.collection is None or not self._next or self._more is not None:
            return
        self._wants_more = self._call is not None
        if self._wants_more:
            return
        name, state, words, cursor = self.collection.name, self.state, self.words, self._next
        self._more = self._bridge.call(
            lambda client: client.files_list(name, state=state, q=words, next=cursor, limit=PAGE),
            self._more_came,
            self._failed,
            owner=self,
        )

    def _came(self, answer: tuple[list[FileRow], FilePage]) -> None:
        self._call = None
        rows, page = answer
        kept = self.rows[len(rows) :] if page.next else []
        fresh = {(row.root, row.path) for row in rows}
        kept = [row for row in kept if (row.root, row.path) not in fresh]
        self.rows = rows + kept
        if not kept:
            self._next = page.next
        self._take_counts(page)
        if self._wants_more:
            self.want_more()

    def _more_came(self, page: FilePage) -> None:
        self._more = None
        known = {(row.root, row.path) for row in self.rows}
        self.rows = self.rows + [row for row in page.files if (row.root, row.path) not in known]
        self._next = page.next
        self._take_counts(page)

    def _take_counts(self, page: FilePage) -> None:
        self.total, self.reasons, self.known = page.total, page.reasons, True
        self.changed.emit()

    def _failed(self, failure: Failure) -> None:
        self._call = self._more = None
        self._wants_more = False
        self.failed.emit(failure)

    def _stop(self) -> None:
        for call in (self._call, self._more):
            if call is not None:
                call.cancel()
        self._call = self._more = None
        self._wants_more = False
