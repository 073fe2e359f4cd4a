"""KL divergence and perplexity by llama-perplexity: the source's logits once, then every quantization against them.

The logits are kept as llama-perplexity writes them, 16 bits per token of the vocabulary, for the second half of every
chunk. Source: llama.cpp's tools/perplexity/README.md and perplexity.cpp.

As it comes, the tool prints in a thread that it does not wait for, so now and then its last lines are lost
(common/log.cpp says so). Our build waits (packaging/engine_mends.py); for somebody else's a run whose numbers are
missing is repeated.

The source's perplexity is what the tool says of its own run. "Mean PPL(base)" of a comparison is another number: the
stored logits end 16 nats below the most likely token, so of a surprising text it is too low.
"""

from __future__ import annotations

import math
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from models.disk_room import disk_floor, raise_if_filled, require_room
from models.errors import MeasureFailed
from models.gguf import GgufHeader
from models.llama_tool import ToolJob, run_tool
from models.measure.types import Divergence
from models.progress import Report
from models.quantize.imatrix import ChunkCounter
from models.split_gguf import part_paths

CONTEXT = 512
DEFAULT_CHUNKS = 16
MIN_CHUNKS = 2
MAX_LOGITS_BYTES = 8 << 30
TRIES = 5
LOGITS_SUFFIX = ".logits"
PART_SUFFIX = ".logits.part"

_NUMBER = r"(-?(?:\d+\.\d+|nan|inf))"
_PERPLEXITY = re.compile(rf"^Mean PPL\(Q\)\s*:\s*{_NUMBER} ± +{_NUMBER}$")
_SOURCE_PERPLEXITY = re.compile(rf"Final estimate: PPL = {_NUMBER} \+/- {_NUMBER}$")
_MEAN = re.compile(rf"^Mean\s+KLD:\s*{_NUMBER} ± +{_NUMBER}$")
_P99 = re.compile(rf"^99\.0%\s+KLD:\s*{_NUMBER}$")
_SAME_TOP = re.compile(rf"^Same top p:\s*{_NUMBER} ± +{_NUMBER} %$")
_CHUNK_ROW = re.compile(r"^ *(\d+) +[-\d.na]+ ± ")


@dataclass(frozen=True, slots=True)
class Logits:
    """The source's logits on a text. `tokens` are those that are compared."""

    path: Path
    chunks: int
    context: int

    @property
    def tokens(self) -> int:
        return self.chunks * scored_tokens(self.context)


def scored_tokens(context: int) -> int:
    """Tokens of one chunk that count: the second half, which has a context to go by, less the last."""
    return context - 1 - context // 2


def logits_bytes(vocabulary: int, context: int, chunks: int) -> int:
    """The exact size of a file of logits."""
    row = 2 * ((vocabulary + 1) // 2) + 4  # 16-bit values: scale and minimum as floats, then one per token
    return 20 + chunks * (4 * context + 2 * row * scored_tokens(context))


def bounded_chunks(folder: Path, header: GgufHeader, wanted: int, context: int, floor_bytes: int | None) -> int:
    """How many chunks of the wanted ones there is room for. Raises DiskFull when not even MIN_CHUNKS fit."""
    one = logits_bytes(header.vocab_size, context, 1)
    floor = disk_floor(folder) if floor_bytes is None else floor_bytes
    require_room(folder, MIN_CHUNKS * one, "Comparing with the source", floor)
    room = shutil.disk_usage(folder).free - floor
    return max(MIN_CHUNKS, min(wanted, room // one, MAX_LOGITS_BYTES // one))


def existing_logits(path: Path, context: int) -> Logits | None:
    """Logits that an interrupted run left whole, or None."""
    if not path.is_file():
        return None
    vocabulary, chunks, is_one = _head(path)
    whole = is_one and chunks > 0 and logits_bytes(vocabulary, context, chunks) == path.stat().st_size
    return Logits(path, chunks, context) if whole else None


async def source_logits(
    job: ToolJob, source: Path, text: Path, out: Path, *, chunks: int, context: int, report: Report
) -> tuple[Logits, float, float]:
    """Run the source over the text; returns its logits in `out`, its perplexity and the error of that.

    Raises MeasureFailed (text too short, the tool failed), DiskFull, Cancelled; then nothing is left of `out`.
    """
    part = out.with_name(out.name.removesuffix(LOGITS_SUFFIX) + PART_SUFFIX)
    part.touch(0o600)
    try:
        for _ in range(TRIES):
            made, lines = await _run_source(job, source, text, part, chunks=chunks, context=context, report=report)
            if any(_SOURCE_PERPLEXITY.search(line) for line in lines):
                break
        perplexity, error = _find(_SOURCE_PERPLEXITY, lines, "\n".join(lines[-60:]))
        part.rename(out)
    finally:
        part.unlink(missing_ok=True)
    return Logits(out, made.chunks, context), perplexity, error


async def _run_source(
    job: ToolJob, source: Path, text: Path, part: Path, *, chunks: int, context: int, report: Report
) -> tuple[Logits, list[str]]:
    lines: list[str] = []
    counter = ChunkCounter("Reading the text with the source", chunks, report)

    def listen(line: str) -> None:
        counter.line(line)
        lines.append(line)

    run = await run_tool(
        job,
        "llama-perplexity",
        [*_model(source, context), "-f", str(text), "--chunks", str(chunks), "--kl-divergence-base", str(part)],
        read=_files(source, text),
        write=[part],
        on_line=listen,
        line_ends=b"\n,",
    )
    made = existing_logits(part, context)
    if made is None or not run.succeeded:  # a full disk leaves a short file, and no word of it
        raise_if_filled(part.parent, 0, "The rest of the source's logits")
    run.check(MeasureFailed, f"{source.name} could not be run over the text", _too_short(context))
    if made is None:
        raise MeasureFailed("llama-perplexity wrote no logits.", log_tail=run.log_tail, hint=_REPORT)
    return made, lines


async def divergence(
    job: ToolJob, model: Path, logits: Logits, *, source_perplexity: float, name: str, report: Report
) -> Divergence:
    """Run one quantization over the same text and compare. Raises MeasureFailed, Cancelled."""
    for _ in range(TRIES):
        lines = await _compare(job, model, logits, name, report)
        if any(_SAME_TOP.match(line) for line in lines):
            break
    return parse_divergence(lines, source_perplexity)


async def _compare(job: ToolJob, model: Path, logits: Logits, name: str, report: Report) -> list[str]:
    lines: list[str] = []
    counter = ChunkCounter(f"{name}: loss", logits.chunks, report)

    def listen(line: str) -> None:
        if row := _CHUNK_ROW.match(line):
            counter.line(f"[{row[1]}]")
        else:
            lines.append(line)

    run = await run_tool(
        job,
        "llama-perplexity",
        [*_model(model, logits.context), "--kl-divergence", "--kl-divergence-base", str(logits.path)],
        read=_files(model, logits.path),
        on_line=listen,
    )
    run.check(MeasureFailed, f"{name} could not be compared with its source")
    return lines


def parse_divergence(lines: Sequence[str], source_perplexity: float) -> Divergence:
    """The statistics at the end of llama-perplexity's output.

    Raises MeasureFailed when a line is missing or a number is none: then the model computes nonsense, or llama.cpp
    writes something else than the pinned release does.
    """
    text = "\n".join(lines[-60:])
    perplexity, mean, p99, same = (_find(pattern, lines, text) for pattern in (_PERPLEXITY, _MEAN, _P99, _SAME_TOP))
    return Divergence(
        kl_divergence=max(0.0, mean[0]),  # rounding of the stored logits can make it -0.000001
        kl_divergence_error=mean[1],
        kl_divergence_p99=p99[0],
        same_top_percent=same[0],
        perplexity=perplexity[0],
        perplexity_error=perplexity[1],
        source_perplexity=source_perplexity,
    )


def sweep_logits(folder: Path) -> list[Path]:
    """Remove all logits in `folder`, whole or not; for a start with no measurement to be resumed."""
    found = [*folder.glob(f"*{LOGITS_SUFFIX}"), *folder.glob(f"*{PART_SUFFIX}")]
    for path in found:
        path.unlink(missing_ok=True)
    return found


def _model(path: Path, context: int) -> list[str]:
    """One chunk at a time: the memory stays small, and every chunk is told of."""
    return ["--offline", "--log-colors", "off", "-m", str(path), "-c", str(context), "-b", str(context)]


def _files(model: Path, other: Path) -> list[Path]:
    """What the child reads: all parts of a model and one other file, links resolved."""
    return [path.resolve() for path in (*part_paths(model), other) if path.exists()]


def _find(pattern: re.Pattern[str], lines: Sequence[str], log: str) -> list[float]:
    found = next((match for line in lines if (match := pattern.search(line))), None)
    numbers = [float(number) for number in found.groups()] if found else []
    if not numbers:
        raise MeasureFailed("llama-perplexity did not say what was measured.", log_tail=log, hint=_REPORT)
    if not all(math.isfinite(number) for number in numbers):
        raise MeasureFailed("The model computes no numbers (NaN) on this text.", log_tail=log, hint=_BROKEN)
    return numbers


_REPORT = "The end of its log says more; report it when it repeats."
_BROKEN = "Make the quantization again, or choose another type."


def _too_short(context: int) -> str:
    return f"The text needs at least {2 * context} tokens; the end of the log says more."


def _head(path: Path) -> tuple[int, int, bool]:
    """Tokens of the vocabulary, chunks, and whether the file is one of logits at all."""
    with path.open("rb") as file:
        start = file.read(20)
    magic = len(start) == 20 and start.startswith(b"_logits_")
    return int.from_bytes(start[12:16], "little"), int.from_bytes(start[16:20], "little"), magic
