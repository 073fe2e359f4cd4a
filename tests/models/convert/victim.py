"""A process that converts one checkpoint, to be killed or starved by the tests: see __main__ below for its words.

`python -m tests.models.convert.victim CHECKPOINT TARGET [full]`; with `full` the folder of TARGET becomes a tmpfs that
fills up after the conversion has begun, so it must be run by `unshare -Urm`. Prints what it saw as JSON.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

from desktop.paths import engine_cache
from models.convert.checkpoint import check_checkpoint
from models.convert.convert import convert
from models.errors import ModelsError
from models.llamacpp import find_build
from models.progress import Cancel, Progress

DISK_BYTES = 32 << 20


async def run(checkpoint: Path, target: Path, on_progress: Any) -> dict[str, Any]:
    build = find_build(engine_cache(), os.environ)
    assert build.convert_dir is not None
    try:
        made = await convert(
            check_checkpoint(checkpoint, build.convert_dir),
            target,
            "f16",
            build=build,
            report=on_progress,
            cancel=Cancel(),
            floor_bytes=0,
        )
    except ModelsError as error:
        return {
            "kind": error.kind,
            "message": error.message,
            "hint": error.hint,
            "left": os.listdir(target.parent),
        }
    return {"made": made.path.name, "left": os.listdir(target.parent)}


def fill(ballast: Path) -> None:
    with ballast.open("ab", buffering=0) as file:
        for size in (65536, 4096, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(b"x" * size)


def on_a_full_disk(checkpoint: Path, target: Path) -> list[dict[str, Any]]:
    """Too little room at first; room that goes away, all of it or all but 128 KiB, once it has begun; and enough."""
    disk, ballast = target.parent, target.parent / "ballast"
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(disk)], check=True)
    (disk / "old.gguf").write_bytes(b"old")

    def fill_up(progress: Progress, left: int = 0) -> None:
        if not ballast.exists():
            fill(ballast)
            os.truncate(ballast, ballast.stat().st_size - left)

    ballast.write_bytes(bytes(DISK_BYTES - (8 << 20)))
    seen = [asyncio.run(run(checkpoint, target, lambda _progress: None))]
    ballast.unlink()
    for left in (0, 128 << 10):
        seen.append(asyncio.run(run(checkpoint, target, partial(fill_up, left=left))))
        ballast.unlink()
    seen.append(asyncio.run(run(checkpoint, target, lambda _progress: None)))
    seen.append({"old": (disk / "old.gguf").read_text()})
    return seen


if __name__ == "__main__":
    paths = Path(sys.argv[1]), Path(sys.argv[2])
    if sys.argv[3:] == ["full"]:
        print(json.dumps(on_a_full_disk(*paths)))
    else:
        print(json.dumps(asyncio.run(run(*paths, lambda progress: print(progress.done, flush=True)))))
