"""Embedding models that an Ollama has, asked by its own client over our network."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from models.errors import ModelsError
from models.network import URL, NetworkRules, Request, TransportError, no_answer
from rag.embedding.families import family_of
from rag.embedding.identity import identity_of, name_with_hash, unit_vectors
from rag.embedding.remote import STALL_S, check_reachable, failed, network_for
from rag.embedding.texts import prefixed, valid
from rag.errors import EmbedderFailed, EmbedderMissing
from rag.types import EmbedderIdentity, Vectors

if TYPE_CHECKING:
    import ollama

USUAL_URL = "http://127.0.0.1:11434"
# Few, because Ollama computes one request after the other and a question comes after the one that runs.
TEXTS_PER_CALL = 16
_USUAL_TOKENS = 2048
_CLOUD = ("-cloud", ":cloud")


class OllamaEmbedder:
    """One model of one Ollama. Made by `open_ollama`; close it. Ollama cuts texts that are too long."""

    def __init__(
        self, identity: EmbedderIdentity, name: str, client: ollama.AsyncClient, dimensions: int | None
    ) -> None:
        self._identity = identity
        self._name = name
        self._client = client
        self._dimensions = dimensions

    @property
    def identity(self) -> EmbedderIdentity:
        return self._identity

    async def embed_passages(self, texts: list[str]) -> Vectors:
        """As Embedder.embed_passages. Raises EmbedderFailed with what Ollama said."""
        vectors = np.empty((len(texts), self._identity.dimensions), np.float32)
        for at in range(0, len(texts), TEXTS_PER_CALL):
            part = prefixed(self._identity.passage_prefix, texts[at : at + TEXTS_PER_CALL])
            vectors[at : at + len(part)] = await self._embed(part)
        return vectors

    async def embed_query(self, text: str) -> Vectors:
        """As Embedder.embed_query."""
        vector: Vectors = (await self._embed([valid(self._identity.query_prefix + text)]))[0]
        return vector

    async def close(self) -> None:
        await _close(self._client)

    async def _embed(self, texts: list[str]) -> Vectors:
        found = await _vectors(self._client, self._name, texts, self._dimensions)
        return unit_vectors(found, len(texts), self._identity.dimensions, self._name)


async def open_ollama(
    url: str,
    name: str,
    rules: Callable[[], NetworkRules],
    *,
    prefixes: tuple[str | None, str | None] = (None, None),
    dimensions: int | None = None,
    stall_s: float = STALL_S,
) -> OllamaEmbedder:
    """Ask Ollama which model that is, and for one vector. `url` of "" means the usual one of this machine.

    Raises EmbedderMissing when it may not be asked, does not answer, or has no such model; EmbedderFailed when it
    gives no vectors. Models that Ollama runs in its cloud are refused: their texts would leave this machine unseen.
    """
    if name.endswith(_CLOUD):
        raise EmbedderMissing(
            f"{name} is run in Ollama's cloud, not here.", hint="Choose a model that Ollama has here."
        )
    client = _client(url or USUAL_URL, rules, stall_s)
    try:
        digest = await _digest(client, name, url or USUAL_URL)
        tokens = await _context(client, name)
        first = await _vectors(client, name, ["one"], dimensions)
    except BaseException:
        await _close(client)
        raise
    family = family_of(name)
    identity = identity_of(
        name_with_hash(name, digest),
        first.shape[1],
        tokens,
        family.pooling or "unknown",
        query_prefix=family.query_prefix if prefixes[0] is None else prefixes[0],
        passage_prefix=family.passage_prefix if prefixes[1] is None else prefixes[1],
    )
    return OllamaEmbedder(identity, name, client, dimensions)


def _client(url: str, rules: Callable[[], NetworkRules], stall_s: float) -> ollama.AsyncClient:
    """Ollama's client on a transport of ours: it makes one of its own otherwise, which knows no rules."""
    import ollama

    network = network_for(url, rules)
    check_reachable(network)
    return ollama.AsyncClient(
        url,
        transport=network.async_transport(),
        trust_env=False,
        follow_redirects=False,
        timeout=network.timeout(stall_s),
        event_hooks={"request": [_without_key]},
    )


async def _without_key(request: Request) -> None:
    """Ollama's client takes a key from the environment; nobody said that it may go to this server."""
    request.headers.pop("authorization", None)


async def _close(client: ollama.AsyncClient) -> None:
    await client.close()  # type: ignore[no-untyped-call]


async def _digest(client: ollama.AsyncClient, name: str, url: str) -> str:
    try:
        listed = (await _asked(client.list(), name, url)).models
    except EmbedderFailed as error:
        raise EmbedderMissing(
            f"Ollama does not answer at {URL(url).netloc.decode()}.", hint="Start it, or check its address."
        ) from error
    wanted = {name, f"{name}:latest"}
    digest: str | None = next((model.digest for model in listed if model.model in wanted), None)
    if not digest:
        raise EmbedderMissing(f"Ollama has no model {name}.", hint=f"`ollama pull {name}` fetches it.")
    return digest.removeprefix("sha256:")


async def _context(client: ollama.AsyncClient, name: str) -> int:
    shown = await _asked(client.show(name), name)
    values = shown.modelinfo or {}
    lengths = [value for key, value in values.items() if key.endswith(".context_length") and isinstance(value, int)]
    return lengths[0] if lengths else _USUAL_TOKENS


async def _vectors(client: ollama.AsyncClient, name: str, texts: list[str], dimensions: int | None) -> Vectors:
    answer = await _asked(client.embed(name, texts, truncate=True, dimensions=dimensions), name)
    try:
        vectors = np.array(answer.embeddings, np.float32)
    except ValueError as error:
        raise EmbedderFailed(f"{name} answered with vectors of differing lengths.") from error
    if vectors.ndim != 2:
        raise EmbedderFailed(f"{name} gave no vectors.", hint="Is it an embedding model? Chat models give none.")
    return vectors


async def _asked(call: Any, name: str, url: str = "") -> Any:
    import ollama
    import pydantic

    try:
        return await call
    except ollama.ResponseError as error:
        raise failed(name, error) from error
    except TransportError as error:
        raise failed(name, no_answer(error, url or USUAL_URL)) from error
    except (ModelsError, ConnectionError) as error:
        raise failed(name, error) from error
    except (pydantic.ValidationError, ValueError) as error:
        raise EmbedderFailed(f"Ollama answered about {name} with something we do not know.") from error
