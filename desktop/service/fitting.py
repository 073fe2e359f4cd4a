"""Whether a model fits this machine now, as the wire tells it: models of the library, headers, and bare sizes."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from desktop.service.catalogue import Estimate
from desktop.service.engine_state import EngineState
from desktop.wire_models import DeviceNeed, Verdict
from desktop.wire_models import Fit as FitRow
from engine import fit_memory
from engine.errors import EngineError
from engine.fit_shape import Shape, in_other_quantization, shape_of
from engine.fit_speed import SpeedsSeen, SpeedStore
from engine.fit_verdict import TIGHT_SHARE, Companions, Fit, fit, wishes_of
from engine.machine import Machine
from engine.model_options import ModelOptions
from engine.scheduler import Scheduler
from models.errors import ModelsError
from models.gguf import GgufHeader
from models.measure.store import Measurements

log = logging.getLogger(__name__)

# A model takes more than its file: the cache of a short context and buffers. What its header says is exact; this is for
# lists of files whose headers nobody has read.
MORE_THAN_FILE = 1.1
LEAST_WRITTEN = 24  # tokens of an answer from which its speed tells something
LEAST_READ = 256  # tokens of a prompt that were not in the cache


@dataclass(frozen=True, slots=True)
class Sizes:
    """What a file's size alone says."""

    free_bytes: int
    total_bytes: int = 0

    def verdict(self, file_bytes: int) -> Verdict:
        """Whether a model of this size will fit as things are."""
        needed = file_bytes * MORE_THAN_FILE
        if needed > self.free_bytes:
            return "too_large"
        return "tight" if needed > TIGHT_SHARE * self.free_bytes else "fits"


class Fitting:
    """Judges for the machine as it is at the moment of the question."""

    def __init__(
        self, scheduler: Scheduler, engine: EngineState, speeds: SpeedStore, measurements: Measurements
    ) -> None:
        self._scheduler = scheduler
        self._engine = engine
        self._speeds = speeds
        self._measurements = measurements

    async def sizes(self) -> Sizes:
        """For lists of files: memory alone, at once."""
        machine = await self._scheduler.machine()
        return Sizes(machine.free_bytes, machine.total_bytes)

    async def machine(self) -> Machine:
        """What a model that comes now may use, with this machine's speed: measured now when it was not yet."""
        return await self._scheduler.machine(await self._engine.need_speed())

    async def of_model(self, model_id: str, options: ModelOptions | None = None) -> FitRow:
        """A model of the library; `options` None takes the remembered ones. Raises ModelNotFound, BadOption."""
        await self._engine.need_speed()
        return await self._as_known(model_id, options)

    async def _as_known(self, model_id: str, options: ModelOptions | None = None) -> FitRow:
        speed = self._engine.speed
        return fit_row(await self._scheduler.fit(model_id, options, speed=speed, seen=await self._seen()))

    async def estimate(self, model_id: str) -> Estimate:
        """What a list shows of a model: what was measured of it here comes before what is expected.

        No list waits for the machine to be measured.
        """
        judged, measured = await self._as_known(model_id), await self._measurements.get(model_id)
        expected = Estimate(
            judged.needed_bytes, judged.verdict != "too_large", judged.tokens_per_s, judged.speed_source
        )
        if measured is None:
            return expected
        loss, speed = measured.divergence, measured.speed
        own = loss is not None and measured.source_id != model_id
        expected = replace(expected, kl_divergence=loss.kl_divergence if loss is not None and own else None)
        return replace(expected, tokens_per_s=speed.tokens_per_s, speed_source="measured") if speed else expected

    async def of_header(self, header: GgufHeader, options: ModelOptions) -> FitRow:
        """A model that is not here, by its header alone."""
        machine, seen = await self.machine(), await self._seen()
        wishes = wishes_of(options, Companions(), self._scheduler.settings.wishes)
        return fit_row(await asyncio.to_thread(fit, shape_of(header), wishes, machine, seen))

    async def of_variants(self, header: GgufHeader, others: Sequence[tuple[str, int]]) -> list[FitRow]:
        """Other quantizations of a model that is not here, each by its name and bytes, from one header of theirs."""
        machine, seen, shape = await self.machine(), await self._seen(), shape_of(header)
        wishes = wishes_of(ModelOptions(), Companions(), self._scheduler.settings.wishes)

        def judge() -> list[FitRow]:
            shapes = [in_other_quantization(shape, quant, size) for quant, size in others]
            return [fit_row(fit(one, wishes, machine, seen)) for one in shapes]

        return await asyncio.to_thread(judge)

    async def learn(self, model_id: str, shape: Shape, tokens_per_s: float, prompt_tokens_per_s: float) -> None:
        """Correct later predictions by what a model really did at the start of a context."""
        if self._engine.speed is not None and shape.kind == "chat":
            await self._speeds.learn(
                self._engine.speed,
                model_id,
                shape,
                fit_memory.Load(context=512, slots=1),
                tokens_per_s=tokens_per_s,
                prompt_tokens_per_s=prompt_tokens_per_s,
            )

    async def learn_from_answer(self, model_id: str, usage: Mapping[str, Any]) -> None:
        """Correct later predictions by an answer of a chat, unless it was short or others were answered beside it.

        Never fails: an answer is complete without it.
        """
        written, speed = int(usage.get("completion_tokens", 0)), self._engine.speed
        loaded = self._scheduler.state(model_id)
        if speed is None or written < LEAST_WRITTEN or loaded.busy_slots or loaded.queued:
            return
        read = int(usage.get("prompt_tokens", 0)) - int(usage.get("cached_tokens", 0))
        try:
            known = await self._scheduler.loaded_shape(model_id)
            if known is not None:
                await self._speeds.learn(
                    speed,
                    model_id,
                    *known,
                    tokens_per_s=usage.get("tokens_per_s"),
                    prompt_tokens_per_s=usage.get("prompt_tokens_per_s") if read >= LEAST_READ else None,
                    depth=int(usage.get("prompt_tokens", 0)) + written // 2,
                )
        except (ModelsError, EngineError, sqlite3.Error, OSError) as error:
            log.info("The speed of %s was not noted: %s", model_id, error)

    async def _seen(self) -> SpeedsSeen:
        speed = self._engine.speed
        return await self._speeds.seen(speed.machine) if speed is not None else SpeedsSeen()


def fit_row(judged: Fit) -> FitRow:
    """As the wire has it."""
    fields = {name: getattr(judged, name) for name in FitRow.model_fields if name != "devices"}
    return FitRow(**fields, devices=[_device_row(need) for need in judged.devices])


def _device_row(need: fit_memory.DeviceNeed) -> DeviceNeed:
    return DeviceNeed(**{name: getattr(need, name) for name in DeviceNeed.model_fields})
