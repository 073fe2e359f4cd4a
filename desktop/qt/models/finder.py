"""Searching the Hub: asks when typing pauses, drops answers to earlier words, and fetches further pages on demand."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal

from desktop.qt.bridge import Bridge, Call, Failure

if TYPE_CHECKING:
    from desktop.wire_models import HubModel, HubSearch

SETTLE_MS = 300
PAGE = 50
_FILTER = re.compile(r"\b(author|licence|license|arch|architecture):(\S*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked of the Hub. `task` is one of the wire's; `sort`: downloads, likes, recent."""

    words: str = ""
    author: str = ""
    licence: str = ""
    architecture: str = ""
    task: str = ""
    sort: str = "downloads"


def parse_query(text: str, task: str = "", sort: str = "downloads") -> Query:
    """Words with filters between them, as in "coder author:Qwen licence:apache-2.0 arch:qwen2"."""
    filters: dict[str, str] = {}
    for name, value in _FILTER.findall(text):
        key = {"license": "licence", "arch": "architecture"}.get(name.lower(), name.lower())
        filters[key] = value
    words = " ".join(_FILTER.sub(" ", text).split())
    return Query(
        words,
        filters.get("author", ""),
        filters.get("licence", ""),
        filters.get("architecture", ""),
        "chat" if task == "reasoning" else task,
        sort,
    )


class Finder(QObject):
    """`changed` when results, `busy` or `failure` are others than before."""

    changed = Signal()

    def __init__(self, bridge: Bridge) -> None:
        super().__init__()
        self._bridge = bridge
        self.query = Query()
        self.models: list[HubModel] = []
        self.busy = False
        self.failure: Failure | None = None
        self._next = ""
        self._call: Call | None = None
        self._soon = QTimer(self, singleShot=True, interval=SETTLE_MS)
        self._soon.timeout.connect(self.search_now)

    @property
    def has_more(self) -> bool:
        return bool(self._next)

    def search(self, query: Query) -> None:
        """Search for this as soon as it has stood for a moment. What is under way for other words is dropped."""
        if query == self.query and (self.models or self.busy):
            return
        self.drop()
        self.query = query
        self.busy = True
        self._soon.start()
        self.changed.emit()

    def search_now(self) -> None:
        """Search at once, also again after a failure."""
        self.drop()
        self.busy = True
        self._ask("", self._first_came)
        self.changed.emit()

    def more(self) -> None:
        """Fetch the next page, unless there is none or one is coming."""
        if self._next and not self.busy:
            self.busy = True
            self._ask(self._next, self._next_came)

    def drop(self) -> None:
        """Forget results and whatever is on its way."""
        self._soon.stop()
        if self._call is not None:
            self._call.cancel()
            self._call = None
        self.models, self._next, self.failure, self.busy = [], "", None, False

    def _ask(self, cursor: str, came: object) -> None:
        query = self.query
        self._call = self._bridge.call(
            lambda client: client.hub_search(
                query.words,
                author=query.author,
                task=query.task,
                licence=query.licence,
                architecture=query.architecture,
                sort=query.sort,
                limit=PAGE,
                next=cursor,
            ),
            came,  # type: ignore[arg-type]
            self._failed,
            owner=self,
        )

    def _first_came(self, found: HubSearch) -> None:
        self.models = []
        self._next_came(found)

    def _next_came(self, found: HubSearch) -> None:
        known = {model.repo for model in self.models}
        self.models += [model for model in found.models if model.repo not in known]
        self._next, self.busy, self.failure = found.next, False, None
        self.changed.emit()

    def _failed(self, failure: Failure) -> None:
        self.busy, self.failure, self._next = False, failure, ""
        self.changed.emit()
