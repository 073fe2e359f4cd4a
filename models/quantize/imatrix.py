"""The importance matrix: which weights matter most for a text, by llama-imatrix.

Quantizing with it errs where it costs least.

`neutral_text()` is a text that ships with us for it: prose, dialogue, code, lists, numbers and several languages.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from models.disk_room import human, raise_if_filled, require_room
from models.errors import QuantizeFailed
from models.gguf import GgufHeader
from models.llama_tool import ToolJob, run_tool
from models.llamacpp import EngineBuild
from models.progress import Cancel, Progress, Report
from models.quantize.check import check_source
from models.quantize.mixture import is_quantized_weight
from models.quantize.temporaries import keep, temporary_file
from models.split_gguf import part_paths, read_model

CONTEXT = 512  # tokens of one chunk
DEFAULT_CHUNKS = 100
MAX_CHUNKS = 2000
MIN_TEXT_BYTES = 2048
MAX_TEXT_BYTES = 256 * 1024 * 1024
_CHUNKS = re.compile(r"computing over (\d+) chunks")
_CHUNK = re.compile(r"\[(\d+)\]")
_LONGER = f"Choose a text of at least {CONTEXT * 2} tokens, some pages."


@dataclass(frozen=True, slots=True)
class _Work:
    source: Path
    out: Path
    text: Path
    read: tuple[Path, ...]
    bytes: int  # about, of the matrix


def neutral_text() -> Path:
    """The text that comes with Jackdaw. It is a real file: children read it."""
    return Path(str(resources.files("models.quantize") / "neutral_text.txt"))


async def imatrix(
    source: Path,
    out: Path,
    *,
    build: EngineBuild,
    report: Report,
    cancel: Cancel,
    text: Path | None = None,
    max_chunks: int = DEFAULT_CHUNKS,
    floor_bytes: int | None = None,
    pidfiles: Path | None = None,
) -> Path:
    """Compute the importance matrix of the model at `source` and write it to `out`, a GGUF file.

    `text` is what the model reads, UTF-8, at most `max_chunks` chunks of 512 tokens of it (None: `neutral_text()`).
    Raises QuantizeFailed (quantized source, unusable text, `out` exists, the tool failed), BadGguf, DiskFull,
    Cancelled; then nothing is left.
    """
    work = await asyncio.to_thread(_prepare, source, out, text or neutral_text())
    require_room(work.out.parent, work.bytes, "The importance matrix", floor_bytes)
    chunks = max(1, min(max_chunks, MAX_CHUNKS))
    counter = ChunkCounter("Importance matrix", chunks, report)
    with temporary_file(work.out) as temporary:
        run = await run_tool(
            # Run beside the text: its path as given is written into the matrix, and should name no folder.
            ToolJob(build, work.text.parent, cancel, pidfiles),
            "llama-imatrix",
            _arguments(work, temporary, chunks),
            read=work.read,
            write=[temporary],
            on_line=counter.line,
            line_ends=b"\n,",
        )
        if not run.succeeded or temporary.stat().st_size == 0:
            raise_if_filled(work.out.parent, work.bytes, "The importance matrix")
        run.check(QuantizeFailed, f"No importance matrix of {source.name} could be computed")
        if temporary.stat().st_size == 0:
            raise QuantizeFailed(f"{work.text.name} is too short for {source.name}.", hint=_LONGER)
        await asyncio.to_thread(keep, temporary, work.out)
    return work.out


def _prepare(source: Path, out: Path, text: Path) -> _Work:
    header = read_model(source)
    check_source(source.name, header)
    check_text(text)
    parts = part_paths(source) if header.split_count > 1 else (source,)
    read = (*(part.resolve() for part in parts), text.resolve())
    return _Work(parts[0].absolute(), out.absolute(), text.absolute(), read, matrix_bytes(header))


def matrix_bytes(header: GgufHeader) -> int:
    """About the size of the matrix: a float32 for every column of every matrix that is quantized, of each expert."""
    columns = 0
    for tensor in header.tensors:
        if is_quantized_weight(tensor):
            columns += tensor.shape[0] * (tensor.shape[2] if len(tensor.shape) > 2 else 1)
    return 4 * columns + 200 * len(header.tensors)


def check_text(path: Path) -> None:
    """Raises QuantizeFailed unless `path` is a text of UTF-8 that is neither too short nor too long to be one."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(MIN_TEXT_BYTES)
    except OSError as error:
        raise QuantizeFailed(f"{path} cannot be read: {error.strerror}.", hint="Check the path.") from error
    if size < MIN_TEXT_BYTES or size > MAX_TEXT_BYTES:
        raise QuantizeFailed(
            f"{path.name} has {human(size)}; a text of {human(MIN_TEXT_BYTES)} to {human(MAX_TEXT_BYTES)} is needed.",
            hint=_LONGER,
        )
    if b"\0" in start:
        raise QuantizeFailed(f"{path.name} is no text.", hint="Choose a text file in UTF-8.")


def _arguments(work: _Work, out: Path, chunks: int) -> list[str]:
    return [
        *("--offline", "--log-colors", "off", "-m", str(work.source), "-f", work.text.name, "-o", str(out)),
        *("-c", str(CONTEXT), "-b", str(CONTEXT), "--chunks", str(chunks), "--output-frequency", str(MAX_CHUNKS)),
    ]


class ChunkCounter:
    """Counts the "[n]value," by which llama-imatrix and llama-perplexity tell how far they are."""

    def __init__(self, what: str, chunks: int, report: Report) -> None:
        self._what = what
        self._chunks = chunks
        self._report = report
        self._tell(0)

    def line(self, line: str) -> None:
        if found := _CHUNKS.search(line):
            self._chunks = int(found[1])
        elif found := _CHUNK.match(line):
            self._tell(int(found[1]))

    def _tell(self, number: int) -> None:
        message = f"{self._what}: chunk {number} of {self._chunks}"
        self._report(
            Progress(number, self._chunks, "chunks", message if number else f"{self._what}: reading the model")
        )
