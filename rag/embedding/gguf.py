"""Embedding models of the library, run by our own engine like every other GGUF file."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.context import in_terms_of
from engine.errors import EngineError, TextTooLong
from engine.upstream import refusal_of
from models.errors import ModelsError
from models.gguf import GgufHeader
from models.split_gguf import read_model
from rag.embedding.families import Family, family_of
from rag.embedding.identity import hash_files, identity_of, name_with_hash, unit_vectors
from rag.embedding.texts import prefixed, valid
from rag.errors import EmbedderFailed, EmbedderMissing
from rag.types import EmbedderIdentity, Vectors

if TYPE_CHECKING:
    from models.library import LibraryModel
    from rag.embedding.gguf_models import GgufModels

# Few, so that a question waits for one small request at most.
TEXTS_PER_CALL = 16
# The engine allocates no more than this for embedding, because its memory grows with the longest text.
MOST_TOKENS = 8192
CALL_TIMEOUT_S = 600.0
_SHORTER = 0.95
_MOST_CUTS = 6
# llama.cpp's names for `<arch>.pooling_type`. Source: gguf-py, gguf/constants.py, class PoolingType.
_POOLING = {0: "none", 1: "mean", 2: "cls", 3: "last"}


class GgufEmbedder:
    """One embedding model of the library. It is held, and so loaded, for the time of a call. Made by `open_gguf`."""

    def __init__(self, identity: EmbedderIdentity, model_id: str, models: GgufModels) -> None:
        self._identity = identity
        self._model_id = model_id
        self._models = models

    @property
    def identity(self) -> EmbedderIdentity:
        return self._identity

    async def embed_passages(self, texts: list[str]) -> Vectors:
        """As Embedder.embed_passages. Raises EmbedderFailed with what the engine said."""
        vectors = np.empty((len(texts), self._identity.dimensions), np.float32)
        order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
        for at in range(0, len(order), TEXTS_PER_CALL):
            places = order[at : at + TEXTS_PER_CALL]
            vectors[places] = await self._embed(
                prefixed(self._identity.passage_prefix, [texts[place] for place in places])
            )
        return vectors

    async def embed_query(self, text: str) -> Vectors:
        """As Embedder.embed_query."""
        vector: Vectors = (await self._embed([valid(self._identity.query_prefix + text)]))[0]
        return vector

    async def close(self) -> None:
        """Nothing: the engine unloads it."""

    async def _embed(self, texts: list[str]) -> Vectors:
        try:
            return await self._asked(texts)
        except TextTooLong as error:
            if len(texts) == 1:
                return await self._cut(texts[0], error)
            return np.concatenate([await self._embed([text]) for text in texts])
        except (EngineError, ModelsError, TimeoutError) as error:
            raise self._failed(error) from error

    async def _cut(self, text: str, error: TextTooLong) -> Vectors:
        """The vector of a text's beginning that the model can take."""
        for _ in range(_MOST_CUTS):
            text = text[: shorter(len(text), error)]
            try:
                return await self._asked([text])
            except TextTooLong as still:
                error = still
            except (EngineError, ModelsError, TimeoutError) as other:
                raise self._failed(other) from other
        raise self._failed(error)

    async def _asked(self, texts: list[str]) -> Vectors:
        async with self._models.hold(self._model_id) as server:
            wanted = {"input": texts, "encoding_format": "float"}
            status, answer = await server.upstream.json("POST", "/v1/embeddings", wanted, timeout_s=CALL_TIMEOUT_S)
        if status != 200:
            raise in_terms_of("embedding", refusal_of(status, answer))
        return vectors_of(answer, len(texts), self._identity.dimensions, self._identity.model)

    def _failed(self, error: Exception) -> EmbedderFailed:
        hint = getattr(error, "hint", "") or "`jackdaw doctor` looks at the engine."
        return EmbedderFailed(f"{self._model_id} gave no vectors: {error or 'it did not answer in time'}", hint=hint)


def shorter(characters: int, error: TextTooLong) -> int:
    """How many characters of a text to keep, by how far its tokens were beyond the limit; at least one."""
    return max(1, int(characters * min(_SHORTER, error.max_tokens / max(1, error.tokens) * _SHORTER)))


def vectors_of(answer: Any, rows: int, dimensions: int | None, name: str) -> Vectors:
    """The vectors of an OpenAI-like answer, in the order of the texts, rows of norm 1. Raises EmbedderFailed.

    `dimensions` of None takes whatever length the first has.
    """
    try:
        data = sorted(answer["data"], key=lambda item: item["index"])
        vectors = np.array([item["embedding"] for item in data], np.float32)
        if [item["index"] for item in data] != list(range(rows)) or vectors.ndim != 2:
            raise ValueError("the answer has other rows than the question")
    except (KeyError, TypeError, ValueError) as error:
        raise EmbedderFailed(
            f"{name} answered with something that is no list of vectors.",
            hint="Is it an embedding model? Chat models give none.",
        ) from error
    return unit_vectors(vectors, rows, dimensions or vectors.shape[1], name)


async def open_gguf(model: LibraryModel, models: GgufModels) -> GgufEmbedder:
    """The embedder of a library model; loads nothing yet. Raises EmbedderMissing when its file cannot be read."""
    try:
        header = await asyncio.to_thread(read_model, model.path)
        weights = model.sha256 or await asyncio.to_thread(hash_files, [model.path])
    except (OSError, ModelsError) as error:
        raise EmbedderMissing(
            f"The model {model.id} cannot be read: {error}.", hint="`jackdaw list` shows it."
        ) from error
    family = family_of(f"{model.name} {model.id} {model.repo}")
    return GgufEmbedder(_identity(model, header, weights, family), model.id, models)


def _identity(model: LibraryModel, header: GgufHeader, weights: str, family: Family) -> EmbedderIdentity:
    return identity_of(
        name_with_hash(model.id, weights),
        header.embedding_length,
        min(model.context_length or MOST_TOKENS, MOST_TOKENS),
        _POOLING.get(header.pooling_type if header.pooling_type is not None else -1, family.pooling or "mean"),
        query_prefix=family.query_prefix,
        passage_prefix=family.passage_prefix,
    )
