"""A ladder of a tiny model, made once, and a database with its rungs in the library."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from models.database import Database
from models.library import LIBRARY_MIGRATIONS, Library
from models.llamacpp import EngineBuild
from models.measure.store import MEASUREMENTS_MIGRATION, Measurements
from models.measure.types import Subject
from models.progress import Cancel
from models.quantize.quantize import quantize

RUNGS = ("Q8_0", "Q4_K_M", "Q2_K")


@pytest.fixture(scope="session")
def ladder(tmp_path_factory: pytest.TempPathFactory, tiny_chat_gguf: Path, build: EngineBuild) -> tuple[Path, ...]:
    """The source and its quantizations, best first."""
    folder = tmp_path_factory.mktemp("ladder")
    source = folder / "Tiny-F16.gguf"
    source.symlink_to(tiny_chat_gguf)
    made = asyncio.run(
        quantize(source, RUNGS, folder, build=build, report=lambda progress: None, cancel=Cancel(), floor_bytes=0)
    )
    return (source, *made)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = await Database.open(tmp_path / "jackdaw.db", (*LIBRARY_MIGRATIONS, MEASUREMENTS_MIGRATION))
    yield database
    await database.close()


@pytest.fixture
async def subjects(database: Database, ladder: tuple[Path, ...]) -> list[Subject]:
    library = Library(database)
    models = [await library.import_path(path) for path in ladder]
    return [Subject(model.id, model.path, model.quant, model.bytes) for model in models]


@pytest.fixture
def measurements(database: Database) -> Measurements:
    return Measurements(database, clock=lambda: 1000.0)
