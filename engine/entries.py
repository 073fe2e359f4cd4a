"""What the scheduler knows of one model: its state, its child, who holds it and who waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from engine.admission import Resident
from engine.devices import held_bytes, rss_bytes
from engine.errors import EngineError
from engine.fit import SLOTS, Shape
from engine.llama_server import LlamaServer
from engine.model_options import ModelOptions
from engine.types import LoadedModel, LoadPlan, LoadState
from models.errors import ModelsError

if TYPE_CHECKING:
    from models.library import LibraryModel

OnState = Callable[[LoadedModel], None]


class Run:
    """One loaded child and who holds it. A holder of a child that died never counts for the one that follows."""

    def __init__(self, server: LlamaServer) -> None:
        self.server = server
        self.holders = 0
        self.free = asyncio.Event()
        self.free.set()
        self.idle_timer: asyncio.TimerHandle | None = None
        self.mean_hold_s = 1.0
        self.options_wait = False
        self.shape: Shape | None = None

    def disarm(self) -> None:
        if self.idle_timer is not None:
            self.idle_timer.cancel()
            self.idle_timer = None


class Entry:
    """All that is known of one model id. `plan` is set from admission on, as long as its memory is spoken for.

    `loading_server` is the child while it loads, `run` the child afterwards; `crashes` are monotonic times.
    `options` are those it was last loaded with, `note` says what of them had to be left out.
    """

    def __init__(self, model: LibraryModel) -> None:
        self.model = model
        self.state: LoadState = "unloaded"
        self.run: Run | None = None
        self.plan: LoadPlan | None = None
        self.loading: asyncio.Task[None] | None = None
        self.loading_server: LlamaServer | None = None
        self.stopping: asyncio.Task[None] | None = None
        self.waiting = 0
        self.watchers: list[OnState] = []
        self.crashes: tuple[float, ...] = ()
        self.error: EngineError | ModelsError | None = None
        self.last_used: float | None = None
        self.last_log: tuple[str, ...] = ()
        self.options = ModelOptions()
        self.note = ""

    @property
    def server(self) -> LlamaServer | None:
        return self.run.server if self.run is not None else self.loading_server

    @property
    def slots(self) -> int:
        """Slots of the child, or as many as it will probably get."""
        if self.run is not None:
            return self.run.server.slots
        return self.plan.slots if self.plan is not None else SLOTS[0]

    @property
    def requests(self) -> int:
        return self.waiting + (self.run.holders if self.run is not None else 0)

    @property
    def idle(self) -> bool:
        """Loaded, and nobody holds it or waits for it."""
        return self.run is not None and self.stopping is None and self.requests == 0

    @property
    def leaving(self) -> asyncio.Task[None] | None:
        """The task that stops it, when nothing but its end is waited for."""
        return self.stopping if self.run is None or self.run.holders == 0 else None

    def resident(self, plan: LoadPlan, *, on_gpu: bool) -> Resident:
        """How it counts in the admission of others. On a GPU, llama.cpp takes all it needs while loading."""
        held = held_bytes(self.server.pid) if self.server is not None else 0
        if on_gpu and self.run is not None:
            held = plan.needed_bytes
        return Resident(self.model.id, plan.needed_bytes, held, self.idle, self.last_used or 0.0)

    def describe(self, *, measured: bool = False) -> LoadedModel:
        """A snapshot for others. Requests beyond the slots wait inside llama-server and count as queued.

        `measured` fills in `rss_bytes`, which reads a file: too much for every change of every request.
        """
        run = self.run
        slots, holders = (run.server.slots, run.holders) if run is not None else (0, 0)
        return LoadedModel(
            model_id=self.model.id,
            state=self.state,
            fraction=self.loading_server.fraction if self.loading_server is not None else None,
            pid=self.server.pid if self.server is not None else None,
            allocated_context=run.server.allocated_context if run is not None else None,
            slots=slots if run is not None else None,
            busy_slots=min(holders, slots),
            queued=self.waiting + max(0, holders - slots),
            rss_bytes=rss_bytes(self.server.pid) if measured and self.server is not None else 0,
            needed_bytes=self.plan.needed_bytes if self.plan is not None else None,
            error=self.error.message if self.error is not None else "",
            hint=self.error.hint if self.error is not None else "",
            last_used_monotonic=self.last_used,
            options_wait=run is not None and run.options_wait,
            note=self.note if run is not None else "",
        )
