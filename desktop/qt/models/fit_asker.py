"""What a model would cost with the options in view: one question at a time, and always the newest next.

A slider moves faster than questions are answered. Waiting for it to rest would show nothing while it moves; asking for
each step would queue up old questions. So: 30 ms are gathered, one question is under way, and of those that came
meanwhile only the last is asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal

from desktop.qt.bridge import Bridge, Call, Failure

if TYPE_CHECKING:
    from desktop.wire_models import Fit, ModelOptions

GATHER_MS = 30


class FitAsker(QObject):
    """`answered(Fit)` for the model and options asked last; `failed(Failure)`."""

    answered = Signal(object)
    failed = Signal(object)

    def __init__(self, bridge: Bridge) -> None:
        super().__init__()
        self._bridge = bridge
        self._wanted: tuple[str, ModelOptions] | None = None
        self._call: Call | None = None
        self._model_id = ""
        self.asked = 0  # questions that were really sent
        self._soon = QTimer(self, singleShot=True, interval=GATHER_MS)
        self._soon.timeout.connect(self._ask)

    def ask(self, model_id: str, options: ModelOptions) -> None:
        if model_id != self._model_id:
            self.drop()
        self._model_id = model_id
        self._wanted = (model_id, options)
        if self._call is None and not self._soon.isActive():
            self._soon.start()

    def drop(self) -> None:
        """Another model: answers to old questions are of no use."""
        self._soon.stop()
        self._wanted = None
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _ask(self) -> None:
        if self._wanted is None:
            return
        model_id, options = self._wanted
        self._wanted = None
        self.asked += 1
        self._call = self._bridge.call(
            lambda client: client.model_fit(model_id, options), self._came, self._went_wrong, owner=self
        )

    def _came(self, fit: Fit) -> None:
        self._call = None
        self.answered.emit(fit)
        self._ask()

    def _went_wrong(self, failure: Failure) -> None:
        self._call = None
        self.failed.emit(failure)
        self._ask()
