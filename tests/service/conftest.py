"""A service that the tests of one module share, with the tiny chat model in its library."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from desktop.client import Client
from desktop.paths import Paths, find_paths
from models.tiny_model import TINY
from tests.service.running import RunningService, running


@pytest.fixture(scope="session")
def engine_environ(engine_bin: Path) -> dict[str, str]:
    return {"JACKDAW_ENGINE": os.fspath(engine_bin)}


@pytest.fixture(scope="session")
def endless_chat_gguf(tiny_models: Callable[..., Path]) -> Path:
    """Tiny, but with a context that takes it many seconds to fill: an answer to stop, kill and interrupt."""
    return tiny_models("tiny-endless", name="Tiny Endless", shape=replace(TINY, context=32_768))


@pytest.fixture(scope="module")
def module_home() -> Iterator[Paths]:
    root = Path(tempfile.mkdtemp(prefix="jd-"))
    paths = find_paths(root)
    paths.create()
    yield paths
    shutil.rmtree(root)


@pytest.fixture(scope="module")
def service(module_home: Paths, engine_environ: dict[str, str], endless_chat_gguf: Path) -> Iterator[RunningService]:
    with running(module_home, environ=engine_environ) as started:

        async def load(client: Client) -> None:
            # before the first test: a child that a test starts would count as left by it
            await client.load_model((await client.import_model(endless_chat_gguf)).id)

        started.use(load)
        yield started
