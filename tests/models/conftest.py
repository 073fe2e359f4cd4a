"""The engine's build, and checkpoints with the answers transformers gives for them.

Checkpoints are made once per version of their maker, as tiny models are; they are converted once per session.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import inspect
import json
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from desktop.paths import engine_cache
from models.convert.checkpoint import check_checkpoint
from models.convert.convert import Converted, OutType, convert
from models.llamacpp import EngineBuild, find_build
from models.progress import Cancel, Progress
from tests.models.convert import checkpoints

# Both types; what has an adapter is in 32 bits, for the comparison with transformers.
CONVERSIONS: dict[str, OutType] = {
    "llama": "f32",
    "qwen2": "f16",
    "qwen3": "f32",
    "gemma2": "f32",
    "gemma3": "f32",
    "mixtral": "f32",
    "minilm": "f16",
}


@dataclass(frozen=True)
class Known:
    """A checkpoint, and what transformers says about it: see checkpoints.answers."""

    folder: Path
    answers: dict[str, Any]


@dataclass(frozen=True)
class Made:
    """A conversion, in a folder of its own, and what it reported meanwhile."""

    converted: Converted
    told: list[Progress]


@pytest.fixture(scope="session")
def build(engine_bin: Path) -> EngineBuild:
    """The engine with its conversion scripts."""
    return find_build(engine_cache(), os.environ)


@pytest.fixture(scope="session")
def known() -> Callable[[str], Known]:
    """Returns `known(name)` for a name of checkpoints.MAKERS, "gemma3-vision" or "minilm"."""
    key = inspect.getsource(checkpoints) + version("transformers") + version("torch")
    folder = engine_cache().parent / "test-models" / f"checkpoints-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
    if not folder.exists():
        fresh = folder.with_name(f"{folder.name}.{os.getpid()}")
        fresh.mkdir(mode=0o700, parents=True)
        made = subprocess.run([sys.executable, "-m", checkpoints.__name__, str(fresh)], capture_output=True, text=True)
        assert made.returncode == 0, made.stderr
        with contextlib.suppress(OSError):  # another run was faster
            fresh.rename(folder)

    def find(name: str) -> Known:
        checkpoint = checkpoints.minilm_folder() if name == "minilm" else folder / name
        return Known(checkpoint, json.loads((folder / f"{name}.json").read_text()))

    return find


@pytest.fixture(scope="session")
def conversions(
    known: Callable[[str], Known], build: EngineBuild, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Made]:
    """Returns `conversions(name)` for a name of CONVERSIONS: made when it is first asked for, in a thread with a loop
    of its own; raises what the conversion raises.
    """
    folder = tmp_path_factory.mktemp("converted")

    async def make(name: str) -> Made:
        assert build.convert_dir is not None
        target = folder / name / f"{name}.gguf"
        target.parent.mkdir(exist_ok=True)  # one that failed is tried again, and says again why
        checkpoint, told = check_checkpoint(known(name).folder, build.convert_dir), list[Progress]()
        made = await convert(
            checkpoint, target, CONVERSIONS[name], build=build, report=told.append, cancel=Cancel(), floor_bytes=0
        )
        return Made(made, told)

    @cache
    def find(name: str) -> Made:
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(lambda: asyncio.run(make(name))).result()

    return find
