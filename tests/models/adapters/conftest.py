"""The checkpoints of the conversion's tests, with adapters made for them; each is converted once per session."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from models.adapters.peft import check_adapter, convert_adapter
from models.convert.convert import Converted
from models.llamacpp import EngineBuild
from models.progress import Cancel
from tests.models.convert.conftest import Known, build, known
from tests.models.convert.test_agreement import converted

__all__ = ["Made", "build", "known", "made"]

Made = Callable[[str], Awaitable[tuple[Converted, Path]]]


@pytest.fixture(scope="session")
def made(known: Callable[[str], Known], build: EngineBuild, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Returns `await made(name)`: the model in 32 bits, and its adapter converted with that file alone as its base."""
    folder = tmp_path_factory.mktemp("adapted")
    done: dict[str, tuple[Converted, Path]] = {}

    async def make(name: str) -> tuple[Converted, Path]:
        if name not in done:
            base = await converted(known(name), build, folder / f"{name}.gguf", "f32")
            adapter = check_adapter(known(name).folder.with_name(f"{name}-adapter"))
            target = folder / f"{name}-adapter.gguf"
            told: list[float | None] = []
            await convert_adapter(
                adapter,
                base.header,
                target,
                build=build,
                report=lambda progress: told.append(progress.fraction),
                cancel=Cancel(),
                floor_bytes=0,
            )
            assert told[-1] == 1.0
            assert [path.name for path in folder.glob(".*")] == []
            done[name] = base, target
        return done[name]

    return make
