"""How one model gets loaded: wait after crashes, make room, start the child, once more after running out of memory."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from engine.admission import Admit, Evict, Refuse, Resident, decide, usable_bytes
from engine.companions import AdapterPath, Beside, Resolve, find_beside
from engine.crashes import gives_up_for_s, recent, wait_s
from engine.devices import GpuDevice, MemoryNow, list_devices, memory_now
from engine.endings import size_text
from engine.entries import Entry
from engine.errors import EngineCrashLoop, OutOfMemory
from engine.fit import LEAST_CONTEXT, Shape, Wishes, plan_for, prompt_batch, shape_of
from engine.fit_verdict import wishes_of
from engine.llama_server import LlamaServer, Patience, ServerSpec
from engine.machine import Machine
from engine.machine_speed import MachineSpeed
from engine.model_options import ModelOptions
from engine.tuning import processors
from engine.types import LoadPlan, Tuning
from models.llamacpp import EngineBuild, binary
from models.split_gguf import read_model

# Their free memory comes on top of the machine's; Metal reports the machine's own.
SEPARATE_MEMORY = ("CUDA", "HIP", "Vulkan")


@dataclass(frozen=True, slots=True)
class SchedulerSettings:
    """`idle_s` without a holder unloads a model, None never. `queue_limit` requests may wait beyond a model's slots.

    `reserve_bytes` of memory are left to the rest of the machine. `first_backoff_s` is the wait after a first crash.
    """

    idle_s: float | None = 900.0
    queue_limit: int = 64
    reserve_bytes: int = 512 * 1024**2
    first_backoff_s: float = 1.0
    wishes: Wishes = field(default_factory=Wishes)
    patience: Patience = field(default_factory=Patience)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What loading needs of the world; `runtime_dir` and `pidfiles` are folders of ours (0700).

    `options` gives what was chosen for a model, `resolve` a model by id, `adapter_path` the file of an adapter.
    """

    build: EngineBuild
    runtime_dir: Path
    pidfiles: Path
    tuning: Callable[[], Tuning]
    free_memory: Callable[[], int]
    environ: Mapping[str, str]
    options: Callable[[str], Awaitable[ModelOptions]]
    resolve: Resolve
    adapter_path: AdapterPath | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be loaded: the model's shape, what was chosen for it, and the files beside it."""

    shape: Shape
    wishes: Wishes
    options: ModelOptions
    beside: Beside


class Loader:
    """Loads for the scheduler. `entries` are all models of the scheduler, `evict` stops some of them if still idle."""

    def __init__(
        self,
        surroundings: Surroundings,
        entries: Mapping[str, Entry],
        evict: Callable[[Iterable[str]], Awaitable[None]],
        changed: Callable[[Entry], None],
    ) -> None:
        self._world = surroundings
        self._entries = entries
        self._evict = evict
        self._changed = changed
        self._admission = asyncio.Lock()
        self._on_gpu = surroundings.build.backend in SEPARATE_MEMORY

    async def load(self, entry: Entry, settings: SchedulerSettings) -> LlamaServer:
        """Load the entry's model; on return `entry.plan` is its plan, after an error None.

        Raises EngineCrashLoop, OutOfMemory, LoadFailed, BadGguf, BinaryMissing.
        """
        await _wait_after_crash(entry, settings)
        try:
            return await self._start(entry, settings)
        except OutOfMemory as error:
            if error.exit_code is None and error.signal_name is None:
                raise  # refused before anything was started: nothing idle is left
        await self._evict([other.model.id for other in self._entries.values() if other is not entry and other.idle])
        return await self._start(entry, _modest(settings))

    async def plan(self, entry: Entry, settings: SchedulerSettings) -> tuple[LoadPlan, bool]:
        """How the model would be loaded now, and whether that fits without unloading anything."""
        wanted = await self.wanted(entry, settings)
        usable = usable_bytes(await self._free_bytes(), settings.reserve_bytes, self._residents(entry))
        plan = plan_for(wanted.shape, wanted.wishes, usable)
        return plan, plan.needed_bytes <= usable

    async def wanted(self, entry: Entry, settings: SchedulerSettings, options: ModelOptions | None = None) -> Wanted:
        """What would be loaded with these options, by default those that are remembered."""
        if options is None:
            options = await self._world.options(entry.model.id)
        shape = shape_of(await asyncio.to_thread(read_model, entry.model.path))
        beside = await find_beside(entry.model, shape, options, self._world.resolve, self._world.adapter_path)
        return Wanted(shape, self._wishes(shape, wishes_of(options, beside.sizes, settings.wishes)), options, beside)

    async def machine(
        self, settings: SchedulerSettings, newcomer: Entry | None = None, speed: MachineSpeed | None = None
    ) -> Machine:
        """The machine as a model sees it that comes now: idle models would go for it, and its own memory is its own."""
        residents = self._residents(newcomer)
        own = newcomer.resident(newcomer.plan, on_gpu=self._on_gpu).held_bytes if newcomer and newcomer.plan else 0
        outstanding = sum(resident.outstanding_bytes for resident in residents if not resident.idle)
        idle = sum(resident.held_bytes for resident in residents if resident.idle)
        return Machine(
            memory=MemoryNow(memory_now().total_bytes, self._world.free_memory()),
            gpus=await self._devices(),
            processors=processors(),
            reserve_bytes=settings.reserve_bytes,
            returnable_bytes=own + idle - outstanding,
            speed=speed,
        )

    async def _start(self, entry: Entry, settings: SchedulerSettings) -> LlamaServer:
        try:
            wanted = await self.wanted(entry, settings)
            entry.options, entry.note = wanted.options, " ".join(wanted.beside.notes)
            plan = await self._admit(entry, settings, wanted)
            entry.state = "loading"
            self._changed(entry)
            return await LlamaServer.start(self._server_spec(entry, plan, settings), self._moved(entry))
        except BaseException as error:
            entry.plan = None  # its memory is spoken for no longer
            entry.last_log = getattr(error, "log_tail", ())
            raise
        finally:
            entry.loading_server = None

    def _moved(self, entry: Entry) -> Callable[[LlamaServer], None]:
        def moved(server: LlamaServer) -> None:
            entry.loading_server = server
            self._changed(entry)

        return moved

    def _server_spec(self, entry: Entry, plan: LoadPlan, settings: SchedulerSettings) -> ServerSpec:
        return ServerSpec(
            model_id=entry.model.id,
            model_path=entry.model.path.absolute(),
            kind=entry.model.kind,
            plan=plan,
            program=binary(self._world.build, "llama-server"),
            runtime_dir=self._world.runtime_dir,
            pidfiles=self._world.pidfiles,
            tuning=self._world.tuning(),
            patience=settings.patience,
            environ=self._world.environ,
            jailed=self._world.build.backend == "CPU" and self._world.build.self_contained,
        )

    async def _admit(self, entry: Entry, settings: SchedulerSettings, wanted: Wanted) -> LoadPlan:
        """Make room as decided and reserve it: from here on `entry.plan` counts in everybody's admission."""
        async with self._admission:
            while True:
                free = await self._free_bytes()
                verdict = decide(wanted.shape, wanted.wishes, free, settings.reserve_bytes, self._residents(entry))
                if isinstance(verdict, Admit):
                    beside = wanted.beside
                    entry.plan = replace(
                        verdict.plan, draft=beside.draft, projector=beside.projector, adapters=beside.adapters
                    )
                    return entry.plan
                if isinstance(verdict, Evict):
                    await self._evict(verdict.model_ids)
                elif leaving := [task for other in self._entries.values() if (task := other.leaving)]:
                    await asyncio.wait(leaving)  # their memory is about to be free
                else:
                    raise _out_of_memory(entry.model.id, verdict)

    def _wishes(self, shape: Shape, wishes: Wishes) -> Wishes:
        if self._world.build.backend != "CPU":
            return wishes
        return replace(wishes, prompt_batch=prompt_batch(shape, processors()))

    def _residents(self, newcomer: Entry | None) -> list[Resident]:
        others = (entry for entry in self._entries.values() if entry is not newcomer)
        return [entry.resident(entry.plan, on_gpu=self._on_gpu) for entry in others if entry.plan is not None]

    async def _free_bytes(self) -> int:
        return self._world.free_memory() + sum(device.free_bytes for device in await self._devices())

    async def _devices(self) -> tuple[GpuDevice, ...]:
        if not self._on_gpu:
            return ()
        return await list_devices(
            binary(self._world.build, "llama-server"), self._world.runtime_dir, self._world.environ
        )


async def _wait_after_crash(entry: Entry, settings: SchedulerSettings) -> None:
    now = time.monotonic()
    if (stop_s := gives_up_for_s(entry.crashes, now)) > 0:
        raise EngineCrashLoop(
            f"{entry.model.id} crashed {len(recent(entry.crashes, now))} times within ten minutes.",
            hint="Look at the model's log, run `jackdaw doctor`, or load it again yourself.",
            retry_after_s=max(1, round(stop_s)),
        )
    await asyncio.sleep(wait_s(entry.crashes, now, settings.first_backoff_s))


def _modest(settings: SchedulerSettings) -> SchedulerSettings:
    """The second attempt after running out of memory: what the user did not choose is made small."""
    wishes = settings.wishes
    modest = replace(wishes, context=wishes.context or LEAST_CONTEXT, slots=wishes.slots or 1, cache_ram_mib=0)
    return replace(settings, wishes=modest)


def _out_of_memory(model_id: str, verdict: Refuse) -> OutOfMemory:
    held = f" {' and '.join(verdict.holders)} hold the rest." if verdict.holders else ""
    return OutOfMemory(
        f"{model_id} needs about {size_text(verdict.needed_bytes)}, {size_text(verdict.free_bytes)} can be had.{held}",
        hint="Close other programs, wait until the other models are idle, or choose a smaller quantization or context.",
        needed_bytes=verdict.needed_bytes,
        free_bytes=verdict.free_bytes,
        holders=verdict.holders,
    )
