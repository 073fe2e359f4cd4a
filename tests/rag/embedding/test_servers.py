"""Embedding models of other servers: what is sent, what comes back, what goes wrong, and what is never asked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from models.network import NetworkRules
from rag.embedding.choices import Definition
from rag.embedding.embedders import Embedders
from rag.embedding.ollama_server import open_ollama
from rag.embedding.openai_server import open_openai
from rag.errors import EmbedderFailed, EmbedderMissing
from rag.types import Embedder
from tests.rag.embedding.fake_servers import DIGEST, MODEL, FakeEmbeddings, vector

HUB = NetworkRules()  # its endpoint is public, as it is for users


@pytest.fixture
def server() -> Iterator[FakeEmbeddings]:
    with FakeEmbeddings() as fake:
        yield fake


async def opened(kind: str, server: FakeEmbeddings, rules: NetworkRules = HUB, stall_s: float = 20) -> Embedder:
    if kind == "ollama":
        return await open_ollama(server.url, MODEL, lambda: rules, stall_s=stall_s)
    return await open_openai(f"{server.url}/v1", MODEL, "a key", lambda: rules, stall_s=stall_s)


@pytest.mark.anyio
@pytest.mark.parametrize("kind", ["ollama", "openai"])
async def test_vectors_come_in_order_with_norm_one_and_prefixes_of_the_family(
    kind: str, server: FakeEmbeddings
) -> None:
    embedder = await opened(kind, server)
    try:
        texts = [f"text {number}" for number in range(70)]
        vectors = await embedder.embed_passages(texts)
        query = await embedder.embed_query("text 7")
    finally:
        await embedder.close()  # type: ignore[attr-defined]

    expected = np.array([vector(f"search_document: {text}", 8) for text in texts], np.float32)
    assert np.allclose(vectors, expected / np.linalg.norm(expected, axis=1, keepdims=True), atol=1e-6)
    assert np.linalg.norm(query) == pytest.approx(1)
    assert server.texts()[1:] == [f"search_document: {text}" for text in texts] + ["search_query: text 7"]
    identity = embedder.identity
    assert (identity.dimensions, identity.query_prefix) == (8, "search_query: ")
    if kind == "ollama":
        assert (identity.model, identity.max_tokens) == (f"{MODEL}@{DIGEST[:8]}", 2048)


@pytest.mark.anyio
@pytest.mark.parametrize("kind", ["ollama", "openai"])
@pytest.mark.parametrize("fault", ["404", "wrong dims", "redirect", "no json", "no vectors", "nan"])
async def test_a_bad_answer_is_told_in_words(kind: str, fault: str, server: FakeEmbeddings) -> None:
    embedder = await opened(kind, server)
    try:
        server.faults.append(fault)  # type: ignore[arg-type]
        with pytest.raises(EmbedderFailed) as failed:
            await embedder.embed_passages(["one", "two"])
        assert MODEL in failed.value.message
        assert "elsewhere" not in [path for path, _, _ in server.requests]
        assert (await embedder.embed_passages(["one"])).shape == (1, 8)
    finally:
        await embedder.close()  # type: ignore[attr-defined]


@pytest.mark.anyio
@pytest.mark.parametrize("kind", ["ollama", "openai"])
async def test_a_server_that_falls_silent_is_given_up(kind: str, server: FakeEmbeddings) -> None:
    embedder = await opened(kind, server, stall_s=0.2)
    try:
        server.faults.extend(["stall", "stall"])
        with pytest.raises(EmbedderFailed, match=MODEL):
            await embedder.embed_query("one")
    finally:
        await embedder.close()  # type: ignore[attr-defined]


@pytest.mark.anyio
async def test_a_passing_failure_is_tried_once_more_and_no_more(server: FakeEmbeddings) -> None:
    embedder = await opened("openai", server)
    try:
        server.faults.append("500")
        assert (await embedder.embed_query("one")).shape == (8,)
        server.faults.extend(["500", "500"])
        with pytest.raises(EmbedderFailed, match="status 500, out of luck"):
            await embedder.embed_query("one")
    finally:
        await embedder.close()  # type: ignore[attr-defined]


@pytest.mark.anyio
@pytest.mark.parametrize("kind", ["ollama", "openai"])
async def test_a_key_goes_where_it_was_meant_for_and_none_comes_from_the_environment(
    kind: str, server: FakeEmbeddings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLLAMA_API_KEY", "a secret of somebody else's")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")

    embedder = await opened(kind, server)
    await embedder.close()  # type: ignore[attr-defined]

    keys = {headers.get("authorization") for _, headers, _ in server.requests}
    assert keys == ({None} if kind == "ollama" else {"Bearer a key"})


@pytest.mark.anyio
async def test_ollama_without_the_model_or_not_there_at_all_says_so(server: FakeEmbeddings) -> None:
    with pytest.raises(EmbedderMissing, match="no model other"):
        await open_ollama(server.url, "other", lambda: HUB)
    with pytest.raises(EmbedderMissing, match="does not answer at 127"):
        await open_ollama("http://127.0.0.1:9", MODEL, lambda: HUB)
    with pytest.raises(EmbedderMissing, match="cloud"):
        await open_ollama(server.url, "gpt-oss:120b-cloud", lambda: HUB)


@pytest.mark.anyio
@pytest.mark.accept(31)
async def test_with_the_air_gap_on_only_this_machine_is_asked(server: FakeEmbeddings) -> None:
    gap = NetworkRules(air_gapped=True)
    for kind in ("ollama", "openai"):
        embedder = await opened(kind, server, gap)
        assert (await embedder.embed_query("one")).shape == (8,)
        await embedder.close()  # type: ignore[attr-defined]

    for url in ("https://api.openai.com/v1", "https://192.168.1.5/v1"):
        with pytest.raises(EmbedderMissing, match="air-gapped"):
            await open_openai(url, MODEL, None, lambda: gap)
        with pytest.raises(EmbedderMissing, match="air-gapped"):
            await open_ollama(url, MODEL, lambda: gap)


@pytest.mark.anyio
@pytest.mark.parametrize("url", ["http://192.0.2.1/v1", "ftp://127.0.0.1/", "nonsense", "https://user:word@host/v1"])
async def test_addresses_that_are_never_asked(url: str) -> None:
    with pytest.raises(EmbedderMissing):
        await open_openai(url, MODEL, None, lambda: HUB)


@pytest.mark.anyio
async def test_one_that_is_added_stays_and_one_that_does_not_work_is_not_added(
    server: FakeEmbeddings, tmp_path: Path
) -> None:
    async def key(url: str) -> str:
        return f"key of {url}"

    def made() -> Embedders:
        return Embedders(
            cache=tmp_path / "cache",
            runtime=tmp_path / "run",
            pidfiles=None,
            definitions=tmp_path / "embedders.json",
            rules=lambda: HUB,
            api_key=key,
        )

    embedders = made()
    try:
        server.faults.append("404")
        with pytest.raises(EmbedderFailed):
            await embedders.add(Definition("openai", "broken", f"{server.url}/v1"))
        row = await embedders.add(Definition("openai", "m", f"{server.url}/v1", query_prefix="Q: "))
        assert (row.dimensions, row.local, row.query_prefix) == (8, True, "Q: ")
        assert server.requests[-1][1]["authorization"] == f"Bearer key of {server.url}/v1"
    finally:
        await embedders.close()

    again = made()
    try:
        assert [choice.id for choice in await again.choices()] == [again.default_id, row.id]
        assert (await (await again.open(row.id)).embed_query("x")).shape == (8,)
        await again.remove(row.id)
        assert [choice.id for choice in await again.choices()] == [again.default_id]
        with pytest.raises(EmbedderMissing, match="no embedder"):
            await again.open(row.id)
    finally:
        await again.close()
