"""A service that the tests of one module share, with the tiny chat model in its library."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from desktop.client import Client
from desktop.paths import Paths, find_paths
from tests.service.running import RunningService, running


@pytest.fixture(scope="session")
def engine_environ(engine_bin: Path) -> dict[str, str]:
    return {"JACKDAW_ENGINE": os.fspath(engine_bin)}


@pytest.fixture(scope="module")
def module_home() -> Iterator[Paths]:
    root = Path(tempfile.mkdtemp(prefix="jd-"))
    paths = find_paths(root)
    paths.create()
    yield paths
    shutil.rmtree(root)


@pytest.fixture(scope="module")
def service(module_home: Paths, engine_environ: dict[str, str], tiny_chat_gguf: Path) -> Iterator[RunningService]:
    with running(module_home, environ=engine_environ) as started:

        async def load(client: Client) -> None:
            # before the first test: a child that a test starts would count as left by it
            await client.load_model((await client.import_model(tiny_chat_gguf)).id)

        started.use(load)
        yield started
