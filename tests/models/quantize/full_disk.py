"""Quantizing, its matrix, and the logits of a comparison on a tiny disk that fills up: run in a mount namespace.

`python -m tests.models.quantize.full_disk STAGE FOLDER MODEL` mounts a tmpfs of 8 MB over FOLDER, so it must be run by
`unshare -Urm`. It prints what it saw as JSON; what is right is decided by the test.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from desktop.paths import engine_cache
from models.errors import ModelsError
from models.gguf import read_header
from models.llama_tool import ToolJob
from models.llamacpp import EngineBuild, find_build
from models.measure import divergence as loss
from models.progress import Cancel, Progress, Report
from models.quantize.imatrix import imatrix, neutral_text
from models.quantize.quantize import quantize
from models.quantize.split import split
from tests.service.full_disk import Disk

Work = Callable[[Path, Path, EngineBuild, Report], Awaitable[object]]


async def quantizing(source: Path, folder: Path, build: EngineBuild, report: Report) -> object:
    return await quantize(source, ["Q8_0", "Q6_K"], folder, build=build, report=report, cancel=Cancel(), floor_bytes=0)


async def matrix(source: Path, folder: Path, build: EngineBuild, report: Report) -> object:
    return await imatrix(
        source, folder / "m.gguf", build=build, report=report, cancel=Cancel(), max_chunks=2, floor_bytes=0
    )


async def splitting(source: Path, folder: Path, build: EngineBuild, report: Report) -> object:
    return await split(source, folder, 1_000_000, build=build, report=report, cancel=Cancel(), floor_bytes=0)


async def logits(source: Path, folder: Path, build: EngineBuild, report: Report) -> object:
    loss.bounded_chunks(folder, read_header(source), 4, 512, 0)
    job = ToolJob(build, folder, Cancel())
    return await loss.source_logits(
        job, source, neutral_text(), folder / "a.logits", chunks=4, context=512, report=report
    )


STAGES: dict[str, Work] = {"quantize": quantizing, "imatrix": matrix, "split": splitting, "logits": logits}


def content(folder: Path) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir() if path.name != "ballast"
    }


async def outcome(work: Awaitable[object]) -> dict[str, Any]:
    try:
        await work
    except ModelsError as error:
        return {"kind": error.kind, "message": error.message, "hint": error.hint, **numbers(error)}
    return {}


def numbers(error: ModelsError) -> dict[str, int]:
    return {name: getattr(error, name) for name in ("needed_bytes", "free_bytes") if hasattr(error, name)}


async def session(stage: str, disk: Disk, source: Path) -> dict[str, Any]:
    build, work = find_build(engine_cache(), os.environ), STAGES[stage]
    (disk.folder / "old.gguf").write_bytes(b"old data" * 1000)
    before = content(disk.folder)
    disk.fill()
    seen = {"before": await outcome(work(source, disk.folder, build, lambda progress: None))}
    seen["kept_before"] = {"same": content(disk.folder) == before}
    disk.free()

    def fill(progress: Progress) -> None:
        """The first report comes after the room was asked for, and before anything is written."""
        if not disk.is_full():
            disk.fill()

    seen["midway"] = await outcome(work(source, disk.folder, build, fill))
    seen["kept_midway"] = {"same": content(disk.folder) == before}
    disk.free()
    seen["after"] = await outcome(work(source, disk.folder, build, lambda progress: None))
    seen["made"] = {"new": sorted(content(disk.folder).keys() - before.keys())}
    return seen


def main(stage: str, folder: str, model: str) -> None:
    disk = Disk(Path(folder))
    disk.mount()
    print(json.dumps(asyncio.run(session(stage, disk, Path(model)))))


if __name__ == "__main__":
    main(*sys.argv[1:])
