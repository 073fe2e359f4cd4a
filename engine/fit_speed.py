"""How fast a model will write and read prompts here: from what a token moves and computes, and what was seen before.

Generation reads every weight that a token uses and the cache so far; prompts are matrix products. Both are predicted
from the machine's measured figures, and corrected by the ratio of real to predicted speed that was seen before with the
same quantization and kind of model, or with the very model.
"""

from __future__ import annotations

import math
import sqlite3
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from engine.fit_memory import TYPE_BYTES, UBATCH, Load
from engine.fit_shape import Shape, windowed_layers
from engine.machine_speed import MachineSpeed
from models.database import Database, Migration

SPEEDS_MIGRATION = Migration(
    10,
    "speeds",
    "CREATE TABLE speeds (machine TEXT NOT NULL, subject TEXT NOT NULL, phase TEXT NOT NULL, ratio REAL NOT NULL,"
    " times INTEGER NOT NULL, updated_at REAL NOT NULL, PRIMARY KEY (machine, subject, phase)) STRICT;",
)

Phase = Literal["generate", "prompt"]
Source = Literal["measured", "corrected", "predicted", ""]

SAMPLING_S = 4e-9  # of one entry of the vocabulary, for choosing a token
USUAL_DEPTH = 512  # tokens in the cache when people read a speed: a short question and some of its answer
NEWEST_WEIGHT = 0.25  # of a new observation in the average
LEAST_TELLING_BYTES = 50_000_000  # a smaller model stays in the processor's caches: it tells of itself alone
LEAST_RATIO, MOST_RATIO = 0.05, 20.0  # beyond that something else was measured
# What a byte costs beside a byte of Q8_0, which the machine was measured with: smaller types need more work to unpack.
WORK_PER_BYTE: Mapping[str, float] = {"Q8_0": 1.0, "F16": 1.0, "BF16": 1.0, "F32": 1.0}
OTHER_WORK_PER_BYTE = 1.15
IQ_WORK_PER_BYTE = 1.6
# What attention costs over a cache of another type than f16: unpacking it, value by value. Seen on one Zen 5 processor.
CACHE_WORK: Mapping[str, float] = {"f32": 1.0, "f16": 1.0, "bf16": 1.0, "q8_0": 2.4}
OTHER_CACHE_WORK = 3.4
EXPERT_PROMPT_WORK = 1.6  # each expert gets a part of a batch, so its products are smaller and slower; seen there, too
TILED_TYPES = ("f16", "f32")  # of a cache: what ggml's fast path for prompts takes (ggml-cpu/ops.cpp, flash_attn_ext)


@dataclass(frozen=True, slots=True)
class Speed:
    """Tokens per second while writing, and while reading a prompt; None when the machine was not measured."""

    tokens_per_s: float | None = None
    prompt_tokens_per_s: float | None = None
    source: Source = ""


@dataclass(frozen=True, slots=True)
class SpeedsSeen:
    """Ratios of real to predicted speed, by (subject, phase); a subject is "model:ID" or "kind:QUANT/shape"."""

    ratios: Mapping[tuple[str, str], float] = field(default_factory=dict)

    def ratio(self, phase: Phase, shape: Shape, model_id: str = "") -> tuple[float, Source]:
        """The correction to use, and how it came about."""
        if model_id and (found := self.ratios.get((f"model:{model_id}", phase))):
            return found, "measured"
        if found := self.ratios.get((kind_subject(shape), phase)):
            return found, "corrected"
        return 1.0, "predicted"


def predict(shape: Shape, load: Load, machine: MachineSpeed, depth: int = 0) -> tuple[float, float]:
    """Tokens per second (writing, reading a prompt) when `depth` tokens are in the cache; everything in main memory."""
    layers = max(1, shape.layers)
    write_s = (
        active_bytes(shape) * _work(shape.quant) / machine.weight_bytes_per_s
        + cache_read_bytes(shape, load, depth) / machine.weight_bytes_per_s
        + attention_flops(shape, depth) * _cache_work(load) / machine.attention_flops_per_s
        + layers * machine.layer_s
        + shape.vocabulary * SAMPLING_S
    )
    read_s = (
        2 * active_parameters(shape) * (EXPERT_PROMPT_WORK if shape.experts else 1.0) / machine.flops_per_s
        + attention_flops(shape, depth) / _prompt_attention(load, machine)
        + (shape.weights_bytes / machine.weight_bytes_per_s + layers * machine.layer_s) / (4 * (load.batch or UBATCH))
    )
    return 1 / write_s, 1 / read_s


def expected_speed(
    shape: Shape, load: Load, machine: MachineSpeed | None, seen: SpeedsSeen, model_id: str = ""
) -> Speed:
    """What to tell people: at the start of a context, where most chats are. `source` is that of the writing speed."""
    if machine is None or shape.kind != "chat":
        return Speed()
    write, read = predict(shape, load, machine, USUAL_DEPTH)
    write_ratio, source = seen.ratio("generate", shape, model_id)
    read_ratio, _ = seen.ratio("prompt", shape, model_id)
    return Speed(write * write_ratio, read * read_ratio, source)


def active_bytes(shape: Shape) -> float:
    """Weights that one token reads: all but the experts it does not use and, of the token embedding, one row."""
    resting = shape.expert_total_bytes * (1 - shape.active_share)
    unread = 0 if shape.tied else shape.input_bytes
    return max(1.0, shape.weights_bytes - resting - unread)


def active_parameters(shape: Shape) -> float:
    """Parameters a token of a prompt is multiplied with; the logits are made for the last token alone."""
    layers = sum(shape.layer_bytes) or shape.weights_bytes
    used = layers - shape.expert_total_bytes * (1 - shape.active_share)
    return max(1.0, shape.parameters * used / max(1, shape.weights_bytes))


def cache_read_bytes(shape: Shape, load: Load, depth: int) -> float:
    """KV cache and recurrent state that one token reads, and of the latter writes."""
    per_pair = shape.key_length * TYPE_BYTES[load.type_k] + shape.value_length * TYPE_BYTES[load.type_v]
    seen = sum(
        heads * _seen(shape, depth, windows)
        for heads, windows in zip(shape.kv_heads, windowed_layers(shape), strict=True)
    )
    return seen * per_pair + 8 * shape.state_values * sum(shape.recurrent)


def attention_flops(shape: Shape, depth: int) -> float:
    """Operations of one token's look back: a multiplication and an addition per value of key and of value."""
    length = shape.key_length + (shape.value_length or shape.key_length)
    heads = shape.heads or max(shape.kv_heads, default=0)
    layers = zip(shape.kv_heads, windowed_layers(shape), strict=True)
    return sum(2.0 * heads * length * _seen(shape, depth, windows) for kv_heads, windows in layers if kv_heads)


def kind_subject(shape: Shape) -> str:
    """The name under which models of one quantization and kind share what was seen."""
    kind = "recurrent" if any(shape.recurrent) else "experts" if shape.experts else "dense"
    return f"kind:{shape.quant or '?'}/{kind}"


class SpeedStore:
    """Ratios seen on this machine, in jackdaw.db; `clock` gives seconds since 1970."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    async def seen(self, machine: str) -> SpeedsSeen:
        """All ratios of one machine."""

        def select(connection: sqlite3.Connection) -> SpeedsSeen:
            rows = connection.execute("SELECT subject, phase, ratio FROM speeds WHERE machine = ?", (machine,))
            return SpeedsSeen(
                {(subject, phase): ratio for subject, phase, ratio in rows if LEAST_RATIO <= ratio <= MOST_RATIO}
            )

        return await self._database.read(select)

    async def learn(
        self,
        machine: MachineSpeed,
        model_id: str,
        shape: Shape,
        load: Load,
        *,
        tokens_per_s: float | None = None,
        prompt_tokens_per_s: float | None = None,
        depth: int = 0,
    ) -> None:
        """Take what a model really did into the averages. Figures that cannot be of this are passed over."""
        predicted = predict(shape, load, machine, depth)
        found: dict[Phase, float] = {}
        for phase, real, expected in (
            ("generate", tokens_per_s, predicted[0]),
            ("prompt", prompt_tokens_per_s, predicted[1]),
        ):
            if real is not None and math.isfinite(real) and LEAST_RATIO <= real / expected <= MOST_RATIO:
                found[phase] = real / expected  # type: ignore[index]
        others = (kind_subject(shape),) if shape.weights_bytes >= LEAST_TELLING_BYTES else ()
        subjects = (f"model:{model_id}", *others)
        now = self._clock()

        def store(connection: sqlite3.Connection) -> None:
            for subject in subjects:
                for phase, ratio in found.items():
                    connection.execute(
                        "INSERT INTO speeds VALUES (?, ?, ?, ?, 1, ?) ON CONFLICT (machine, subject, phase) DO UPDATE"
                        " SET ratio = ratio + ? * (excluded.ratio - ratio), times = times + 1, updated_at = ?",
                        (machine.machine, subject, phase, ratio, now, NEWEST_WEIGHT, now),
                    )

        if found:
            await self._database.write(store)

    async def forget(self, model_id: str) -> None:
        """Drop what was seen of one model, e.g. when its file was replaced."""

        def delete(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM speeds WHERE subject = ?", (f"model:{model_id}",))

        await self._database.write(delete)


def _prompt_attention(load: Load, machine: MachineSpeed) -> float:
    """A quantized cache is looked through value by value, in prompts as while writing."""
    if load.type_k in TILED_TYPES and load.type_v in TILED_TYPES:
        return machine.prompt_attention_flops_per_s
    return min(machine.attention_flops_per_s / _cache_work(load), machine.prompt_attention_flops_per_s)


def _cache_work(load: Load) -> float:
    keys, values = (CACHE_WORK.get(kind, OTHER_CACHE_WORK) for kind in (load.type_k, load.type_v))
    return (keys + values) / 2


def _seen(shape: Shape, depth: int, windows: bool) -> int:
    return min(depth, shape.window) if windows else depth


def _work(quant: str) -> float:
    if quant.startswith("IQ"):
        return IQ_WORK_PER_BYTE
    return WORK_PER_BYTE.get(quant, OTHER_WORK_PER_BYTE)
