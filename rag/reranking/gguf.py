"""Rerank models of the library, run by our own engine."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from engine.context import in_terms_of
from engine.errors import EngineError, TextTooLong
from engine.upstream import refusal_of
from models.errors import ModelsError
from rag.embedding.gguf import shorter
from rag.embedding.texts import prefixed, valid
from rag.errors import RerankerFailed
from rag.reranking.calibrate import probabilities
from rag.reranking.cross_encoder import too_slow

if TYPE_CHECKING:
    from models.library import LibraryModel
    from rag.embedding.gguf_models import GgufModels

PAIRS_PER_CALL = 16
_MOST_CUTS = 6
# Rerankers made of these chat models answer with the probability of "yes"; all others with a logit.
# Source: llama.cpp, src/llama-graph.cpp, build_pooling, the case of LLAMA_POOLING_TYPE_RANK.
_PROBABILITIES = ("qwen3",)


class GgufReranker:
    """One rerank model of the library. It is held, and so loaded, for the time of a call."""

    def __init__(self, model: LibraryModel, models: GgufModels, budget_s: float) -> None:
        self._model_id = model.id
        self._logits = not model.arch.startswith(_PROBABILITIES)
        self._models = models
        self._budget_s = budget_s

    @property
    def name(self) -> str:
        return self._model_id

    async def scores(self, query: str, passages: list[str]) -> list[float]:
        """As Reranker.scores, each 0..1. A passage that is too long is read from its beginning.

        Raises RerankerFailed with what the engine said, or when the time is over; loading does not count.
        """
        found: list[float] = []
        try:
            async with self._models.hold(self._model_id) as server, asyncio.timeout(self._budget_s):
                for at in range(0, len(passages), PAIRS_PER_CALL):
                    found += await self._part(server, query, passages[at : at + PAIRS_PER_CALL])
        except TimeoutError as error:
            raise too_slow(self._model_id, len(passages), self._budget_s) from error
        except (EngineError, ModelsError) as error:
            raise RerankerFailed(f"{self._model_id} gave no scores: {error}", hint=error.hint) from error
        return probabilities(found, self._model_id, logits=self._logits)

    async def close(self) -> None:
        """Nothing: the engine unloads it."""

    async def _part(self, server: Any, query: str, passages: list[str]) -> list[float]:
        try:
            return await self._asked(server, query, passages)
        except TextTooLong as error:
            if len(passages) > 1:
                return [score for passage in passages for score in await self._part(server, query, [passage])]
            return await self._cut(server, query, passages[0], error)

    async def _cut(self, server: Any, query: str, passage: str, error: TextTooLong) -> list[float]:
        for _ in range(_MOST_CUTS):
            passage = passage[: shorter(len(passage), error)]
            try:
                return await self._asked(server, query, [passage])
            except TextTooLong as still:
                error = still
        raise error

    async def _asked(self, server: Any, query: str, passages: list[str]) -> list[float]:
        wanted = {"query": valid(query), "documents": prefixed("", passages)}
        status, answer = await server.upstream.json("POST", "/v1/rerank", wanted, timeout_s=None)
        if status != 200:
            raise in_terms_of("rerank", refusal_of(status, answer))
        try:
            scores = {row["index"]: row["relevance_score"] for row in answer["results"]}
            return [float(scores[place]) for place in range(len(passages))]
        except (KeyError, TypeError, ValueError) as error:
            raise RerankerFailed(f"{self._model_id} answered with something that is no list of scores.") from error
