"""One model into several quantizations by llama-quantize, one after the other: the source stays in the page cache.

A file gets its name only when it is whole, checked and on the disk (temporaries.py). A cancel ends the child at once.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from models.disk_room import raise_if_filled, require_room
from models.errors import BadGguf, QuantizeFailed
from models.gguf import GgufHeader, read_header
from models.llama_tool import ToolJob, run_tool
from models.llamacpp import EngineBuild
from models.progress import Cancel, Progress, Report
from models.quantize import names
from models.quantize.check import check_source, check_targets
from models.quantize.mixture import Kept
from models.quantize.sizes import estimated_bytes
from models.quantize.temporaries import keep, temporary_file
from models.quantize.types import Quant, find_kept_type, find_quant
from models.split_gguf import model_stem, part_paths, read_model

BUFFER_MIB = 512  # rows held at a time: bounds the memory beside the source's own pages
_TENSOR_LINE = re.compile(r"\[\s*(\d+)/\s*(\d+)\]\s+(\S+)")


@dataclass(frozen=True, slots=True)
class Quantized:
    """One finished file. `peak_bytes`: memory llama-quantize held at most, the mapped source included."""

    quant: str
    path: Path
    bytes: int
    seconds: float
    peak_bytes: int


Finished = Callable[[Quantized], Awaitable[None]]


@dataclass(frozen=True)
class _Work:
    source: Path
    header: GgufHeader
    targets: tuple[Quant, ...]
    folder: Path
    imatrix: Path | None
    kept: Kept
    estimates: dict[str, int] = field(default_factory=dict)

    def path_of(self, target: Quant) -> Path:
        return self.folder / names.target_name(model_stem(self.source), target.name)


async def quantize(
    source: Path,
    targets: Sequence[str],
    folder: Path,
    *,
    build: EngineBuild,
    report: Report,
    cancel: Cancel,
    imatrix: Path | None = None,
    keep_output: str | None = None,
    keep_embeddings: str | None = None,
    finished: Finished | None = None,
    resume: bool = False,
    floor_bytes: int | None = None,
    pidfiles: Path | None = None,
) -> tuple[Path, ...]:
    """Make every quantization of `targets` ("Q4_K_M", …) of the model at `source`, as `folder`/NAME-QUANT.gguf.

    Of a split source any part may be named. `keep_output` and `keep_embeddings` are tensor types ("Q8_0", "F16") for
    those tensors. `finished` is awaited with each file as soon as it is whole; from then on it stays, whatever becomes
    of the others. Without it all files stay or none. `resume` takes a target that is there and whole for finished. The
    paths come in the order of `targets`. `floor_bytes` stay free on the disk (None: as models/disk_room.py says).

    Raises QuantizeFailed before anything is begun (no such type, quantized source, missing importance matrix, existing
    target) or when the tool fails, BadGguf for the source, DiskFull with the numbers, Cancelled; then nothing is left.
    """
    kept = Kept(find_kept_type(keep_output), find_kept_type(keep_embeddings), imatrix is not None)
    work = await asyncio.to_thread(_prepare, source, targets, folder, imatrix, kept)
    ready = await asyncio.to_thread(_ready, work, resume)
    missing = [target for target in work.targets if target not in ready]
    needed = sum(work.estimates[target.name] for target in missing)
    require_room(folder, needed, f"Quantizing {source.name}", floor_bytes)
    counter = _Counter(work, len(ready), report)
    made: list[Path] = []
    try:
        for target in missing:
            counter.begin(target)
            one = await _make(work, target, ToolJob(build, work.folder, cancel, pidfiles), counter)
            made.append(one.path)
            if finished is not None:
                await finished(one)
    except BaseException:
        if finished is None:
            await asyncio.to_thread(_discard, made)
        raise
    return tuple(work.path_of(target) for target in work.targets)


def _prepare(source: Path, targets: Sequence[str], folder: Path, imatrix: Path | None, kept: Kept) -> _Work:
    """Everything that can be known before: raises what `quantize` promises."""
    source, folder = source.absolute(), folder.absolute()
    quants = tuple(find_quant(name) for name in targets)
    check_targets(quants, imatrix=imatrix is not None)
    header = read_model(source)
    check_source(source.name, header)
    if imatrix is not None:
        check_imatrix(imatrix)
    estimates = {quant.name: estimated_bytes(header, quant, kept) for quant in quants}
    first = part_paths(source)[0] if header.split_count > 1 else source
    return _Work(first, header, quants, folder, imatrix and imatrix.absolute(), kept, estimates)


def check_imatrix(path: Path) -> None:
    """Raises QuantizeFailed unless the file is an importance matrix in GGUF."""
    hint = "Choose an importance matrix in GGUF, or have one made from a text."
    try:
        header = read_header(path)
    except BadGguf as error:
        raise QuantizeFailed(f"The importance matrix cannot be used. {error.message}", hint=hint) from error
    if header.file_kind != "imatrix":
        raise QuantizeFailed(f"{path.name} is no importance matrix.", hint=hint)


def _ready(work: _Work, resume: bool) -> set[Quant]:
    """Targets an interrupted run made already. Raises QuantizeFailed for any other file in the way of a target."""
    ready = set()
    for target in work.targets:
        path = work.path_of(target)
        if resume and path.exists() and _is_whole(path, work.header, target):
            ready.add(target)
        elif path.exists() or path.is_symlink():
            raise QuantizeFailed(
                f"{path.name} is in {work.folder} already.", hint="Delete or rename it, or choose another folder."
            )
    return ready


def _is_whole(path: Path, source: GgufHeader, target: Quant) -> bool:
    try:
        header = read_header(path)
    except BadGguf:
        return False
    same = [tensor.name for tensor in header.tensors], [tensor.name for tensor in source.tensors]
    return header.quant == target.name and sorted(same[0]) == sorted(same[1])


async def _make(work: _Work, target: Quant, job: ToolJob, counter: _Counter) -> Quantized:
    path = work.path_of(target)
    with temporary_file(path) as temporary:
        read = [part.resolve() for part in part_paths(work.source)] + ([work.imatrix.resolve()] if work.imatrix else [])
        run = await run_tool(
            _beside(job, work.imatrix),
            "llama-quantize",
            _arguments(work, target, temporary),
            read=read,
            write=[temporary],
            on_line=counter.line,
        )
        if not run.succeeded:
            rest = work.estimates[target.name] - temporary.stat().st_size
            raise_if_filled(work.folder, rest, f"The rest of {path.name}")
            run.check(QuantizeFailed, f"{work.source.name} could not be quantized to {target.name}")
        await asyncio.to_thread(keep, temporary, path)
    counter.end()
    return Quantized(target.name, path, path.stat().st_size, run.seconds, run.peak_bytes)


def _beside(job: ToolJob, imatrix: Path | None) -> ToolJob:
    """Run where the importance matrix is: its path as given is written into the file, and should name no folder."""
    return job if imatrix is None else ToolJob(job.build, imatrix.parent, job.cancel, job.pidfiles, job.nice)


def _arguments(work: _Work, target: Quant, temporary: Path) -> list[str]:
    arguments = ["--max-buffer-size", str(BUFFER_MIB)]
    if work.imatrix is not None:
        arguments += ["--imatrix", work.imatrix.name]
    if work.kept.output:
        arguments += ["--output-tensor-type", work.kept.output]
    if work.kept.embeddings:
        arguments += ["--token-embedding-type", work.kept.embeddings]
    if (name := names.renamed(work.header.name)) is not None:
        arguments += ["--override-kv", f"general.name=str:{name}"]
    return [*arguments, str(work.source), str(temporary), target.name]


def _discard(paths: Sequence[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


class _Counter:
    """One progress over all tensors of all targets, in bytes of the source, so that time left can be told from it."""

    def __init__(self, work: _Work, ready: int, report: Report) -> None:
        self._sizes = {tensor.name: tensor.bytes for tensor in work.header.tensors}
        self._once = work.header.weights_bytes
        self._total = self._once * len(work.targets)
        self._base = self._once * ready
        self._done = 0
        self._quant = ""
        self._report = report

    def begin(self, target: Quant) -> None:
        self._done, self._quant = 0, target.name
        self._tell(f"{self._quant}: reading the model")

    def line(self, line: str) -> None:
        """A line of the tool; it comes when its tensor is done."""
        found = _TENSOR_LINE.match(line)
        if found is None:
            return
        self._done += self._sizes.get(found[3], 0)
        self._tell(f"{self._quant}: tensor {found[1]} of {found[2]}")

    def end(self) -> None:
        self._base += self._once
        self._done = 0
        self._tell(f"{self._quant}: done")

    def _tell(self, message: str) -> None:
        self._report(Progress(self._base + self._done, self._total, "bytes", message))
