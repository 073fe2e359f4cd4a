"""Which models are loaded: on first use, by memory, kept while somebody holds them, unloaded when idle.

One LlamaServer per model. Everything here runs on one asyncio loop, so state changes between two awaits are atomic; the
decisions themselves are pure (engine/admission.py, engine/crashes.py).

A load belongs to all who wait for it: when one of them is cancelled the others are unaffected, and when nobody waits
any more it still goes on. It was asked for a moment ago, most of the work may be done, and an impatient client usually
asks again; the idle timer unloads it if not.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.adapters import with_scales
from engine.companions import AdapterPath
from engine.crashes import recent
from engine.devices import memory_now
from engine.entries import Entry, OnState, Run
from engine.errors import EngineBusy, EngineError, EngineStopped, LoadFailed, OutOfMemory
from engine.fit_memory import UBATCH, Load
from engine.fit_shape import Shape, shape_of
from engine.fit_speed import SpeedsSeen
from engine.fit_verdict import Fit, fit
from engine.llama_server import LlamaServer
from engine.loader import Loader, SchedulerSettings, Surroundings
from engine.machine import Machine
from engine.machine_speed import MachineSpeed
from engine.model_options import ModelOptions, needs_reload
from engine.types import LoadedModel, LoadPlan, LoadState, Tuning
from models.child import Ending
from models.errors import ModelsError
from models.llamacpp import EngineBuild
from models.split_gguf import read_model

if TYPE_CHECKING:
    from models.library import LibraryModel

__all__ = ["OnState", "Scheduler", "SchedulerSettings"]

log = logging.getLogger(__name__)


class Scheduler:
    """Loads, keeps, evicts and unloads models. `close()` must be awaited at the end; it stops every child.

    `free_memory` gives the bytes of main memory that are free now (those of GPUs are asked of llama-server),
    `on_change` is called on the loop at every change of a model, `mark_suspect` when a child crashed while loading.
    `options` gives what was chosen for a model, `adapter_path` where an adapter lies (it may raise ModelsError).
    """

    def __init__(
        self,
        *,
        build: EngineBuild,
        runtime_dir: Path,
        pidfiles: Path,
        resolve: Callable[[str], Awaitable[LibraryModel]],
        settings: SchedulerSettings | None = None,
        tuning: Callable[[], Tuning] = Tuning,
        on_change: OnState = lambda _model: None,
        free_memory: Callable[[], int] = lambda: memory_now().available_bytes,
        mark_suspect: Callable[[str, str], Awaitable[None]] | None = None,
        environ: Mapping[str, str] | None = None,
        options: Callable[[str], Awaitable[ModelOptions]] | None = None,
        adapter_path: AdapterPath | None = None,
    ) -> None:
        self.settings = settings or SchedulerSettings()
        self._resolve = resolve
        self._on_change = on_change
        self._mark_suspect = mark_suspect
        self._entries: dict[str, Entry] = {}
        environment = dict(os.environ) if environ is None else environ
        self._options = options or _nothing_chosen
        surroundings = Surroundings(
            build, runtime_dir, pidfiles, tuning, free_memory, environment, self._options, resolve, adapter_path
        )
        self._loader = Loader(surroundings, self._entries, self._evict, self._changed)
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    # What callers use

    @contextlib.asynccontextmanager
    async def hold(self, model_id: str, on_state: OnState | None = None) -> AsyncIterator[LlamaServer]:
        """Have the model loaded for the time of the block; loads it first when needed.

        `on_state` is told of every change while this caller waits. Raises ModelNotFound, EngineBusy, OutOfMemory,
        LoadFailed, EngineCrashLoop, EngineStopped (unloaded meanwhile, or the scheduler closes). When the child dies
        inside the block, requests to it fail; `server.why()` explains, and the next hold starts a new child.
        """
        entry = await self._entry(model_id)
        self._check_queue(entry)
        run = await self._acquire(entry, on_state)
        began = time.monotonic()
        try:
            yield run.server
        finally:
            self._release(entry, run, time.monotonic() - began)

    async def load(self, model_id: str) -> LoadedModel:
        """Load a model because a person asked: earlier crashes are forgotten. Returns its state once it is ready."""
        (await self._entry(model_id)).crashes = ()
        async with self.hold(model_id):
            pass
        return self.state(model_id)

    async def unload(self, model_id: str) -> None:
        """Unload a model once nobody holds it; a load in progress is broken off. Unknown or unloaded ids are fine."""
        entry = self._entries.get(model_id)
        if entry is None:
            return
        if entry.loading is not None:
            entry.loading.cancel()
            await asyncio.wait([entry.loading])
        if entry.run is not None:
            await asyncio.wait([self._stop(entry, entry.run)])
        elif entry.state == "failed":
            self._set(entry, "unloaded")

    async def plan(self, model_id: str) -> tuple[LoadPlan, bool]:
        """How a model would be loaded now, and whether that fits without unloading anything."""
        return await self._loader.plan(await self._entry(model_id), self.settings)

    async def options_changed(self, model_id: str) -> None:
        """Tell that other options are remembered for a model now; unloaded ones take them when they are loaded.

        Scales of adapters hold from the next request on. Everything else waits until nobody uses the model: its next
        user has it loaded anew. Until then its state says so.
        """
        entry = self._entries.get(model_id)
        if entry is None or (run := entry.run) is None:
            return
        options = await self._options(model_id)
        run.options_wait = needs_reload(entry.options, options)
        if not run.options_wait:
            run.server.adapters = with_scales(run.server.adapters, options.adapters or ())
        self._changed(entry)

    async def fit(
        self,
        model_id: str,
        options: ModelOptions | None = None,
        *,
        speed: MachineSpeed | None = None,
        seen: SpeedsSeen | None = None,
    ) -> Fit:
        """Whether a model of the library would fit with these options (those remembered by default), and how."""
        entry = await self._entry(model_id)
        wanted = await self._loader.wanted(entry, self.settings, options)
        machine = await self._loader.machine(self.settings, entry, speed)
        return fit(wanted.shape, wanted.wishes, machine, seen, model_id)

    async def machine(self, speed: MachineSpeed | None = None) -> Machine:
        """What a model that is not here yet may use: for headers of the Hub and rows of the catalogue."""
        return await self._loader.machine(self.settings, None, speed)

    async def loaded_shape(self, model_id: str) -> tuple[Shape, Load] | None:
        """Sizes of a model that is loaded and how it is loaded; None when it is not."""
        entry = self._entries.get(model_id)
        if entry is None or (run := entry.run) is None:
            return None
        if run.shape is None:
            run.shape = shape_of(await asyncio.to_thread(read_model, entry.model.path))
        plan = run.server.spec.plan
        types = plan.cache_type_k or "f16", plan.cache_type_v or "f16"
        return run.shape, Load(plan.context, plan.slots, *types, batch=plan.batch or UBATCH)

    def state(self, model_id: str) -> LoadedModel:
        """One model as it is now; an id that was never used is simply unloaded."""
        entry = self._entries.get(model_id)
        return entry.describe(measured=True) if entry is not None else LoadedModel(model_id)

    def snapshot(self, *, measured: bool = True) -> tuple[LoadedModel, ...]:
        """All models that have been asked for since the start, by id; without `measured` their memory is not looked at,
        for those who only want to know who is at work and ask often."""
        return tuple(self._entries[model_id].describe(measured=measured) for model_id in sorted(self._entries))

    def log_lines(self, model_id: str) -> tuple[str, ...]:
        """The last lines of the model's child: of the running one, else of the last that ran."""
        entry = self._entries.get(model_id)
        if entry is None:
            return ()
        return entry.server.log_tail() if entry.server is not None else entry.last_log

    async def close(self) -> None:
        """Stop every child, whoever holds it, and wait until all are gone. Later holds raise EngineStopped."""
        self._closed = True
        servers = [entry.run.server for entry in self._entries.values() if entry.run is not None]
        for entry in self._entries.values():
            if entry.loading is not None:
                entry.loading.cancel()
            if entry.run is not None:
                entry.run.disarm()
        await asyncio.gather(*(server.stop() for server in servers))
        while self._tasks:
            await asyncio.wait(tuple(self._tasks))

    # Holding

    async def _entry(self, model_id: str) -> Entry:
        entry = self._entries.get(model_id)
        if entry is not None and entry.run is not None:
            return entry  # no look into the library for each request to a model that runs
        model = await self._resolve(model_id)
        entry = self._entries.setdefault(model.id, Entry(model))
        entry.model = model
        return entry

    def _check_queue(self, entry: Entry) -> None:
        if entry.requests < entry.slots + self.settings.queue_limit:
            return
        mean_s = entry.run.mean_hold_s if entry.run is not None else 1.0
        raise EngineBusy(
            f"{entry.model.id} has {entry.requests} requests already, and answers {entry.slots} at a time.",
            hint="Try again in a moment, or raise the number of slots.",
            # By then a quarter of the queue should be done.
            retry_after_s=max(1, min(60, round(mean_s * self.settings.queue_limit / entry.slots / 4))),
        )

    async def _acquire(self, entry: Entry, on_state: OnState | None) -> Run:
        """Wait until the model is ready and count as a holder; no await lies between the two."""
        entry.waiting += 1
        if on_state is not None:
            entry.watchers.append(on_state)
        try:
            while True:
                if self._closed:
                    raise EngineStopped("The service is stopping.", hint="Start it again.")
                if entry.stopping is not None:
                    await asyncio.wait([entry.stopping])
                elif entry.run is None:
                    await self._await_load(entry)
                elif entry.run.options_wait and entry.run.holders == 0:
                    await asyncio.wait([self._stop(entry, entry.run)])
                elif entry.run.server.ended.done():
                    await asyncio.sleep(0)  # _ended is about to be called
                else:
                    return self._take(entry, entry.run)
        finally:
            entry.waiting -= 1
            if on_state is not None:
                entry.watchers.remove(on_state)

    async def _await_load(self, entry: Entry) -> None:
        task = entry.loading or self._begin_load(entry)
        await asyncio.wait([task])  # unlike awaiting the task itself, being cancelled here leaves it alone
        if task.cancelled():
            raise EngineStopped(f"{entry.model.id} was unloaded while it was loading.", hint="Load it again.")
        task.result()

    def _take(self, entry: Entry, run: Run) -> Run:
        run.holders += 1
        run.free.clear()
        run.disarm()
        entry.last_used = time.monotonic()
        self._changed(entry)
        return run

    def _release(self, entry: Entry, run: Run, held_s: float) -> None:
        run.holders -= 1
        run.mean_hold_s += 0.2 * (held_s - run.mean_hold_s)
        entry.last_used = time.monotonic()
        if run.holders == 0:
            run.free.set()
            self._arm_idle_timer(entry, run)
        self._changed(entry)

    def _arm_idle_timer(self, entry: Entry, run: Run) -> None:
        if entry.run is run and self.settings.idle_s is not None and not self._closed:
            loop = asyncio.get_running_loop()
            run.idle_timer = loop.call_later(self.settings.idle_s, self._idle_out, entry, run)

    def _idle_out(self, entry: Entry, run: Run) -> None:
        if entry.run is run and run.holders == 0 and entry.waiting == 0 and not self._closed:
            self._stop(entry, run)

    # Loading

    def _begin_load(self, entry: Entry) -> asyncio.Task[None]:
        entry.error = None
        self._set(entry, "queued")
        entry.loading = self._task(self._load(entry), f"load {entry.model.id}")
        return entry.loading

    async def _load(self, entry: Entry) -> None:
        try:
            server = await self._loader.load(entry, self.settings)
        except asyncio.CancelledError:
            self._set(entry, "unloaded")
            raise
        except (EngineError, ModelsError) as error:
            await self._load_failed(entry, error)
            raise
        finally:
            entry.loading = None
        self._loaded(entry, server)
        await self.options_changed(entry.model.id)  # meanwhile, perhaps
        if entry.model.suspect and self._mark_suspect is not None:
            with suppress(ModelsError):  # it may have left the library meanwhile
                await self._mark_suspect(entry.model.id, "")

    def _loaded(self, entry: Entry, server: LlamaServer) -> None:
        run = entry.run = Run(server)
        entry.last_used = time.monotonic()
        server.ended.add_done_callback(partial(self._ended, entry, run))
        self._set(entry, "ready")
        self._arm_idle_timer(entry, run)

    async def _load_failed(self, entry: Entry, error: EngineError | ModelsError) -> None:
        if isinstance(error, LoadFailed | EngineStopped) and not isinstance(error, OutOfMemory):
            self._count_crash(entry)
            if error.signal_name is not None and self._mark_suspect is not None:
                await self._mark_suspect(entry.model.id, f"The engine crashed while loading it ({error.signal_name}).")
        entry.error = error
        self._set(entry, "failed")

    # Stopping

    async def _evict(self, model_ids: Iterable[str]) -> None:
        entries = [self._entries[model_id] for model_id in model_ids]
        stops = [self._stop(entry, entry.run) for entry in entries if entry.run is not None and entry.idle]
        if stops:
            log.info("unloading %d models to make room", len(stops))
            await asyncio.wait(stops)

    def _stop(self, entry: Entry, run: Run) -> asyncio.Task[None]:
        if entry.stopping is None:
            entry.stopping = self._task(self._stop_when_free(entry, run), f"stop {entry.model.id}")
            self._set(entry, "stopping")
        return entry.stopping

    async def _stop_when_free(self, entry: Entry, run: Run) -> None:
        free = asyncio.ensure_future(run.free.wait())
        dead = asyncio.ensure_future(asyncio.wait([run.server.ended]))
        await asyncio.wait([free, dead], return_when=asyncio.FIRST_COMPLETED)
        free.cancel()
        dead.cancel()
        await run.server.stop()
        run.disarm()
        entry.last_log = run.server.log_tail()
        entry.run = entry.plan = entry.stopping = None
        self._set(entry, "unloaded")

    def _ended(self, entry: Entry, run: Run, ended: asyncio.Future[Ending]) -> None:
        """A child ended; when nobody asked it to, that is a crash."""
        if entry.run is not run or entry.stopping is not None:
            return
        run.disarm()
        entry.last_log = run.server.log_tail()
        entry.run = entry.plan = None
        if self._closed:
            self._set(entry, "unloaded")
            return
        entry.error = run.server.explain()
        log.warning("%s", entry.error)
        self._count_crash(entry)
        self._set(entry, "failed")

    def _count_crash(self, entry: Entry) -> None:
        now = time.monotonic()
        entry.crashes = (*recent(entry.crashes, now), now)

    # Telling

    def _set(self, entry: Entry, state: LoadState) -> None:
        entry.state = state
        if state in ("unloaded", "ready"):
            entry.error = None
        self._changed(entry)

    def _changed(self, entry: Entry) -> None:
        model = entry.describe()
        for tell in (self._on_change, *entry.watchers):
            tell(model)

    def _task(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._task_done)
        return task

    def _task_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        # Waiters take the error from the task; when none is left it is in the entry and in the snapshot.
        if not task.cancelled() and (error := task.exception()) and not isinstance(error, EngineError | ModelsError):
            log.error("%s failed", task.get_name(), exc_info=error)


async def _nothing_chosen(_model_id: str) -> ModelOptions:
    return ModelOptions()
