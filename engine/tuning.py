"""How a llama-server child shares the processors with everything else that runs: chosen by measurement on this machine.

Threads that spin at ggml's barriers win on an idle machine and lose several times over when another program takes one
of the processors; threads that sleep there win when it is busy. No fixed setting is good at both, so the first choice
is packaging/adaptive_threads.c, which gives every token as many threads as there are processors free; whether it is
the best here, and how long threads may spin, is measured once per build and processor, idle and beside a busy program.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from engine.types import Tuning
from models.child import Child, ChildSpec, clean_environment, spawn
from models.llamacpp import EngineBuild, binary, proof_id, write_json
from models.progress import Progress, Report
from models.tiny_model import TinyShape, write_tiny_model

ADAPTIVE_LIBRARY = "libjackdaw_threads.so"
SHORT_SPIN = (
    "5000"  # turns of libgomp's waiting loop, some tens of microseconds: longer than a barrier, shorter than a slice
)
MEASURE_TOKENS = 24
REPEATS = 3
SLOWEST_S = 12.0  # a candidate that has not finished by then is many times too slow: it counts as 0 tokens/s
# Large enough that a token takes milliseconds and reads more memory than the caches hold, and made in seconds.
MEASURE_SHAPE = TinyShape(layers=8, embedding=1024, heads=16, kv_heads=4, feed_forward=4096, context=2048)


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to run the threads. `adaptive` says whether it follows the load by itself."""

    name: str
    threads: int
    environ: Mapping[str, str] = field(default_factory=dict)
    adaptive: bool = False


@dataclass(frozen=True, slots=True)
class Measured:
    """Generated tokens per second of a candidate: on the idle machine, and beside one busy program."""

    candidate: Candidate
    idle: float
    busy: float


def processors() -> int:
    """Processors this process may use; hyper-threads count, as they do for the scheduler of the system."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def candidates(library: Path | None, count: int) -> tuple[Candidate, ...]:
    """What is worth measuring for `count` processors; `library` is adaptive_threads.c built, or None."""
    fixed = (
        Candidate("as it comes", count),
        Candidate("short spin", count, {"GOMP_SPINCOUNT": SHORT_SPIN}),
        Candidate("passive waiting", count, {"OMP_WAIT_POLICY": "PASSIVE"}),
        *((Candidate("one thread less", count - 1),) if count > 1 else ()),
    )
    if library is None or count < 2:
        return fixed
    preload = {"LD_PRELOAD": str(library)}
    return (
        Candidate("adaptive, short spin", count, {**preload, "GOMP_SPINCOUNT": SHORT_SPIN}, adaptive=True),
        Candidate("adaptive, default waiting", count, preload, adaptive=True),
        *fixed,
    )


def choose(measured: Sequence[Measured]) -> Measured:
    """The candidate whose worse condition is best, each condition taken relative to the best figure in it.

    Of candidates within 3 %, which is noise, the first listed wins. Raises ValueError for an empty list.
    """
    if not measured:
        raise ValueError("nothing was measured")
    best_idle = max(one.idle for one in measured) or 1.0
    best_busy = max(one.busy for one in measured) or 1.0
    worst = {id(one): min(one.idle / best_idle, one.busy / best_busy) for one in measured}
    top = max(worst.values())
    return next(one for one in measured if worst[id(one)] >= 0.97 * top)


def default_tuning(build: EngineBuild) -> Tuning:
    """What is used until something was measured: adaptive where it is built, else sleeping threads."""
    first = candidates(adaptive_library(build), processors())[0]
    if first.adaptive:
        return Tuning(first.threads, first.threads, first.environ, None, f"{first.name} (not measured yet)")
    if build.backend != "CPU":
        return Tuning()
    return Tuning(environ={"OMP_WAIT_POLICY": "PASSIVE"}, source="passive waiting (not measured yet)")


def adaptive_library(build: EngineBuild) -> Path | None:
    """adaptive_threads.c as built beside this engine, or None where it is not."""
    path = build.lib_dir / ADAPTIVE_LIBRARY
    return path if sys.platform == "linux" and path.is_file() else None


def load_tuning(engines: Path, build: EngineBuild) -> Tuning:
    """What was measured for these files on this processor, else the default."""
    try:
        saved = json.loads(_tuning_file(engines, build).read_text(encoding="utf-8"))
        chosen = saved["chosen"]
        environ = {str(key): str(value) for key, value in chosen["environ"].items()}
        threads = int(chosen["threads"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return default_tuning(build)
    if not 1 <= threads <= processors() or not Path(environ.get("LD_PRELOAD", "/")).exists():
        return default_tuning(build)
    return Tuning(threads, threads, environ, None, f"{chosen['name']}, measured here")


def is_measured(engines: Path, build: EngineBuild) -> bool:
    """Whether a measurement of these files on this processor is kept."""
    return _tuning_file(engines, build).is_file()


def measured_figures(engines: Path, build: EngineBuild) -> dict[str, Any]:
    """The kept measurement as JSON ({} when there is none): `chosen` and `measured` with tokens/s idle and busy."""
    try:
        saved = json.loads(_tuning_file(engines, build).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return saved if isinstance(saved, dict) else {}


async def measure(
    engines: Path, build: EngineBuild, work_dir: Path, report: Report, shape: TinyShape = MEASURE_SHAPE
) -> Tuning:
    """Measure every candidate idle and busy with a model made in `work_dir`, keep the figures, return the choice.

    Takes about half a minute on two cores. A candidate that fails to run is left out; when all fail the default stays.
    """
    # Q8_0 is written directly: K-quants would need llama-quantize and change nothing about the waiting.
    model = await asyncio.to_thread(write_tiny_model, work_dir / "tuning.gguf", shape=shape, dtype="Q8_0")
    options = candidates(adaptive_library(build), processors())
    try:
        idle = await _sweep(build, model, options, report, 0)
        hog = await _busy_program(work_dir)
        try:
            busy = await _sweep(build, model, options, report, len(options))
        finally:
            await hog.stop(grace_s=0.0)
    finally:
        model.unlink(missing_ok=True)
    found = [Measured(one, idle[one.name], busy[one.name]) for one in options if one.name in idle and one.name in busy]
    if not found:
        return default_tuning(build)
    chosen = choose(found)
    record = {"chosen": asdict(chosen.candidate), "measured": [asdict(one) for one in found]}
    path = _tuning_file(engines, build)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    await asyncio.to_thread(write_json, path, record)
    return load_tuning(engines, build)


def _tuning_file(engines: Path, build: EngineBuild) -> Path:
    return engines / "tunings" / f"{proof_id(build.bin_dir)}-{processors()}.json"


async def _sweep(
    build: EngineBuild, model: Path, options: Sequence[Candidate], report: Report, done: int
) -> dict[str, float]:
    speeds: dict[str, float] = {}
    for number, option in enumerate(options):
        report(Progress(done + number, 2 * len(options), "measurements", f"measuring: {option.name}"))
        speed = await _tokens_per_s(build, model, option)
        if speed is not None:
            speeds[option.name] = speed
    return speeds


async def _tokens_per_s(build: EngineBuild, model: Path, option: Candidate) -> float | None:
    """llama-bench's generation speed with these settings, 0 past SLOWEST_S, None when it did not run."""
    lines: list[str] = []
    argv = (str(binary(build, "llama-bench")), "-m", str(model), "-t", str(option.threads))
    child = await spawn(
        ChildSpec(
            argv=(*argv, "-p", "0", "-n", str(MEASURE_TOKENS), "-r", str(REPEATS), "-o", "jsonl"),
            name="llama-bench",
            cwd=model.parent,
            environment=clean_environment(os.environ, home=model.parent, extra=option.environ),
            on_line=lines.append,
        )
    )
    try:
        await asyncio.wait_for(child.wait(), SLOWEST_S)
    except TimeoutError:
        return 0.0
    finally:
        await child.stop(grace_s=0.5)
    return next((_average_speed(line) for line in lines if line.startswith("{")), None)


def _average_speed(line: str) -> float | None:
    try:
        return float(json.loads(line)["avg_ts"])
    except (ValueError, KeyError, TypeError):
        return None


async def _busy_program(work_dir: Path) -> Child:
    return await spawn(
        ChildSpec(
            argv=(sys.executable, "-I", "-S", "-c", "while True: pass"),
            name="busy program",
            cwd=work_dir,
            environment=clean_environment(os.environ, home=work_dir),
        )
    )
