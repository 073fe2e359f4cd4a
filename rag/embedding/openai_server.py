"""Embedding models of a server that speaks OpenAI's POST /v1/embeddings."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import numpy as np

from models.errors import ModelsError
from models.network import URL, AsyncClient, NetworkRules, TransportError, no_answer
from rag.embedding.families import family_of
from rag.embedding.gguf import vectors_of
from rag.embedding.identity import identity_of
from rag.embedding.remote import STALL_S, check_reachable, failed, network_for
from rag.embedding.texts import prefixed, valid
from rag.errors import EmbedderFailed
from rag.types import EmbedderIdentity, Vectors

TEXTS_PER_CALL = 64
# What no server says, and most take; longer texts are refused or cut by the server.
MAX_TOKENS = 8192
_TRIES = 2
_PAUSE_S = 0.5
_MOST_BYTES = 256 * 1024 * 1024


class OpenAiEmbedder:
    """One model of one server. Made by `open_openai`; close it.

    An answer of 429 or 5xx, and a broken connection, are tried once more. The server decides what it does with a text
    that is too long.
    """

    def __init__(self, identity: EmbedderIdentity, client: AsyncClient, server: OpenAiServer) -> None:
        self._identity = identity
        self._client = client
        self._server = server

    @property
    def identity(self) -> EmbedderIdentity:
        return self._identity

    async def embed_passages(self, texts: list[str]) -> Vectors:
        """As Embedder.embed_passages. Raises EmbedderFailed with what the server said."""
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
        await self._client.aclose()

    async def _embed(self, texts: list[str]) -> Vectors:
        answer = await self._server.ask(self._client, texts)
        return vectors_of(answer, len(texts), self._identity.dimensions, self._server.name)


class OpenAiServer:
    """The way to one model: address, key, and what is asked."""

    def __init__(self, url: str, name: str, key: str | None, dimensions: int | None) -> None:
        self.name = name
        self._target = f"{url.rstrip('/')}/embeddings"
        self._headers = {"authorization": f"Bearer {key}"} if key else {}
        self._extra = {"dimensions": dimensions} if dimensions else {}

    async def ask(self, client: AsyncClient, texts: list[str]) -> Any:
        """The parsed answer for some texts. Raises EmbedderFailed."""
        body = {"model": self.name, "input": texts, "encoding_format": "float", **self._extra}
        for left in reversed(range(_TRIES)):
            try:
                return await self._once(client, body)
            except _Passing as error:
                if not left:
                    raise failed(self.name, error) from error
                await asyncio.sleep(_PAUSE_S)
        raise AssertionError

    async def _once(self, client: AsyncClient, body: dict[str, Any]) -> Any:
        try:
            async with client.stream("POST", self._target, json=body, headers=self._headers) as response:
                data = bytearray()
                async for chunk in response.aiter_bytes():
                    data += chunk
                    if len(data) > _MOST_BYTES:
                        raise EmbedderFailed(f"{self.name} answered with more than {_MOST_BYTES >> 20} MiB.")
        except TransportError as error:
            raise _Passing(no_answer(error, self._target).message) from error
        except ModelsError as error:
            raise failed(self.name, error) from error
        if response.status_code == 429 or response.status_code >= 500:
            raise _Passing(_said(response.status_code, bytes(data)))
        if response.status_code != 200:
            raise EmbedderFailed(
                f"{self.name} gave no vectors: {_said(response.status_code, bytes(data))}",
                hint="Check the model's name, the address and the key.",
            )
        try:
            return json.loads(data)
        except (ValueError, RecursionError) as error:
            raise EmbedderFailed(f"{self.name} answered with something that is not JSON.") from error


class _Passing(Exception):
    """A failure that may be over a moment later."""


def _said(status: int, body: bytes) -> str:
    try:
        error = json.loads(body)["error"]
        message = error["message"] if isinstance(error, dict) else error
        return f"status {status}, {str(message)[:300]}"
    except (ValueError, KeyError, TypeError, RecursionError):
        return f"status {status}"


async def open_openai(
    url: str,
    name: str,
    key: str | None,
    rules: Callable[[], NetworkRules],
    *,
    prefixes: tuple[str | None, str | None] = (None, None),
    dimensions: int | None = None,
    stall_s: float = STALL_S,
) -> OpenAiEmbedder:
    """Ask the server for one vector, to learn its length. Raises EmbedderMissing when it may not be asked now.

    Raises EmbedderFailed when it does not answer as it should. The identity names the server, because two servers'
    models of one name may differ; nobody says which weights they are.
    """
    network = network_for(url, rules)
    check_reachable(network)
    client = network.async_client(stall_s=stall_s)
    client.follow_redirects = False
    try:
        server = OpenAiServer(url, name, key, dimensions)
        first = vectors_of(await server.ask(client, ["one"]), 1, dimensions, name)
    except BaseException:
        await client.aclose()
        raise
    family = family_of(name)
    identity = identity_of(
        f"{name}@{URL(url).netloc.decode()}",
        first.shape[1],
        MAX_TOKENS,
        family.pooling or "unknown",
        query_prefix=family.query_prefix if prefixes[0] is None else prefixes[0],
        passage_prefix=family.passage_prefix if prefixes[1] is None else prefixes[1],
    )
    return OpenAiEmbedder(identity, client, server)
