"""The library and the scheduler seen together: one row per model, and the events that tell of changes.

Rows of the library are remembered, because the scheduler tells of changes many times a second and must not wait for the
database. Estimates of memory are remembered for some seconds, because each reads the model's header.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from desktop.service.events import EventLog
from desktop.wire import LoadState, Model
from engine.errors import EngineError
from engine.fit_speed import Source as SpeedSource
from engine.scheduler import Scheduler
from engine.types import LoadedModel
from models.errors import ModelsError
from models.library import Library, LibraryModel

ESTIMATE_S = 20.0


@dataclass(frozen=True, slots=True)
class Estimate:
    """What is expected of a model here, or was measured. `kl_divergence` is against the model it was made of."""

    needed_bytes: int
    fits: bool
    tokens_per_s: float | None = None
    speed_source: SpeedSource = ""
    kl_divergence: float | None = None


Judge = Callable[[str], Awaitable[Estimate]]


class Catalogue:
    """Answers what models there are. `scheduler`, which tells its changes to this object, and `judge` come later."""

    def __init__(self, library: Library, events: EventLog) -> None:
        self.scheduler: Scheduler | None = None
        self.judge: Judge | None = None
        self._library = library
        self._events = events
        self._models: dict[str, LibraryModel] = {}
        self._told: dict[str, tuple[LoadState, str]] = {}
        self._estimates: dict[str, tuple[float, Estimate]] = {}

    async def rows(self, *, estimate: bool = True) -> list[Model]:
        """All models; without `estimate` only what is known already, for the status of each second."""
        models = await self._library.list()
        self._models = {model.id: model for model in models}
        if estimate:
            await asyncio.gather(*(self._estimate(model.id) for model in models))
        return [self._row(model) for model in models]

    async def row(self, model_id: str) -> Model:
        """One model. Raises ModelNotFound."""
        model = self._models[model_id] = await self._library.get(model_id)
        await self._estimate(model_id)
        return self._row(model)

    async def added(self, model: LibraryModel) -> Model:
        """A model came into the library: tell everybody, return its row."""
        row = await self.row(model.id)
        self._events.publish("library", {"action": "added", "id": model.id, "model": row.model_dump()})
        return row

    def removed(self, model_id: str) -> None:
        """A model left the library: tell everybody."""
        for known in (self._models, self._told, self._estimates):
            known.pop(model_id, None)
        self._events.publish("library", {"action": "removed", "id": model_id})

    async def refresh(self, model_id: str) -> Model:
        """What is chosen or known of a model changed: estimate it anew and tell everybody."""
        self._estimates.pop(model_id, None)
        row = await self.row(model_id)
        self._events.publish("model", row.model_dump())
        return row

    def changed(self, loaded: LoadedModel) -> None:
        """The scheduler's `on_change`: a new state or error lasts, a fraction or a count of requests passes."""
        now = (loaded.state, loaded.error)
        lasting = self._told.get(loaded.model_id) != now
        model = self._models.get(loaded.model_id)
        if model is None or not (lasting or self._events.listeners):
            return
        self._told[loaded.model_id] = now
        row = self._row(model, loaded).model_dump()
        self._events.publish("model", row, passing_key=None if lasting else f"model {loaded.model_id}")

    def remember(self, model: LibraryModel) -> None:
        """Note a model that was looked up, so that its changes can be told."""
        self._models[model.id] = model

    async def _estimate(self, model_id: str) -> None:
        known = self._estimates.get(model_id)
        if self.judge is None or (known is not None and time.monotonic() - known[0] < ESTIMATE_S):
            return
        try:
            found = await self.judge(model_id)
        except (ModelsError, EngineError, OSError):
            return  # the file is gone or broken: loading it says so, a list must still be a list
        self._estimates[model_id] = (time.monotonic(), found)

    def _row(self, model: LibraryModel, loaded: LoadedModel | None = None) -> Model:
        if loaded is None:
            loaded = self.scheduler.state(model.id) if self.scheduler is not None else LoadedModel(model.id)
        estimate = self._estimates.get(model.id)
        return model_row(model, loaded, estimate[1] if estimate is not None else None)


def model_row(model: LibraryModel, loaded: LoadedModel, estimate: Estimate | None) -> Model:
    """One row of the wire, with the estimate when it is known; a loaded model knows its own need."""
    fields: dict[str, Any] = {
        name: getattr(model, name)
        for name in ("id", "format", "arch", "name", "params", "quant", "bytes", "context_length", "kind")
    }
    ready = loaded.state == "ready"
    return Model(
        **fields,
        path=str(model.path),
        has_chat_template=model.has_chat_template,
        supports_infill=model.supports_infill,
        source=model.source,
        repo=model.repo,
        source_model=model.source_model,
        has_projector=model.projector is not None,
        licence=model.licence,
        added_at=model.added_at,
        allocated_context=loaded.allocated_context,
        loaded=ready,
        state=loaded.state,
        load_fraction=loaded.fraction,
        needed_bytes=loaded.needed_bytes or (estimate.needed_bytes if estimate else None),
        fits=True if ready else (estimate.fits if estimate else None),
        tokens_per_s=estimate.tokens_per_s if estimate else None,
        speed_source=estimate.speed_source if estimate else "",
        kl_divergence=estimate.kl_divergence if estimate else None,
        error=loaded.error or ("" if ready else model.suspect),
        hint=loaded.hint,
        slots=loaded.slots,
        busy_slots=loaded.busy_slots,
        queued=loaded.queued,
    )
