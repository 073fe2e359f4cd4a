"""Loading, unloading and removing models on the user's word; what failed is kept until it is tried again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from desktop.qt.bridge import Bridge, Call, Failure
from desktop.qt.store import Store

if TYPE_CHECKING:
    from desktop.wire import Model, RemovedModel


class ModelActions(QObject):
    """`changed(id)` when an action began, ended or failed; `removed(RemovedModel)`."""

    changed = Signal(str)
    removed = Signal(object)

    def __init__(self, bridge: Bridge, store: Store) -> None:
        super().__init__()
        self._bridge = bridge
        self._store = store
        self._calls: dict[str, Call] = {}
        self.failures: dict[str, Failure] = {}

    def is_busy(self, model_id: str) -> bool:
        return model_id in self._calls

    def load(self, model_id: str) -> None:
        """Load unless it is loaded or being loaded."""
        model = self._store.models.get(model_id)
        if model_id in self._calls or (model is not None and model.loaded):
            return
        self.failures.pop(model_id, None)
        self._calls[model_id] = self._bridge.call(
            lambda client: client.load_model(model_id),
            lambda model: self._ended(model_id, model),
            lambda failure: self._failed(model_id, failure),
            owner=self,
        )
        self.changed.emit(model_id)

    def unload(self, model_id: str) -> None:
        """Unload, or give up loading."""
        waiting = self._calls.pop(model_id, None)
        if waiting is not None:
            waiting.cancel()
        self.failures.pop(model_id, None)
        self._bridge.call(
            lambda client: client.unload_model(model_id),
            lambda model: self._ended(model_id, model),
            lambda failure: self._failed(model_id, failure),
            owner=self,
        )
        self.changed.emit(model_id)

    def reload(self, model_id: str) -> None:
        """Unload, then load again: with the options that are remembered now."""

        def unloaded(model: Model) -> None:
            self._ended(model_id, model)
            self.load(model_id)

        self.failures.pop(model_id, None)
        self._bridge.call(
            lambda client: client.unload_model(model_id),
            unloaded,
            lambda failure: self._failed(model_id, failure),
            owner=self,
        )

    def remove(self, model_id: str) -> None:
        """Take a model out of the library."""
        self.failures.pop(model_id, None)

        def done(removed: RemovedModel) -> None:
            self._store.ask_models()
            self.removed.emit(removed)

        self._bridge.call(
            lambda client: client.remove_model(model_id),
            done,
            lambda failure: self._failed(model_id, failure),
            owner=self,
        )

    def _ended(self, model_id: str, model: Model) -> None:
        self._calls.pop(model_id, None)
        self._store.models[model.id] = model
        self._store.models_changed.emit()
        self._store.ask_status()
        self.changed.emit(model_id)

    def _failed(self, model_id: str, failure: Failure) -> None:
        self._calls.pop(model_id, None)
        self.failures[model_id] = failure
        self._store.ask_models()
        self.changed.emit(model_id)
