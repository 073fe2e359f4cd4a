"""How fast this machine is at what a language model asks of it: measured once, by the engine's own llama-bench.

A model made on the spot is read (bandwidth), fed prompts (operations) and asked deep inside a long context (attention),
with the threads that models run with; a second, tiny one shows what a layer costs beside its bytes. So the figures hold
for this build on this machine, and a prediction needs nothing of another model but its header.
"""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from engine.errors import EngineError
from engine.tuning import MEASURE_SHAPE, processors
from engine.types import Tuning
from models.child import ChildSpec, clean_environment, spawn
from models.llamacpp import EngineBuild, binary, proof_id, write_json
from models.progress import Progress, Report
from models.tiny_model import TINY, TinyShape, write_tiny_model

DEPTH = 4096  # tokens in the cache when attention is measured
PROMPT_TOKENS = 512
GENERATE_TOKENS = 24
REPEATS = 4
# A first answer within seconds: a smaller model, fewer tokens, and of attention what processors usually do beside
# matrix products (a tenth while writing, a third in prompts, on those we measured).
QUICK_SHAPE = replace(MEASURE_SHAPE, layers=4)
QUICK_PROMPT_TOKENS = 64
QUICK_GENERATE_TOKENS = 8
QUICK_REPEATS = 3
QUICK_LAYER_S = 3e-5
USUAL_ATTENTION_SHARE, USUAL_PROMPT_ATTENTION_SHARE = 0.1, 0.33
CACHE_BYTES_PER_S = 60e9  # what a processor's caches give at least
LEAST_LAYER_S = 3e-6
LONGEST_S = 180.0
_SCHEMA = 2
_UNKNOWN = "The speed of this machine could not be measured"


@dataclass(frozen=True, slots=True)
class MachineSpeed:
    """`weight_bytes_per_s` is how fast weights stream through generation, `flops_per_s` what prompts get of matrices.

    `attention_flops_per_s` is what one token's look back over the cache gets while generating,
    `prompt_attention_flops_per_s` the same in prompts; `layer_s` is the time of a layer beside all that. `machine`
    names processor, engine and thread count, so figures of another machine are never taken for this one's. `rough` ones
    are of a measurement of some seconds, to be replaced by a whole one.
    """

    weight_bytes_per_s: float
    flops_per_s: float
    attention_flops_per_s: float
    prompt_attention_flops_per_s: float
    layer_s: float
    machine: str
    measured_at: float = 0.0
    rough: bool = False


@dataclass(frozen=True, slots=True)
class BenchFigures:
    """Tokens per second of one model, as llama-bench measured them: at the start, and DEPTH tokens into a context."""

    generate: float
    generate_deep: float
    prompt: float
    prompt_deep: float


def derive(
    large: BenchFigures, tiny_generate: float, shape: TinyShape, machine: str, depth: int = DEPTH
) -> MachineSpeed:
    """The machine's figures from those of a model of `shape` and of TINY. Never zero, negative or infinite."""
    tiny = TINY
    # the tiny one fits a processor's caches; its output layer costs about what a layer does
    layer_s = max(LEAST_LAYER_S, (1 / tiny_generate - tiny_bytes(tiny) / CACHE_BYTES_PER_S) / (tiny.layers + 1))
    weight_s = max(1e-6, 1 / large.generate - shape.layers * layer_s)
    bandwidth = tiny_bytes(shape) / weight_s
    attention = 4 * shape.layers * shape.heads * shape.head_length * depth  # multiply and add, for keys and for values
    cache_s = 4 * shape.layers * shape.kv_heads * shape.head_length * depth / bandwidth  # 2 x 2 bytes of F16
    look_back_s = max(1e-6, 1 / large.generate_deep - 1 / large.generate - cache_s)
    prompt_back_s = max(1e-7, 1 / large.prompt_deep - 1 / large.prompt)
    return MachineSpeed(
        weight_bytes_per_s=bandwidth,
        flops_per_s=2 * tiny_parameters(shape) * large.prompt,
        attention_flops_per_s=attention / look_back_s,
        prompt_attention_flops_per_s=attention / prompt_back_s,
        layer_s=layer_s,
        machine=machine,
        measured_at=time.time(),
    )


def tiny_parameters(shape: TinyShape) -> int:
    """Values in the matrices of the layers; the vocabulary of these models is too small to count."""
    attention = shape.embedding * (2 * shape.embedding + 2 * shape.kv_heads * shape.head_length)
    return shape.layers * (attention + 3 * shape.embedding * shape.feed_forward)


def tiny_bytes(shape: TinyShape) -> float:
    """Bytes of them in Q8_0: 34 for 32 values."""
    return tiny_parameters(shape) * 34 / 32


def load_speed(engines: Path, build: EngineBuild) -> MachineSpeed | None:
    """What was measured for these files on this processor, or None."""
    try:
        saved = json.loads(_speed_file(engines, build).read_text(encoding="utf-8"))
        if saved.pop("schema") != _SCHEMA:
            return None
        speed = MachineSpeed(**{field.name: saved[field.name] for field in fields(MachineSpeed)})
        plausible = all(0 < value < 1e18 for value in asdict(speed).values() if type(value) in (int, float))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return speed if plausible else None


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured: the model's sizes, how many tokens deep attention is, how often each is repeated."""

    shape: TinyShape = MEASURE_SHAPE
    depth: int = DEPTH
    repeats: int = REPEATS


async def measure_speed(
    engines: Path, build: EngineBuild, tuning: Tuning, work_dir: Path, report: Report, *, effort: Effort | None = None
) -> MachineSpeed:
    """Measure, keep the figures with the engines, return them: about half a minute on two cores.

    Raises EngineError when llama-bench does not run; a measurement beside other work tells the speed beside it.
    """
    effort = effort or Effort()
    with tempfile.TemporaryDirectory(dir=work_dir, prefix="speed-") as name:
        folder = Path(name)
        report(Progress(0, 3, "measurements", "writing a model to measure with"))
        large = await asyncio.to_thread(write_tiny_model, folder / "large.gguf", shape=effort.shape, dtype="Q8_0")
        tiny = await asyncio.to_thread(write_tiny_model, folder / "tiny.gguf", shape=TINY, dtype="Q8_0")
        report(Progress(1, 3, "measurements", "measuring how fast weights are read and prompts computed"))
        sizes = ("-p", str(PROMPT_TOKENS), "-n", str(GENERATE_TOKENS), "-d", f"0,{effort.depth}")
        rows = await _bench(build, tuning, large, (*sizes, "-r", str(effort.repeats)))
        report(Progress(2, 3, "measurements", "measuring what a layer costs"))
        small = await _bench(build, tuning, tiny, ("-p", "0", "-n", "128", "-r", str(effort.repeats)))
    figures = BenchFigures(
        generate=_figure(rows, "n_gen", 0),
        generate_deep=_figure(rows, "n_gen", effort.depth),
        prompt=_figure(rows, "n_prompt", 0),
        prompt_deep=_figure(rows, "n_prompt", effort.depth),
    )
    speed = derive(figures, _figure(small, "n_gen", 0), effort.shape, machine_id(build), effort.depth)
    await asyncio.to_thread(_save, engines, build, speed)
    return speed


async def measure_quickly(engines: Path, build: EngineBuild, tuning: Tuning, work_dir: Path) -> MachineSpeed:
    """Measure weights and prompts alone, keep the figures as rough ones, return them: about three seconds.

    For the first question about speed; `measure_speed` replaces them in a quiet time. Raises EngineError.
    """
    with tempfile.TemporaryDirectory(dir=work_dir, prefix="speed-") as name:
        path = Path(name) / "quick.gguf"
        model = await asyncio.to_thread(write_tiny_model, path, shape=QUICK_SHAPE, dtype="Q8_0")
        sizes = ("-p", str(QUICK_PROMPT_TOKENS), "-n", str(QUICK_GENERATE_TOKENS), "-r", str(QUICK_REPEATS))
        rows = await _bench(build, tuning, model, sizes)
    speed = derive_quickly(_figure(rows, "n_gen", 0), _figure(rows, "n_prompt", 0), machine_id(build))
    await asyncio.to_thread(_save, engines, build, speed)
    return speed


def derive_quickly(generate: float, prompt: float, machine: str, shape: TinyShape = QUICK_SHAPE) -> MachineSpeed:
    """Rough figures from tokens per second of a model of `shape`; their `machine` is not that of whole ones, so that
    corrections learned with the ones are not applied to the others."""
    flops = 2 * tiny_parameters(shape) * prompt
    return MachineSpeed(
        weight_bytes_per_s=tiny_bytes(shape) / max(1e-6, 1 / generate - shape.layers * QUICK_LAYER_S),
        flops_per_s=flops,
        attention_flops_per_s=USUAL_ATTENTION_SHARE * flops,
        prompt_attention_flops_per_s=USUAL_PROMPT_ATTENTION_SHARE * flops,
        layer_s=QUICK_LAYER_S,
        machine=f"{machine}-rough",
        measured_at=time.time(),
        rough=True,
    )


def _save(engines: Path, build: EngineBuild, speed: MachineSpeed) -> None:
    path = _speed_file(engines, build)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_json(path, {"schema": _SCHEMA, **asdict(speed)})


def machine_id(build: EngineBuild) -> str:
    """Names this processor with this engine and as many processors as may be used."""
    return f"{proof_id(build.bin_dir)}-{processors()}"


def _speed_file(engines: Path, build: EngineBuild) -> Path:
    return engines / "speeds" / f"{machine_id(build)}.json"


async def _bench(build: EngineBuild, tuning: Tuning, model: Path, sizes: Sequence[str]) -> list[dict[str, Any]]:
    lines: list[str] = []
    threads = ("-t", str(tuning.threads)) if tuning.threads else ()
    argv = (str(binary(build, "llama-bench")), "-m", str(model), *threads, "-fa", "1", *sizes)
    child = await spawn(
        ChildSpec(
            argv=(*argv, "-o", "jsonl"),
            name="llama-bench",
            cwd=model.parent,
            environment=clean_environment(os.environ, home=model.parent, extra=tuning.environ),
            on_line=lines.append,
        )
    )
    try:
        ended = await asyncio.wait_for(child.wait(), LONGEST_S)
    except TimeoutError:
        raise EngineError(f"{_UNKNOWN}: llama-bench had not finished after {LONGEST_S:.0f} s.") from None
    finally:
        await child.stop(grace_s=0.5)
    if ended.exit_code != 0:
        raise EngineError(f"{_UNKNOWN}: llama-bench ended with code {ended.exit_code}.")
    return [json.loads(line) for line in lines if line.startswith("{")]


def _figure(rows: Sequence[dict[str, Any]], phase: str, depth: int) -> float:
    """The best of the repeats: what others did meanwhile only ever makes a run slower."""
    for row in rows:
        if row.get(phase) and int(row.get("n_depth", 0)) == depth:
            return max(float(speed) for speed in row["samples_ts"])
    raise EngineError(f"{_UNKNOWN}: llama-bench left a measurement out.")
