"""One checkpoint into one GGUF file, by llama.cpp's own script."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from models.convert.checkpoint import Checkpoint
from models.convert.run import ScriptJob, keep, run_script, scripts_of, workplace
from models.disk_room import require_room
from models.errors import ConvertRefused
from models.gguf import GgufHeader
from models.llamacpp import EngineBuild
from models.progress import Cancel, Progress, Report

OutType = Literal["auto", "f32", "f16", "bf16", "q8_0"]
OUT_TYPES: tuple[OutType, ...] = get_args(OutType)

SCRIPT = "convert_hf_to_gguf.py"
ROOM_SHARE = 1.1  # of the larger of input and output
FILE_SLACK_BYTES = 1 << 30  # an output far beyond what was computed is no model
_BITS = {"f32": 32.0, "f16": 16.0, "bf16": 16.0, "auto": 16.0, "q8_0": 8.5}


@dataclass(frozen=True, slots=True)
class Converted:
    """A finished file. `peak_bytes`: memory the script held at most, mapped weights included."""

    path: Path
    header: GgufHeader
    seconds: float
    peak_bytes: int


def output_bytes(checkpoint: Checkpoint, out_type: OutType) -> int:
    """What the file will have at most, a little above: small tensors stay in 32 bits."""
    return int(checkpoint.parameters * _BITS[out_type] / 8 * 1.02) + (16 << 20)


def needed_bytes(checkpoint: Checkpoint, out_type: OutType) -> int:
    """What must be free on the disk before a conversion starts."""
    return int(ROOM_SHARE * max(checkpoint.weights_bytes, output_bytes(checkpoint, out_type)))


async def convert(
    checkpoint: Checkpoint,
    target: Path,
    out_type: OutType = "auto",
    *,
    build: EngineBuild,
    report: Report,
    cancel: Cancel,
    name: str = "",
    projector: bool = False,
    floor_bytes: int | None = None,
    pidfiles: Path | None = None,
) -> Converted:
    """Make `target` of `checkpoint`; "auto" takes the 16-bit type the weights have. `name` becomes general.name.

    With `projector` the picture part alone is made. Progress is in tensors. The target appears whole or not at all;
    when cancelled or failed nothing is left. Raises ConvertRefused, ConvertFailed, DiskFull, BadGguf, Cancelled.
    """
    if out_type not in OUT_TYPES:
        raise ConvertRefused(f"{out_type!r} is no output type.", hint=f"Choose one of {', '.join(OUT_TYPES)}.")
    if projector and not checkpoint.has_projector:
        raise ConvertRefused(f"{checkpoint.name} has no picture part.", hint="Convert the model itself.")
    scripts_of(build)
    needed = needed_bytes(checkpoint, out_type)
    require_room(target.parent, needed, f"Converting {checkpoint.name}", floor_bytes)
    began = time.monotonic()
    total = len(checkpoint.tensors)

    def written(tensors: int, done: int, size: int) -> None:
        # The script joins and splits tensors (experts, for one), so its own count is not the checkpoint's.
        report(Progress(min(total, round(total * done / size)) if size else tensors, total, "tensors", "Writing"))

    report(Progress(0, total, "tensors", "Reading the checkpoint"))
    with workplace(target, needed) as place:
        await asyncio.to_thread(place.take, checkpoint.folder, checkpoint.settings, checkpoint.weights)
        job = ScriptJob(build, cancel, needed, needed + FILE_SLACK_BYTES, pidfiles)
        arguments = [str(place.input), "--outfile", str(place.out), "--outtype", out_type]
        arguments += ["--model-name", name or checkpoint.name]
        arguments += ["--mmproj"] if projector else []
        arguments += ["--sentence-transformers-dense-modules"] if checkpoint.dense_modules else []
        peak = await run_script(job, place, SCRIPT, arguments, written)
        cancel.check()
        header = await keep(place)
    report(Progress(total, total, "tensors", "Converted"))
    return Converted(target, header, time.monotonic() - began, peak)
