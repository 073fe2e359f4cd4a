"""The `bench` job: how fast a model reads prompts and writes text on this machine, by the build's own llama-bench."""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from desktop.service.errors import BadRequest, NotAvailable
from desktop.service.job_kinds import JobContext
from engine.types import Tuning
from models.child import Child, ChildSpec, Ending, clean_environment, spawn
from models.library import LibraryModel
from models.llamacpp import EngineBuild, binary
from models.progress import Progress

LONGEST_S = 3600.0
CANCEL_POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class BenchOptions:
    """Sizes in tokens. The defaults are llama-bench's own, so figures compare with those people publish."""

    prompt_tokens: int = 512
    generate_tokens: int = 128
    repetitions: int = 3


def bench_options(options: Mapping[str, Any]) -> BenchOptions:
    """The checked options of the job; `model` is looked at elsewhere. Raises BadRequest."""
    numbers = {name: value for name, value in options.items() if name != "model"}
    for name, value in numbers.items():
        if name not in BenchOptions.__dataclass_fields__:
            known = ", ".join(BenchOptions.__dataclass_fields__)
            raise BadRequest("bad_option", f"The bench has no option {name!r}.", hint=f"It has: {known}.")
        if type(value) is not int or not 1 <= value <= 100_000:
            raise BadRequest("bad_option", f"{name} must be a whole number from 1 to 100,000.")
    return BenchOptions(**numbers)


@dataclass(frozen=True, slots=True)
class Bench:
    """llama-bench of one build, with the threads the models run with, noted as a child of the service."""

    build: EngineBuild
    tuning: Tuning
    pidfiles: Path

    async def run(self, model: LibraryModel, options: BenchOptions, context: JobContext) -> dict[str, Any]:
        """Measure and return tokens/s with their spread. Raises NotAvailable when llama-bench fails, Cancelled."""
        lines: list[str] = []
        context.report(Progress(0, 2, "measurements", "reading prompts"))

        def on_line(line: str) -> None:
            lines.append(line)
            if line.startswith("{"):
                context.report(Progress(len(bench_rows(lines)), 2, "measurements", "writing text"))

        with tempfile.TemporaryDirectory(prefix="jackdaw-bench-", ignore_cleanup_errors=True) as folder:
            child = await spawn(
                ChildSpec(
                    argv=(
                        str(binary(self.build, "llama-bench")),
                        *bench_arguments(model.path, options, self.tuning),
                    ),
                    name="llama-bench",
                    cwd=Path(folder),
                    environment=clean_environment(os.environ, home=Path(folder), extra=self.tuning.environ),
                    on_line=on_line,
                    pidfiles=self.pidfiles,
                )
            )
            ending = await _wait(child, context)
        rows = bench_rows(lines)
        if len(rows) < 2:
            said = f" Its last words: {lines[-1]}" if lines else ""
            hint = "Run `jackdaw doctor`; it shows whether the engine works here."
            raise NotAvailable("bench_failed", f"The measurement failed: {ending.sentence}{said}", hint=hint)
        return bench_result(model.id, self.build.label, self.tuning, rows)


def bench_arguments(model: Path, options: BenchOptions, tuning: Tuning) -> tuple[str, ...]:
    """llama-bench's arguments. Source: llama.cpp tools/llama-bench/README.md."""
    threads = ("-t", str(tuning.threads)) if tuning.threads else ()
    sizes = ("-p", str(options.prompt_tokens), "-n", str(options.generate_tokens), "-r", str(options.repetitions))
    return ("-m", str(model), *sizes, *threads, "-o", "jsonl")


def bench_rows(lines: Sequence[str]) -> list[dict[str, Any]]:
    """The results among the lines of output, one JSON object each; warnings and the like are passed over."""
    rows = []
    for line in lines:
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict) and "avg_ts" in row:
            rows.append(row)
    return rows


def bench_result(model_id: str, build: str, tuning: Tuning, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The job's result: speeds in tokens/s."""
    prompt = next(row for row in rows if row.get("n_prompt"))
    generation = next(row for row in rows if row.get("n_gen"))
    return {
        "model": model_id,
        "build": build,
        "tuning": tuning.source,
        "threads": generation.get("n_threads"),
        "prompt_tokens": prompt["n_prompt"],
        "prompt_tokens_per_s": prompt["avg_ts"],
        "prompt_stddev": prompt.get("stddev_ts", 0.0),
        "generate_tokens": generation["n_gen"],
        "tokens_per_s": generation["avg_ts"],
        "stddev": generation.get("stddev_ts", 0.0),
    }


async def _wait(child: Child, context: JobContext) -> Ending:
    """Wait for the end; a cancelled job, and one that takes longer than any model should, stops the child."""
    deadline = time.monotonic() + LONGEST_S
    try:
        while not child.ended.done() and time.monotonic() < deadline:
            context.cancel.check()
            await asyncio.wait([child.ended], timeout=CANCEL_POLL_S)
    finally:
        ending = await child.stop(grace_s=1.0)
    return ending
