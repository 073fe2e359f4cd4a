"""A database with the hashes and the library in it, for scans."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import pytest

from models.database import Database
from models.library import LIBRARY_MIGRATIONS, Library
from models.stores.hashes import FILE_HASHES_MIGRATION, FileHashes
from models.stores.places import StorePlaces
from models.stores.scan import scan
from models.stores.types import FoundModel, ScanResult
from models.tiny_model import write_tiny_model

T = TypeVar("T")


@dataclass(frozen=True)
class Tools:
    library: Library
    hashes: FileHashes

    async def scan(self, places: StorePlaces) -> ScanResult:
        return await scan(places, self.hashes, await self.library.list(), clock=lambda: 99.0)


class Use(Protocol):
    """Opens jackdaw.db, awaits the function, closes; state stays between calls."""

    def __call__(self, function: Callable[[Tools], Coroutine[Any, Any, T]], /) -> T: ...


@pytest.fixture
def use(tmp_path: Path) -> Use:
    def run(function: Callable[[Tools], Coroutine[Any, Any, T]]) -> T:
        async def inside() -> T:
            database = await Database.open(tmp_path / "jackdaw.db", [*LIBRARY_MIGRATIONS, FILE_HASHES_MIGRATION])
            try:
                return await function(Tools(Library(database), FileHashes(database)))
            finally:
                await database.close()

        return asyncio.run(inside())

    return run


@pytest.fixture
def scanned(use: Use) -> Callable[[StorePlaces], ScanResult]:
    return lambda places: use(lambda tools: tools.scan(places))


def by_label(result: ScanResult) -> dict[str, FoundModel]:
    found = {model.label: model for model in result.models}
    assert len(found) == len(result.models), [model.label for model in result.models]
    return found


@pytest.fixture
def split_model(engine_bin: Path, tmp_path: Path) -> list[Path]:
    """A tiny model in parts, made by llama.cpp's own tool."""
    folder = tmp_path / "split"
    folder.mkdir()
    whole = write_tiny_model(tmp_path / "whole.gguf", name="In parts")
    argv = [str(engine_bin / "llama-gguf-split"), "--split", "--split-max-tensors", "10"]
    subprocess.run([*argv, str(whole), str(folder / "Tiny")], check=True, capture_output=True, timeout=60)
    whole.unlink()
    return sorted(folder.iterdir())
