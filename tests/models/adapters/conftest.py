"""Adapters made for two of the checkpoints of the conversion's tests; each is converted once per session."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from models.adapters.peft import check_adapter, convert_adapter
from models.convert.convert import Converted
from models.gguf import GgufHeader
from models.llamacpp import EngineBuild
from models.progress import Cancel
from tests.models.conftest import Known, Made


@dataclass(frozen=True)
class Adapted:
    """A model in 32 bits, and its adapter."""

    base: Converted
    adapter: Path


@pytest.fixture(scope="session")
def adapted(
    known: Callable[[str], Known],
    conversions: Callable[[str], Made],
    build: EngineBuild,
    tmp_path_factory: pytest.TempPathFactory,
) -> Mapping[str, Adapted]:
    """By name: "llama" and "qwen3" with the header of the model's file alone, "llama by folder" with its checkpoint."""
    folder = tmp_path_factory.mktemp("adapted")

    async def make(name: str, of: str, base: GgufHeader | Path) -> Adapted:
        told: list[float | None] = []
        target = folder / f"{name}.gguf"
        await convert_adapter(
            check_adapter(known(of).folder.with_name(f"{of}-adapter")),
            base,
            target,
            build=build,
            report=lambda progress: told.append(progress.fraction),
            cancel=Cancel(),
            floor_bytes=0,
        )
        assert told[-1] == 1.0
        return Adapted(conversions(of).converted, target)

    async def make_all() -> list[Adapted]:
        headers = {name: conversions(name).converted.header for name in ("llama", "qwen3")}
        by_header = [make(name, name, header) for name, header in headers.items()]
        return await asyncio.gather(*by_header, make("llama by folder", "llama", known("llama").folder))

    done = asyncio.run(make_all())
    assert list(folder.glob(".*")) == []
    return dict(zip(("llama", "qwen3", "llama by folder"), done, strict=True))
