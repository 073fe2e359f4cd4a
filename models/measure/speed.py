"""Speed and peak memory of a model on this machine, by llama-bench. Not niced: what is timed must not give way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from models.errors import MeasureFailed
from models.llama_tool import ToolJob, ToolRun, run_tool
from models.measure.types import Memory, Speed
from models.progress import Progress, Report
from models.split_gguf import part_paths

PROMPT_TOKENS = 512
GENERATED_TOKENS = 64
REPEATS = 3
MEMORY_CONTEXT = 2048


async def measure_speed(
    job: ToolJob, model: Path, *, name: str, report: Report, repeats: int = REPEATS, prompt_tokens: int = PROMPT_TOKENS
) -> Speed:
    """Tokens per second, means of `repeats` runs after a warm-up. Raises MeasureFailed, Cancelled."""
    report(Progress(0, 1, "runs", f"{name}: speed of reading and writing"))
    arguments = ["-p", str(prompt_tokens), "-n", str(GENERATED_TOKENS), "-r", str(repeats)]
    _, rows = await _bench(job, model, arguments, name)
    prompt = _speed_of(rows, prompt_tokens, 0, name)
    generation = _speed_of(rows, 0, GENERATED_TOKENS, name)
    return Speed(prompt, generation, prompt_tokens, GENERATED_TOKENS)


async def measure_memory(job: ToolJob, model: Path, *, name: str, context: int, report: Report) -> Memory:
    """Peak memory with a context of `context` tokens filled and one more written. Raises MeasureFailed, Cancelled."""
    report(Progress(0, 1, "runs", f"{name}: memory with {context:,} tokens of context"))
    arguments = ["-p", "0", "-n", "1", "-d", str(context - 1), "-r", "1", "--no-warmup"]
    run, _ = await _bench(job, model, arguments, name)
    return Memory(run.peak_bytes, context)


async def _bench(job: ToolJob, model: Path, arguments: list[str], name: str) -> tuple[ToolRun, list[dict[str, Any]]]:
    lines: list[str] = []
    run = await run_tool(
        job,
        "llama-bench",
        ["--offline", "-m", str(model), "-o", "json", *arguments],
        read=[part.resolve() for part in part_paths(model) if part.exists()],
        on_line=lines.append,
    )
    run.check(MeasureFailed, f"{name} could not be timed")
    return run, parse_rows(lines)


def parse_rows(lines: list[str]) -> list[dict[str, Any]]:
    """llama-bench's JSON out of its output, where warnings may stand before it. Raises MeasureFailed."""
    text = "\n".join(lines)
    start = next((index for index, line in enumerate(lines) if line.strip() == "["), None)
    try:
        if start is None:
            raise ValueError("no list")
        rows, _ = json.JSONDecoder().raw_decode("\n".join(lines[start:]))
    except ValueError as error:
        raise MeasureFailed(
            "llama-bench did not say what was measured.", log_tail=text[-2000:], hint="Report it when it repeats."
        ) from error
    return [row for row in rows if isinstance(row, dict)]


def _speed_of(rows: list[dict[str, Any]], prompt: int, generated: int, name: str) -> float:
    for row in rows:
        speed = row.get("avg_ts")
        asked = (row.get("n_prompt"), row.get("n_gen")) == (prompt, generated)
        if asked and isinstance(speed, int | float) and speed > 0:
            return float(speed)
    raise MeasureFailed(f"llama-bench gave no speed of {name}.", hint="Report it when it repeats.")
