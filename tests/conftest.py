"""Fixtures for all tests: the real engine, tiny models it loads, a data folder, and the check that nothing is left."""

from __future__ import annotations

import compileall
import gc
import hashlib
import inspect
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from desktop.paths import Paths, engine_cache, find_paths
from models import tiny_model, tiny_vocabulary
from models.errors import BinaryMissing
from models.llamacpp import binary, find_build
from models.tiny_model import write_tiny_model
from tests.leftovers import Holdings, kill, leftovers

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")  # before anything imports Qt

# How long one example takes says nothing on a machine that does other things as well.
settings.register_profile("jackdaw", deadline=None)
settings.load_profile("jackdaw")

Make = Callable[..., Path]


def pytest_configure(config: pytest.Config) -> None:
    """Compile our modules once: the tests start hundreds of processes of ours, and most of those may write nothing."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    if not hasattr(config, "workerinput"):
        for package in ("desktop", "engine", "rag", "models", "tests"):
            compileall.compile_dir(Path(__file__).parents[1] / package, quiet=2)


def pytest_collection_finish() -> None:
    """What was imported by now stays: the collector, which the leftover check calls, need not look at it each time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """Fail a test that leaves child processes, threads, temp files or inet sockets open.

    It stands around the test's own fixtures; what session and module fixtures hold was there before it.
    """
    before = Holdings.now()
    yield
    if found := leftovers(before):
        sentence = found.sentence()  # while they can still be asked for their command
        kill(found.children)
        pytest.fail(sentence)


@pytest.fixture(autouse=True, scope="session")
def own_environment() -> Iterator[None]:
    """No test may touch the data of the user who runs it, nor go to the network through a proxy of theirs."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("JACKDAW_HOME", "http_proxy", "https_proxy", "all_proxy"):
            patch.delenv(name, raising=False)
            patch.delenv(name.upper(), raising=False)
        yield


@pytest.fixture
def home() -> Iterator[Paths]:
    """A data folder with its folders made. Its path is short: socket paths may have 100 bytes at most."""
    root = Path(tempfile.mkdtemp(prefix="jd-"))
    paths = find_paths(root)
    paths.create()
    yield paths
    shutil.rmtree(root)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Tests marked `anyio` run on asyncio, as the service does."""
    return "asyncio"


@pytest.fixture(scope="session")
def engine_bin() -> Path:
    """The folder of llama-server: JACKDAW_ENGINE, or the build `make engine` made. Without one, tests fail."""
    try:
        build = find_build(engine_cache(), os.environ)
        return binary(build, "llama-server").parent
    except BinaryMissing as error:
        pytest.fail(f"{error.message} {error.hint}")


@pytest.fixture(scope="session")
def tiny_models() -> Make:
    """Returns `make(file, **arguments of write_tiny_model)`: the file, written once per version of the maker."""
    source = inspect.getsource(tiny_model) + inspect.getsource(tiny_vocabulary)
    folder = engine_cache().parent / "test-models" / hashlib.sha256(source.encode()).hexdigest()[:12]
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def make(file: str, /, **arguments: Any) -> Path:
        path = folder / f"{file}.gguf"
        return path if path.exists() else write_tiny_model(path, **arguments)

    return make


@pytest.fixture(scope="session")
def tiny_chat_gguf(tiny_models: Make) -> Path:
    """Streams printable ASCII, one byte per token, until max_tokens; ChatML template; F16."""
    return tiny_models("tiny-chat", name="Tiny Chat")


@pytest.fixture(scope="session")
def tiny_embedding_gguf(tiny_models: Make) -> Path:
    """Mean pooling, 256 dimensions."""
    return tiny_models("tiny-embedding", kind="embedding", name="Tiny Embedding")


@pytest.fixture(scope="session")
def tiny_rerank_gguf(tiny_models: Make) -> Path:
    """Rank pooling; scores in 0..1 under --rerank."""
    return tiny_models("tiny-rerank", kind="rerank", name="Tiny Rerank")


@pytest.fixture(scope="session")
def tiny_fim_gguf(tiny_models: Make) -> Path:
    """Like tiny_chat_gguf, with the tokens /infill needs."""
    return tiny_models("tiny-fim", fim=True, name="Tiny Infill")
