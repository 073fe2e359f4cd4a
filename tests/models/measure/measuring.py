"""A process of its own that measures, to be killed: `python -m tests.models.measure.measuring DATABASE FOLDER`.

It measures the models of the library in that database, the first one being the source.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from desktop.paths import engine_cache
from models.database import Database
from models.library import LIBRARY_MIGRATIONS, Library
from models.llamacpp import find_build
from models.measure.job import MeasurePlan, measure
from models.measure.store import MEASUREMENTS_MIGRATION, Measurements
from models.measure.types import Subject
from models.progress import Cancel


def plan_of(subjects: list[Subject], folder: Path) -> MeasurePlan:
    return MeasurePlan(subjects[0], tuple(subjects[1:]), folder, chunks=2, memory_context=256, repeats=1, floor_bytes=0)


async def main(path: Path, folder: Path) -> None:
    database = await Database.open(path, (*LIBRARY_MIGRATIONS, MEASUREMENTS_MIGRATION))
    subjects = [Subject(one.id, one.path, one.quant, one.bytes) for one in await Library(database).list()]
    await measure(
        plan_of(subjects, folder),
        Measurements(database),
        build=find_build(engine_cache(), os.environ),
        report=lambda progress: print(progress.message, flush=True),
        cancel=Cancel(),
    )
    await database.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2])))
