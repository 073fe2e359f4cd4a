"""The estimator against the real child: predicted memory and speed beside what llama-server takes and does.

Every shape is made on the spot with real sizes. Memory is the peak resident memory of the child after prompts that fill
the context of every slot; speed is that of one answer at the start of a context, and at its end. The aims are 10 % for
memory and 20 % for speed.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import re
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from desktop.paths import engine_cache
from engine.fit import Wishes, load_of, plan_for
from engine.fit_memory import Load, main_memory_need
from engine.fit_shape import Shape, shape_of
from engine.fit_speed import predict
from engine.llama_server import LlamaServer, ServerSpec
from engine.machine_speed import Effort, MachineSpeed, measure_speed
from engine.tuning import load_tuning
from models.gguf import read_header
from models.llamacpp import EngineBuild, binary, find_build
from tests.bench.shapes import Quant, RealShape, write_model

EFFORT = Effort(depth=2048, repeats=2)
PLENTY = 64 * 2**30
ANSWER_TOKENS = 24
ROOM = ANSWER_TOKENS + 16  # of a context, left for the answer

DENSE = RealShape("dense", "llama", 12, 1024, 2816, 16, 16, 64)
GQA = RealShape("grouped heads", "llama", 16, 1536, 6144, 24, 4, 64, vocabulary=128_256)
MOE = RealShape("experts", "llama", 8, 1024, 2816, 16, 4, 64, experts=8, experts_used=2)
SWA = RealShape("sliding window", "gemma3", 18, 1152, 6912, 4, 1, 256, vocabulary=262_144, window=512)
MAMBA = RealShape("recurrent", "mamba", 24, 1024, 0, vocabulary=50_280)


@dataclass(frozen=True, slots=True)
class Case:
    shape: RealShape
    context: int
    slots: int = 1
    cache: str | None = None
    quant: Quant = "Q8_0"
    batch: int | None = None


CASES = (
    Case(DENSE, 2048),
    Case(DENSE, 8192),
    Case(DENSE, 1024, slots=2, cache="q8_0"),
    Case(GQA, 2048),
    Case(GQA, 4096),
    Case(GQA, 1024, slots=2, cache="q8_0"),
    Case(GQA, 2048, quant="Q4_K"),
    Case(GQA, 2048, batch=64),
    Case(MOE, 2048),
    Case(MOE, 2048, cache="q4_0"),
    Case(MOE, 4096, slots=2),
    Case(SWA, 2048),
    Case(SWA, 8192),
    Case(SWA, 4096, slots=2),
    Case(MAMBA, 2048),
    Case(MAMBA, 8192),
    Case(MAMBA, 4096, slots=2),
)
QUICK = (Case(DENSE, 2048), Case(MOE, 2048), Case(SWA, 2048))


@dataclass(frozen=True, slots=True)
class Seen:
    """Predicted and real: memory in bytes, speeds in tokens per second."""

    case: Case
    memory: tuple[float, float]
    generate: tuple[float, float]
    generate_deep: tuple[float, float]
    prompt: tuple[float, float]


async def main(*, quick: bool = False, only: str = "") -> None:
    """Measure every case and print the table.

    The machine is measured anew before each case: what else runs on it changes, and both must have had the same.
    """
    build = find_build(engine_cache(), os.environ)
    cases = [case for case in (QUICK if quick else CASES) if only in case.shape.name]
    seen = []
    with tempfile.TemporaryDirectory(prefix="jackdaw-fit-") as name:
        folder = Path(name)
        tuning = load_tuning(engine_cache(), build)
        print(f"{'':34s} {'memory MiB':>22s} {'tokens/s':>20s} {'deep tokens/s':>20s} {'prompt tokens/s':>20s}")
        for case in cases:
            speed = await measure_speed(folder, build, tuning, folder, lambda _progress: None, effort=EFFORT)
            seen.append(await measure_case(case, folder, build, speed))
            print(_line(seen[-1]), _speed_words(speed), flush=True)
    for what, pairs, aim in (
        ("memory", [one.memory for one in seen], 0.10),
        ("tokens/s", [one.generate for one in seen], 0.20),
        ("tokens/s deep in the context", [one.generate_deep for one in seen], 0.20),
        ("prompt tokens/s", [one.prompt for one in seen], 0.20),
    ):
        print(_summary(what, pairs, aim))


async def measure_case(case: Case, folder: Path, build: EngineBuild, speed: MachineSpeed) -> Seen:
    """Load one model as planned, fill its context, ask it, and hold that against the prediction."""
    path = await asyncio.to_thread(write_model, folder / f"{case.shape.name}-{case.quant}.gguf", case.shape, case.quant)
    shape = shape_of(await asyncio.to_thread(read_header, path))
    wishes = Wishes(
        context=case.context,
        slots=case.slots,
        cache_type_k=case.cache,
        cache_type_v=case.cache,
        cache_ram_mib=0,
        prompt_batch=case.batch,
    )
    plan = plan_for(shape, wishes, PLENTY)
    load = load_of(shape, wishes, plan.context, plan.slots)
    (runtime := folder / "run").mkdir(mode=0o700, exist_ok=True)
    server = await LlamaServer.start(
        ServerSpec(
            model_id="bench",
            model_path=path,
            kind="chat",
            plan=plan,
            program=binary(build, "llama-server"),
            runtime_dir=runtime,
            pidfiles=runtime,
            tuning=load_tuning(engine_cache(), build),
        )
    )
    try:
        short = await _ask(server, 512, 0)
        again = await _ask(server, 512, 1)
        full = await asyncio.gather(*(_ask(server, case.context - ROOM, 2 + slot) for slot in range(case.slots)))
        deep = full[0] if case.slots == 1 else await _ask(server, case.context - ROOM, 9)
        memory = peak_bytes(server.pid)
    finally:
        await server.stop()
    write, _ = predict(shape, load, speed, 512)
    write_deep, _ = predict(shape, load, speed, case.context - ROOM)
    _, read = predict(shape, load, speed, 256)
    return Seen(
        case,
        memory=(predicted_bytes(shape, load), memory),
        generate=(write, max(short[1], again[1])),
        generate_deep=(write_deep, deep[1]),
        prompt=(read, max(short[0], again[0])),
    )


def predicted_bytes(shape: Shape, load: Load) -> int:
    """What the estimator says for main memory."""
    return main_memory_need(shape, load).total_bytes


def peak_bytes(pid: int) -> int:
    """Peak resident memory (proc(5): VmHWM), mapped weights included."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    found = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


async def _ask(server: LlamaServer, tokens: int, seed: int) -> tuple[float, float]:
    """(prompt, generation) tokens per second of one answer to random tokens."""
    chance = random.Random(seed)
    prompt = [chance.randrange(33, 122) for _ in range(tokens)]
    payload = {"prompt": prompt, "n_predict": ANSWER_TOKENS, "temperature": 0, "ignore_eos": True}
    _, value = await server.upstream.json("POST", "/completion", payload, timeout_s=None)
    timings: dict[str, Any] = value["timings"]
    return float(timings["prompt_per_second"]), float(timings["predicted_per_second"])


def _speed_words(speed: MachineSpeed) -> str:
    return f"  at {speed.weight_bytes_per_s / 1e9:.1f} GB/s, {speed.flops_per_s / 1e9:.0f} GFLOP/s"


def _line(seen: Seen) -> str:
    case = seen.case
    name = f"{case.shape.name} {case.quant} {case.context}x{case.slots} {case.cache or ''}"
    name += f" batch {case.batch}" if case.batch else ""
    mib = (seen.memory[0] / 2**20, seen.memory[1] / 2**20)
    return f"{name:34s} {_pair(mib, 0)} {_pair(seen.generate)} {_pair(seen.generate_deep)} {_pair(seen.prompt)}"


def _pair(pair: tuple[float, float], digits: int = 1) -> str:
    return f"{pair[0]:7.{digits}f}/{pair[1]:7.{digits}f} {100 * (pair[0] / pair[1] - 1):+4.0f}%"


def _summary(what: str, pairs: Sequence[tuple[float, float]], aim: float) -> str:
    errors = [abs(predicted / real - 1) for predicted, real in pairs]
    within = sum(error <= aim for error in errors)
    return (
        f"{what}: median error {statistics.median(errors):.1%}, worst {max(errors):.1%},"
        f" {within} of {len(errors)} within {aim:.0%}"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", default="", help="shapes whose name holds this")
    chosen = parser.parse_args()
    asyncio.run(main(quick=chosen.quick, only=chosen.only))
