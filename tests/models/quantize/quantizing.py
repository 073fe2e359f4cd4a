"""A process of its own that quantizes, to be killed: `python -m tests.models.quantize.quantizing SOURCE`."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from desktop.paths import engine_cache
from models.llamacpp import find_build
from models.progress import Cancel, Progress
from models.quantize.quantize import quantize

TARGETS = ("Q8_0", "Q4_K_M")


async def main(source: Path) -> None:
    pidfiles = source.parent / "pids"
    pidfiles.mkdir(exist_ok=True)

    def report(progress: Progress) -> None:
        print(progress.message, flush=True)

    await quantize(
        source,
        TARGETS,
        source.parent,
        build=find_build(engine_cache(), os.environ),
        report=report,
        cancel=Cancel(),
        resume=True,
        floor_bytes=0,
        pidfiles=pidfiles,
    )


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
