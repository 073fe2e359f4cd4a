"""Splitting a model's file into parts and merging them again, by llama-gguf-split; the weights stay as they are."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from models.disk_room import human, raise_if_filled, require_room
from models.errors import QuantizeFailed
from models.llama_tool import ToolJob, ToolRun, run_tool
from models.llamacpp import EngineBuild
from models.progress import Cancel, Progress, Report
from models.quantize.temporaries import keep, temporary_folder
from models.split_gguf import MAX_PARTS, model_stem, part_paths, read_model

MIN_PART_BYTES = 1_000_000  # llama-gguf-split counts in millions of bytes
HEADER_BYTES = 1 << 20  # about, of each part beside its weights
_SAMPLE_S = 0.2


@dataclass(frozen=True, slots=True)
class _Work:
    parts: tuple[Path, ...]
    folder: Path
    stem: str
    bytes: int


async def split(
    source: Path,
    folder: Path,
    max_bytes: int,
    *,
    build: EngineBuild,
    report: Report,
    cancel: Cancel,
    floor_bytes: int | None = None,
    pidfiles: Path | None = None,
) -> tuple[Path, ...]:
    """Write the model at `source` to `folder` as NAME-00001-of-0000N.gguf, parts of about `max_bytes` at most.

    A part is larger when a single tensor is. `source` stays. Raises QuantizeFailed (split already, one part would do,
    targets exist, the tool failed), BadGguf, DiskFull, Cancelled; then nothing is left.
    """
    work = await asyncio.to_thread(_prepare_split, source, folder, max_bytes)
    require_room(work.folder, work.bytes + HEADER_BYTES, f"Splitting {source.name}", floor_bytes)
    with temporary_folder(work.folder / f"{work.stem}.gguf") as temporary:
        async with _counted(temporary, work.bytes, report, f"Splitting {source.name}"):
            run = await run_tool(
                ToolJob(build, temporary, cancel, pidfiles),
                "llama-gguf-split",
                [
                    *("--split", "--split-max-size", f"{max_bytes // 1_000_000}M"),
                    *(str(work.parts[0]), str(temporary / work.stem)),
                ],
                read=[work.parts[0].resolve()],
                write=[temporary],
            )
        _check(run, work, temporary, f"{source.name} could not be split")
        parts = await asyncio.to_thread(_keep_all, sorted(temporary.glob("*.gguf")), work.folder)
    report(Progress(work.bytes, work.bytes, "bytes", f"Split into {len(parts)} parts"))
    return parts


async def merge(
    source: Path,
    folder: Path,
    *,
    build: EngineBuild,
    report: Report,
    cancel: Cancel,
    floor_bytes: int | None = None,
    pidfiles: Path | None = None,
) -> Path:
    """Write the split model `source` is a part of to `folder`/NAME.gguf, whole; the parts stay.

    Raises QuantizeFailed (not split, target exists, the tool failed), BadGguf (a part is missing), DiskFull, Cancelled;
    then nothing is left.
    """
    work = await asyncio.to_thread(_prepare_merge, source, folder)
    target = work.folder / f"{work.stem}.gguf"
    require_room(work.folder, work.bytes, f"Merging {target.name}", floor_bytes)
    with temporary_folder(target) as temporary:
        async with _counted(temporary, work.bytes, report, f"Merging {len(work.parts)} parts"):
            run = await run_tool(
                ToolJob(build, temporary, cancel, pidfiles),
                "llama-gguf-split",
                ["--merge", str(work.parts[0]), str(temporary / target.name)],
                read=[part.resolve() for part in work.parts],
                write=[temporary],
            )
        _check(run, work, temporary, f"{target.name} could not be merged")
        (kept,) = await asyncio.to_thread(_keep_all, [temporary / target.name], work.folder)
    report(Progress(work.bytes, work.bytes, "bytes", f"Merged as {kept.name}"))
    return kept


def _check(run: ToolRun, work: _Work, temporary: Path, what: str) -> None:
    if not run.succeeded:
        raise_if_filled(work.folder, work.bytes - _written(temporary), f"The rest of {work.stem}")
    run.check(QuantizeFailed, what)


def _prepare_split(source: Path, folder: Path, max_bytes: int) -> _Work:
    header = read_model(source)
    if header.split_count > 1:
        raise QuantizeFailed(f"{source.name} is split already.", hint="Merge it first to split it differently.")
    if not MIN_PART_BYTES <= max_bytes < header.file_bytes or header.file_bytes // max_bytes >= MAX_PARTS:
        raise QuantizeFailed(
            f"{source.name} has {human(header.file_bytes)}, which cannot be split into parts of {human(max_bytes)}.",
            hint=f"Choose a size between {human(MIN_PART_BYTES)} and that of the file.",
        )
    stem = model_stem(source)
    work = _Work((source.absolute(),), folder.absolute(), stem, header.file_bytes)
    for path in work.folder.iterdir():
        if model_stem(path) == stem and len(part_paths(path)) > 1:
            raise QuantizeFailed(f"{path.name} is in {folder} already.", hint="Delete it, or choose another folder.")
    return work


def _prepare_merge(source: Path, folder: Path) -> _Work:
    header = read_model(source)
    if header.split_count == 1:
        raise QuantizeFailed(f"{source.name} is whole already.", hint="Choose a part of a split model.")
    work = _Work(part_paths(source.absolute()), folder.absolute(), model_stem(source), header.file_bytes)
    if (work.folder / f"{work.stem}.gguf").exists():
        raise QuantizeFailed(
            f"{work.stem}.gguf is in {folder} already.", hint="Delete or rename it, or choose another folder."
        )
    return work


def _keep_all(made: list[Path], folder: Path) -> tuple[Path, ...]:
    """All parts under their names, or none of them."""
    kept: list[Path] = []
    try:
        for path in made:
            keep(path, folder / path.name)
            kept.append(folder / path.name)
    except BaseException:
        for path in kept:
            path.unlink(missing_ok=True)
        raise
    return tuple(kept)


@asynccontextmanager
async def _counted(folder: Path, total: int, report: Report, message: str) -> AsyncIterator[None]:
    """Report how much the tool has written so far: its own lines come only at the end."""

    async def sample() -> None:
        while True:
            report(Progress(min(total, await asyncio.to_thread(_written, folder)), total, "bytes", message))
            await asyncio.sleep(_SAMPLE_S)

    task = asyncio.create_task(sample())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def _written(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())
