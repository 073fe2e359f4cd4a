"""Opening what the user added, by its kind."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

from models.network import NetworkRules
from rag.embedding.bert import NotPlainBert
from rag.embedding.choices import Definition
from rag.embedding.folder import ModelFolder, examine
from rag.embedding.ollama_server import OllamaEmbedder, open_ollama
from rag.embedding.openai_server import OpenAiEmbedder, open_openai
from rag.embedding.package import BertEmbedder, open_bert
from rag.embedding.transformer import TransformerEmbedder, open_transformer
from rag.errors import EmbedderMissing

_NOT_IN_NAME = re.compile(r"[^A-Za-z0-9.-]+")


class Opener:
    """Opens definitions. `work` gets a working folder for each child; `runtime` is the one the built-in model uses."""

    def __init__(
        self,
        work: Path,
        pidfiles: Path | None,
        rules: Callable[[], NetworkRules],
        api_key: Callable[[str], Awaitable[str | None]] | None,
        runtime: Callable[[], str],
    ) -> None:
        self._work = work
        self._pidfiles = pidfiles
        self._rules = rules
        self._api_key = api_key
        self._runtime = runtime

    async def open(
        self, embedder_id: str, definition: Definition
    ) -> BertEmbedder | TransformerEmbedder | OllamaEmbedder | OpenAiEmbedder:
        """The embedder of a definition, known to work. Raises EmbedderMissing, EmbedderFailed."""
        if definition.kind == "sentence-transformers":
            return await self._folder(self._work / _NOT_IN_NAME.sub("-", embedder_id), definition)
        prefixes = (definition.query_prefix, definition.passage_prefix)
        if definition.kind == "ollama":
            return await open_ollama(
                definition.url, definition.name, self._rules, prefixes=prefixes, dimensions=definition.dimensions
            )
        if not definition.url:
            raise EmbedderMissing(
                f"Where {definition.name} is served is not said.",
                hint="An address looks like http://127.0.0.1:8080/v1.",
            )
        key = await self._api_key(definition.url) if self._api_key is not None else None
        return await open_openai(
            definition.url,
            definition.name,
            key,
            self._rules,
            prefixes=prefixes,
            dimensions=definition.dimensions,
        )

    async def _folder(self, work: Path, definition: Definition) -> BertEmbedder | TransformerEmbedder:
        model = await asyncio.to_thread(examine, Path(definition.name))
        if definition.query_prefix is not None:
            model = replace(model, query_prefix=definition.query_prefix)
        if definition.passage_prefix is not None:
            model = replace(model, passage_prefix=definition.passage_prefix)
        if definition.dimensions is None and (plain := await asyncio.to_thread(self._plain, model, work)) is not None:
            return await _answering(plain)
        return await open_transformer(model, work, self._pidfiles, definition.dimensions)

    def _plain(self, model: ModelFolder, work: Path) -> BertEmbedder | None:
        """The folder run as the built-in model is, several times as fast, if it is a plain BERT."""
        files = (model.folder / "tokenizer.json", model.folder / "model.safetensors")
        if model.lower_case or not all(path.is_file() for path in files):
            return None
        prefixes = (model.query_prefix, model.passage_prefix)
        try:
            return open_bert(model.name, model.folder, work, self._pidfiles, runtime=self._runtime, prefixes=prefixes)
        except (NotPlainBert, KeyError, TypeError, ValueError):
            return None


async def _answering(embedder: BertEmbedder) -> BertEmbedder:
    try:
        await embedder.embed_query("one")
    except BaseException:
        await embedder.close()
        raise
    return embedder
