"""Whether a model fits this machine now, as the wire tells it: for headers and for bare sizes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from desktop.service.engine_state import EngineState
from desktop.wire_models import DeviceNeed, Verdict
from desktop.wire_models import Fit as FitRow
from engine import fit_memory
from engine.devices import memory_now, processors
from engine.fit import Wishes
from engine.fit_shape import shape_of
from engine.fit_speed import SpeedsSeen, SpeedStore
from engine.fit_verdict import TIGHT_SHARE, Companions, Fit, fit, wishes_of
from engine.machine import Machine
from engine.model_options import ModelOptions
from models.gguf import GgufHeader

RESERVE_BYTES = 512 << 20
# A model takes more than its file: the cache of a short context and buffers. What its header says is exact; this is for
# lists of files whose headers nobody has read.
MORE_THAN_FILE = 1.1


@dataclass(frozen=True, slots=True)
class Sizes:
    """What a file's size alone says."""

    free_bytes: int

    def verdict(self, file_bytes: int) -> Verdict:
        """Whether a model of this size will fit as things are."""
        needed = file_bytes * MORE_THAN_FILE
        if needed > self.free_bytes:
            return "too_large"
        return "tight" if needed > TIGHT_SHARE * self.free_bytes else "fits"


class Fitting:
    """Judges for the machine as it is at the moment of the question."""

    def __init__(self, engine: EngineState, speeds: SpeedStore, wishes: Callable[[], Wishes]) -> None:
        self._engine = engine
        self._speeds = speeds
        self._wishes = wishes

    async def sizes(self) -> Sizes:
        return Sizes((await self.machine()).free_bytes)

    async def of_header(self, header: GgufHeader, options: ModelOptions) -> FitRow:
        """A model that is not here, by its header alone."""
        machine = await self.machine()
        seen = await self._speeds.seen(machine.speed.machine) if machine.speed is not None else SpeedsSeen()
        wishes = wishes_of(options, Companions(), self._wishes())
        return fit_row(await asyncio.to_thread(fit, shape_of(header), wishes, machine, seen))

    async def machine(self) -> Machine:
        """What is free and how fast it is, as far as that was measured."""
        return await asyncio.to_thread(self._machine)

    def _machine(self) -> Machine:
        speed = self._engine.speed
        return Machine(memory_now(), processors=processors()[0], reserve_bytes=RESERVE_BYTES, speed=speed)


def fit_row(judged: Fit) -> FitRow:
    """As the wire has it."""
    fields = {name: getattr(judged, name) for name in FitRow.model_fields if name != "devices"}
    return FitRow(**fields, devices=[_device_row(need) for need in judged.devices])


def _device_row(need: fit_memory.DeviceNeed) -> DeviceNeed:
    return DeviceNeed(**{name: getattr(need, name) for name in DeviceNeed.model_fields})
