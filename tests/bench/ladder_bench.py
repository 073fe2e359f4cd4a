"""A quantization ladder, made and measured here: size, loss, speed and memory of every rung, and what the job took.

The model has the sizes of a 0.5-billion one and random weights: its loss says how faithful a rung is to these weights,
not how well a real model of that size would fare. Sizes, speeds and memory are those of a real one.
"""

from __future__ import annotations

import asyncio
import dataclasses
import os
import tempfile
import time
from pathlib import Path

from desktop.paths import engine_cache
from models.database import Database
from models.disk_room import human
from models.library import LIBRARY_MIGRATIONS, Library
from models.llamacpp import EngineBuild, find_build
from models.measure import pareto
from models.measure.job import MeasurePlan, measure
from models.measure.store import MEASUREMENTS_MIGRATION, Measurements
from models.measure.types import Measurement, Subject
from models.progress import Cancel, Progress
from models.quantize.quantize import Quantized, quantize
from models.tiny_model import HALF_BILLION, TINY, write_tiny_model
from tests.bench.ladder_chart import chart

LADDER = ("Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "IQ4_XS", "Q3_K_M", "Q2_K")


async def main(*, quick: bool = False) -> None:
    """Make the ladder in a temporary folder, measure it, print the table and leave the chart in the cache folder."""
    build = find_build(engine_cache(), os.environ)
    kept = engine_cache().parent / "bench-models"
    kept.mkdir(0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="ladder-", dir=kept) as folder:
        shape = TINY if quick else HALF_BILLION
        name = "Tiny" if quick else "Half billion"
        source = await asyncio.to_thread(
            write_tiny_model, Path(folder) / f"{name.replace(' ', '-')}-F16.gguf", shape=shape, name=name
        )
        made, seconds = await _quantized(source, build)
        rows, measuring_s = await _measured(source, made, build, quick=quick)
    points = _points(rows)
    picked = pareto.pick(points)
    _print(rows, made, seconds, measuring_s)
    if picked is not None:
        print(f"pick: {picked.reason}")
    path = kept / "ladder.svg"
    path.write_text(
        chart(points, title=f"{name}: loss over size", picked=picked.id if picked else ""), encoding="utf-8"
    )
    print(f"chart: {path}")


async def _quantized(source: Path, build: EngineBuild) -> tuple[dict[str, Quantized], float]:
    made: dict[str, Quantized] = {}

    async def finished(one: Quantized) -> None:
        made[one.quant] = one

    began = time.perf_counter()
    await quantize(
        source,
        LADDER,
        source.parent,
        build=build,
        report=_Spoken("quantize"),
        cancel=Cancel(),
        finished=finished,
    )
    return made, time.perf_counter() - began


async def _measured(
    source: Path, made: dict[str, Quantized], build: EngineBuild, *, quick: bool
) -> tuple[list[Measurement], float]:
    """Through the library and the database, as the service does it."""
    migrations = (*LIBRARY_MIGRATIONS, MEASUREMENTS_MIGRATION)
    database = await Database.open(source.parent / "bench.db", migrations)
    try:
        library = Library(database)
        models = [await library.import_path(path) for path in (source, *(one.path for one in made.values()))]
        subjects = [Subject(model.id, model.path, model.quant, model.bytes) for model in models]
        plan = MeasurePlan(
            subjects[0], tuple(subjects[1:]), source.parent / "measure", chunks=4, memory_context=1024, repeats=2
        )
        plan = dataclasses.replace(plan, memory_context=512) if quick else plan
        began = time.perf_counter()
        rows = await measure(plan, Measurements(database), build=build, report=_Spoken("measure"), cancel=Cancel())
        return rows, time.perf_counter() - began
    finally:
        await database.close()


class _Spoken:
    """Prints what the job says of itself, once for every rung."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._last = ""

    def __call__(self, progress: Progress) -> None:
        rung = progress.message.partition(":")[0]
        if rung and rung != self._last:
            self._last = rung
            print(f"  {self._what} {100 * (progress.fraction or 0):3.0f} %  {progress.message}", flush=True)


def _points(rows: list[Measurement]) -> list[pareto.Point]:
    return [
        pareto.Point(row.model_id, row.quant, row.bytes, row.divergence.kl_divergence, row.model_id == row.source_id)
        for row in rows
        if row.divergence is not None
    ]


def _print(rows: list[Measurement], made: dict[str, Quantized], seconds: float, measuring_s: float) -> None:
    print(f"{'':8}{'size':>9}{'KLD':>10}{'±':>9}{'p99':>9}{'same top':>10}{'PPL':>11}", end="")
    print(f"{'prompt/s':>10}{'tokens/s':>10}{'peak':>9}{'made in':>9}{'peak of making':>16}")
    for row in sorted(rows, key=lambda row: -row.bytes):
        loss, speed, memory, one = row.divergence, row.speed, row.memory, made.get(row.quant)
        assert loss is not None and speed is not None and memory is not None, row.error
        print(
            f"{row.quant:8}{human(row.bytes):>9}{loss.kl_divergence:10.5f}{loss.kl_divergence_error:9.5f}"
            f"{loss.kl_divergence_p99:9.4f}{loss.same_top_percent:9.1f}%{loss.perplexity:11.1f}"
            f"{speed.prompt_tokens_per_s:10.1f}{speed.tokens_per_s:10.2f}{human(memory.peak_bytes):>9}",
            end="",
        )
        print(f"{one.seconds:8.1f}s{human(one.peak_bytes):>16}" if one is not None else "")
    row = rows[0]
    peak = max(one.peak_bytes for one in made.values())
    print(f"peak memory of the quantizing job: {human(peak)}; {seconds:.0f} s for {len(made)} rungs")
    print(f"measured in {measuring_s:.0f} s on {row.tokens_measured} tokens of {row.text}, {row.place.machine}")
    if row.memory is not None:
        print(f"peak memory of running: with {row.memory.context} tokens of context, mapped weights included")


if __name__ == "__main__":
    asyncio.run(main())
