"""Checkpoints with the answers transformers gives for them: made once per version of their maker, like tiny models."""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from desktop.paths import engine_cache
from models.llamacpp import EngineBuild, find_build
from tests.models.convert import checkpoints


@dataclass(frozen=True)
class Known:
    """A checkpoint, and what transformers says about it: see checkpoints.answers."""

    folder: Path
    answers: dict[str, Any]


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
