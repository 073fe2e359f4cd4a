"""The built-in embedder with its real weights, in its real children."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from models.network import NetworkRules
from rag.embedding.choices import BUILT_IN
from rag.embedding.embedders import Embedders
from rag.embedding.encoder import REST_S
from rag.embedding.package import BertEmbedder, open_bert, package_folder
from rag.errors import EmbedderFailed, EmbedderMissing
from rag.types import Vectors
from tests.rag.threads import start_threads

TEXTS = [
    "def open_file(path: str) -> IO[str]:\n    return open(path, encoding='utf-8')",
    "The recipe needs two eggs, a cup of flour and a pinch of salt.",
    "",
    "How a file is opened in Python without following symbolic links",
    "höher 日本語 \ud800 🎉",
    "word " * 900,
]


@asynccontextmanager
async def built_in(folder: Path, rules: NetworkRules | None = None) -> AsyncIterator[BertEmbedder]:
    embedders = Embedders(
        cache=folder / "cache",
        runtime=folder / "run",
        pidfiles=None,
        definitions=folder / "embedders.json",
        rules=lambda: rules or NetworkRules(),
    )
    try:
        embedder = await embedders.open("")
        assert isinstance(embedder, BertEmbedder)
        yield embedder
    finally:
        await embedders.close()


@pytest.fixture(scope="module")
async def at_work(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[BertEmbedder]:
    """One whose children have started, for the tests that leave them alone. There is no network."""
    async with built_in(tmp_path_factory.mktemp("at_work"), NetworkRules(air_gapped=True)) as embedder:
        await asyncio.gather(embedder.embed_query("warm"), embedder.embed_passages(["warm"]))
        await start_threads()
        yield embedder


def cosine(one: Vectors, other: Vectors) -> float:
    return float((one * other).sum())


@pytest.mark.anyio
@pytest.mark.accept(29)
async def test_texts_become_unit_vectors_that_mean_something_without_any_network(at_work: BertEmbedder) -> None:
    query, vectors = await asyncio.gather(at_work.embed_query(TEXTS[3]), at_work.embed_passages(TEXTS))
    assert at_work.identity.model == "all-MiniLM-L6-v2@53aa5117"
    assert vectors.shape == (len(TEXTS), at_work.identity.dimensions) == (6, 384)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    # Two children, and other company in the batch: the same vector.
    assert cosine(query, vectors[3]) > 0.9995
    assert cosine(query, vectors[0]) > 0.4 > 0.2 > cosine(query, vectors[1])

    assert (await at_work.embed_passages([])).shape == (0, 384)
    # What is beyond max_tokens is not read: 254 words and the two marks.
    longer = await at_work.embed_passages(["word " * 254, "word " * 254 + "entirely different end"])
    assert cosine(longer[0], longer[1]) > 0.9999
    assert cosine(longer[0], vectors[5]) > 0.9999


@pytest.mark.anyio
async def test_order_is_kept_over_many_texts_of_all_lengths(at_work: BertEmbedder) -> None:
    texts = [f"{number} " + "is a number " * (number * 7 % 23) for number in range(150)]
    together = await at_work.embed_passages(texts)
    alone = np.concatenate([await at_work.embed_passages([texts[place]]) for place in (0, 71, 149)])
    assert (together[[0, 71, 149]] * alone).sum(1).min() > 0.9995


@pytest.mark.anyio
@pytest.mark.accept(33)
async def test_a_child_that_is_killed_is_started_again_and_asked_again(tmp_path: Path) -> None:
    async with built_in(tmp_path) as embedder:
        before = await embedder.embed_passages(TEXTS[:2])
        first = embedder.passages.pid
        assert first is not None
        environment = Path(f"/proc/{first}/environ").read_bytes()
        for word in (b"DO_NOT_TRACK=1", b"HF_HUB_DISABLE_TELEMETRY=1", b"ANONYMIZED_TELEMETRY=False"):
            assert word in environment

        work = asyncio.create_task(embedder.embed_passages(TEXTS[:2] * 40))
        await asyncio.sleep(0)  # the call is on its way before the child is gone
        os.kill(first, signal.SIGKILL)
        after = await work
        assert (after[:2] * before).sum(1).min() > 0.9995
        assert embedder.passages.pid not in (None, first)


@pytest.mark.anyio
async def test_a_child_that_dies_each_time_is_an_error_in_words(tmp_path: Path) -> None:
    async with built_in(tmp_path) as embedder:
        await embedder.embed_passages(["one"])
        work = asyncio.create_task(embedder.embed_passages(["a long text " * 200] * 60))
        while not work.done():
            if (pid := embedder.passages.pid) is not None:
                os.kill(pid, signal.SIGKILL)
            await asyncio.sleep(0.01)
        with pytest.raises(EmbedderFailed, match=r"all-MiniLM-L6-v2.*killed by SIGKILL"):
            await work


@pytest.mark.anyio
async def test_a_question_does_not_wait_for_passages(at_work: BertEmbedder) -> None:
    began = time.monotonic()
    work = asyncio.create_task(at_work.embed_passages(["a long text of passages " * 40] * 48))
    times = []
    while not work.done():
        asked = time.monotonic()
        await at_work.embed_query("a question")
        times.append(time.monotonic() - asked)
    await work
    # Even on a busy machine questions pass by: many of them in the time of the passages.
    assert len(times) >= 5
    assert min(times) * 5 < time.monotonic() - began


@pytest.mark.anyio
async def test_an_embedder_whose_weights_are_gone_is_missing(tmp_path: Path) -> None:
    assert package_folder() is not None
    with pytest.raises(EmbedderMissing, match="cannot be read"):
        open_bert("m", tmp_path, tmp_path / "work", None, runtime=lambda: "openvino f32")


@pytest.mark.anyio
async def test_passages_rest_while_somebody_waits_in_a_child_that_runs_and_in_one_that_starts(tmp_path: Path) -> None:
    embedders = Embedders(
        cache=tmp_path / "cache",
        runtime=tmp_path / "run",
        pidfiles=None,
        definitions=tmp_path / "embedders.json",
        rules=NetworkRules,
    )
    try:
        embedder = await embedders.open(BUILT_IN)
        embedders.gentle(True)
        assert (await embedder.embed_query("one")).shape == (384,)
        await embedder.embed_passages(["one"])  # after nothing there is no rest
        resting = asyncio.create_task(embedder.embed_passages(["one"]))
        assert not (await asyncio.wait([resting], timeout=0.3))[0]
        began = time.monotonic()
        embedders.gentle(False)
        assert (await resting).shape == (1, 384)
        assert time.monotonic() - began < REST_S - 0.5  # it would have rested longer
    finally:
        await embedders.close()
