"""Questions about one repo of the Hub: its files, then how the chosen one fits. Answers about another are dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal

from desktop.qt.bridge import Bridge, Call, Failure

if TYPE_CHECKING:
    from desktop.wire_models import HubFit, HubRepo

SETTLE_MS = 150  # with arrow keys nobody stays on each card: only where one stays is the Hub asked


class RepoAsker(QObject):
    """`repo_came(HubRepo)`, `failed(Failure)`, `fit_came(variant name, HubFit)`."""

    repo_came = Signal(object)
    failed = Signal(object)
    fit_came = Signal(str, object)

    def __init__(self, bridge: Bridge) -> None:
        super().__init__()
        self._bridge = bridge
        self._repo_id = ""
        self._call: Call | None = None
        self._fit_call: Call | None = None
        self._soon = QTimer(self, singleShot=True, interval=SETTLE_MS)
        self._soon.timeout.connect(self.ask_now)

    @property
    def waiting(self) -> bool:
        """Whether the question is about to be asked."""
        return self._soon.isActive()

    def ask(self, repo_id: str) -> None:
        """Ask about another repo once it has been the one for a moment."""
        self.drop()
        self._repo_id = repo_id
        self._soon.start()

    def ask_now(self) -> None:
        """Ask about the same repo, at once."""
        self.drop()
        repo_id = self._repo_id
        self._call = self._bridge.call(
            lambda client: client.hub_repo(repo_id), self.repo_came.emit, self.failed.emit, owner=self
        )

    def ask_fit(self, repo: HubRepo, variant: str, path: str) -> None:
        """Judge a file by its own header; one question at a time, the newest."""
        if self._fit_call is not None:
            self._fit_call.cancel()

        def came(found: HubFit) -> None:
            self._fit_call = None
            self.fit_came.emit(variant, found)

        def failed(_failure: Failure) -> None:
            self._fit_call = None  # the judgement by size stays

        self._fit_call = self._bridge.call(
            lambda client: client.hub_fit(repo.repo, path, repo.commit), came, failed, owner=self
        )

    def drop(self) -> None:
        """Whatever is on its way is of no use any more."""
        self._soon.stop()
        for call in (self._call, self._fit_call):
            if call is not None:
                call.cancel()
        self._call = self._fit_call = None
