"""Embedding and rerank models of the library, through the real scheduler and the real engine."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from pathlib import Path

import numpy as np
import pytest

from desktop.paths import Paths
from engine.llama_server import LlamaServer
from models.library import LibraryModel
from models.network import NetworkRules
from rag.embedding.embedders import Embedders
from rag.errors import EmbedderMissing, RerankerFailed
from rag.reranking.rerankers import Rerankers
from tests.engine.rig import Rig, library_model, rig


class Models:
    """The library and the scheduler of a rig, as the service hands them over."""

    def __init__(self, made: Rig) -> None:
        self._made = made

    async def list(self) -> list[LibraryModel]:
        return list(self._made.models.values())

    def hold(self, model_id: str) -> AbstractAsyncContextManager[LlamaServer]:
        return self._made.scheduler.hold(model_id)


def embedders_of(folder: Path, models: Models | None) -> Embedders:
    return Embedders(
        cache=folder / "cache",
        runtime=folder / "run",
        pidfiles=None,
        definitions=folder / "embedders.json",
        rules=lambda: NetworkRules(air_gapped=True),
        models=models,
    )


@pytest.mark.anyio
async def test_an_embedding_model_of_the_library_embeds_and_long_texts_are_read_from_their_beginning(
    home: Paths, engine_bin: Path, tiny_embedding_gguf: Path, tiny_chat_gguf: Path, tmp_path: Path
) -> None:
    models = {
        "nomic-embed-text-tiny": library_model("nomic-embed-text-tiny", tiny_embedding_gguf, "embedding"),
        "chatty": library_model("chatty", tiny_chat_gguf),
    }
    async with rig(home, engine_bin, models) as made:
        embedders = embedders_of(tmp_path, Models(made))
        try:
            rows = {choice.id: choice for choice in await embedders.choices()}
            assert set(rows) == {embedders.default_id, "gguf:nomic-embed-text-tiny"}
            embedder = await embedders.open("gguf:nomic-embed-text-tiny")
            identity = embedder.identity
            assert (identity.dimensions, identity.pooling, identity.query_prefix) == (256, "mean", "search_query: ")
            assert identity.model.startswith("nomic-embed-text-tiny@")

            texts = [f"text number {number}" for number in range(20)]
            vectors = await embedder.embed_passages([*texts, "long " * 3000, texts[0] + "\ud800"])
            assert vectors.shape == (22, 256)
            assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-4)
            alone = await embedder.embed_passages([texts[7]])
            assert float((alone[0] * vectors[7]).sum()) > 0.999
            query = await embedder.embed_query(texts[7])
            assert float((query * vectors[7]).sum()) < 0.9999  # the prefixes differ

            for wrong in ("gguf:chatty", "gguf:nobody"):
                with pytest.raises(EmbedderMissing, match="no embedder"):
                    await embedders.open(wrong)
        finally:
            await embedders.close()


@pytest.mark.anyio
async def test_a_rerank_model_of_the_library_scores_each_passage(
    home: Paths, engine_bin: Path, tiny_rerank_gguf: Path, tmp_path: Path
) -> None:
    model = library_model("ranker", tiny_rerank_gguf, "rerank")
    object.__setattr__(model, "arch", "qwen3")
    async with rig(home, engine_bin, {"ranker": model}) as made:
        rerankers = Rerankers(
            runtime=tmp_path / "run",
            pidfiles=None,
            definitions=tmp_path / "r.json",
            models=Models(made),
            budget_s=120,
        )
        try:
            assert [(row.id, row.kind) for row in await rerankers.choices()] == [("gguf:ranker", "gguf")]
            reranker = await rerankers.open("gguf:ranker")
            passages = [f"passage {number} " * (number % 5 + 1) for number in range(19)] + ["far too long " * 900]
            scores = await reranker.scores("which passage?", passages)
            assert len(scores) == 20
            assert all(0 <= score <= 1 for score in scores)
            assert len(set(scores)) > 10
            alone = await reranker.scores("which passage?", [passages[4]])
            assert alone[0] == pytest.approx(scores[4], abs=0.02)
            with pytest.raises(RerankerFailed, match="no reranker"):
                await rerankers.open("gguf:nobody")
        finally:
            await rerankers.close()


@pytest.mark.anyio
async def test_without_an_engine_there_are_no_library_models(tmp_path: Path) -> None:
    embedders = embedders_of(tmp_path, None)
    try:
        with pytest.raises(EmbedderMissing, match="no engine"):
            await embedders.open("gguf:any")
    finally:
        await embedders.close()
