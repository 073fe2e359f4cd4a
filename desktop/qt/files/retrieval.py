"""One search under way: what was asked, what came, and that only the newest answer counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, QTimer, Signal

from desktop.qt.bridge import Bridge, Call, Failure

if TYPE_CHECKING:
    from desktop.client import Client
    from desktop.wire_files import SearchAnswer

TYPED_MS = 250  # after the last letter
DEFAULT_K = 10


@dataclass(frozen=True, slots=True)
class Wish:
    """What is searched and how; `options` are further fields of SearchRequest."""

    query: str = ""
    collection: str = ""
    hybrid: bool = True
    k: int = DEFAULT_K

    def fields(self) -> dict[str, Any]:
        """As a SearchRequest has it: hybrid leaves the weights to the query, without it vectors answer alone."""
        mode = "auto" if self.hybrid else "dense"
        return {"query": self.query, "collection": self.collection, "k": self.k, "mode": mode}


class Retrieval(QObject):
    """`changed` when a search began, ended or failed."""

    changed = Signal()

    def __init__(self, bridge: Bridge) -> None:
        super().__init__()
        self._bridge = bridge
        self.wish = Wish()
        self.answer: SearchAnswer | None = None
        self.failure: Failure | None = None
        self.shown = Wish()  # what the answer is about
        self._call: Call | None = None
        self._typed = QTimer(self, singleShot=True, interval=TYPED_MS)
        self._typed.timeout.connect(self.search)

    @property
    def busy(self) -> bool:
        return self._call is not None or self._typed.isActive()

    def want(self, wish: Wish, *, at_once: bool = False) -> None:
        """Search for this soon, or at once; an empty query takes the results away."""
        changed, self.wish = wish != self.wish, wish
        if not wish.query.strip():
            self._stop()
            self.answer = self.failure = None
            self.changed.emit()
        elif at_once:
            self.search()
        elif changed:
            self._typed.start()

    def search(self) -> None:
        """Search for what is wanted now."""
        self._stop()
        wish = self.wish
        if not wish.query.strip():
            return

        async def work(client: Client) -> SearchAnswer:
            from desktop.wire_files import SearchRequest

            return await client.search_files(SearchRequest.model_validate(wish.fields()))

        def came(answer: SearchAnswer) -> None:
            self._call = None
            self.answer, self.failure, self.shown = answer, None, wish
            self.changed.emit()

        def failed(failure: Failure) -> None:
            self._call = None
            self.answer, self.failure, self.shown = None, failure, wish
            self.changed.emit()

        self._call = self._bridge.call(work, came, failed, owner=self)
        self.changed.emit()

    def _stop(self) -> None:
        self._typed.stop()
        if self._call is not None:
            self._call.cancel()
            self._call = None
