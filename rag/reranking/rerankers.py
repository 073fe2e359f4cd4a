"""All rerankers: cross-encoder folders the user added, and the rerank models of the library."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from models.errors import ModelsError
from rag.embedding.choices import Definition
from rag.embedding.definitions import Definitions
from rag.embedding.embedders import GGUF
from rag.embedding.gguf_models import GgufModels
from rag.errors import RerankerFailed
from rag.reranking.cross_encoder import open_cross_encoder
from rag.reranking.gguf import GgufReranker
from rag.types import Reranker

_NOT_IN_NAME = re.compile(r"[^A-Za-z0-9.-]+")


@dataclass(frozen=True, slots=True)
class RerankerOption:
    """One reranker; `reason` says why it is not available."""

    id: str
    name: str
    kind: Literal["sentence-transformers", "gguf"]
    available: bool = True
    reason: str = ""


class ClosableReranker(Reranker, Protocol):
    """A reranker with something to end."""

    async def close(self) -> None: ...


class Rerankers:
    """Opens rerankers by id and closes what it opened. All methods belong on one asyncio loop.

    `runtime` has the working folders of children, `definitions` is the file with the folders the user added. `budget_s`
    is the longest that one call of `scores` may take before RerankerFailed; loading the model does not count.
    """

    def __init__(
        self,
        *,
        runtime: Path,
        pidfiles: Path | None,
        definitions: Path,
        models: GgufModels | None = None,
        budget_s: float = 10.0,
    ) -> None:
        self._runtime = runtime
        self._pidfiles = pidfiles
        self._definitions = Definitions(definitions)
        self._models = models
        self._budget_s = budget_s
        self._opened: dict[str, ClosableReranker] = {}
        self._opening = asyncio.Lock()

    async def choices(self) -> tuple[RerankerOption, ...]:
        """All rerankers; loads nothing."""
        added = await asyncio.to_thread(self._definitions.read)
        rows = [_folder_row(key, definition) for key, definition in added.items()]
        if self._models is not None:
            library = [model for model in await self._models.list() if model.kind == "rerank"]
            rows += [
                RerankerOption(GGUF + model.id, model.id, "gguf", not model.suspect, model.suspect) for model in library
            ]
        return tuple(rows)

    async def open(self, reranker_id: str) -> Reranker:
        """The reranker of that id, opened once and shared. Raises RerankerFailed with the reason when it is not here.

        Its scores are 0..1. More pairs than it reads in its time are refused with RerankerFailed, not cut.
        """
        async with self._opening:
            if reranker_id not in self._opened:
                self._opened[reranker_id] = await self._open(reranker_id)
            return self._opened[reranker_id]

    async def add(self, folder: Path) -> RerankerOption:
        """Take in a cross-encoder's folder after scoring one pair with it. Raises RerankerFailed."""
        definition = Definition("sentence-transformers", str(folder))
        key = await asyncio.to_thread(self._definitions.key_for, definition)
        await self._forget(key)
        reranker = await self._open_folder(key, folder)
        try:
            await reranker.scores("one", ["two"])
        except BaseException:
            await reranker.close()
            raise
        async with self._opening:
            self._opened[key] = reranker
        await asyncio.to_thread(self._definitions.put, definition)
        return _folder_row(key, definition)

    async def remove(self, reranker_id: str) -> None:
        """Forget a folder that was added; unknown ids are fine."""
        await asyncio.to_thread(self._definitions.drop, reranker_id)
        await self._forget(reranker_id)

    async def close(self) -> None:
        """End every child."""
        opened = list(self._opened.values())
        self._opened.clear()
        await asyncio.gather(*(reranker.close() for reranker in opened))

    async def _open(self, reranker_id: str) -> ClosableReranker:
        if reranker_id.startswith(GGUF) and self._models is not None:
            return await self._open_gguf(self._models, reranker_id.removeprefix(GGUF))
        definition = (await asyncio.to_thread(self._definitions.read)).get(reranker_id)
        if definition is None:
            raise _unknown(reranker_id)
        return await self._open_folder(reranker_id, Path(definition.name))

    async def _open_folder(self, reranker_id: str, folder: Path) -> ClosableReranker:
        work = self._runtime / _NOT_IN_NAME.sub("-", reranker_id)
        return await open_cross_encoder(folder, work, self._pidfiles, self._budget_s)

    async def _open_gguf(self, models: GgufModels, model_id: str) -> ClosableReranker:
        try:
            library = await models.list()
        except ModelsError as error:
            raise RerankerFailed(error.message, hint=error.hint) from error
        model = next((model for model in library if model.id == model_id and model.kind == "rerank"), None)
        if model is None:
            raise _unknown(GGUF + model_id)
        return GgufReranker(model, models, self._budget_s)

    async def _forget(self, reranker_id: str) -> None:
        async with self._opening:
            if (reranker := self._opened.pop(reranker_id, None)) is not None:
                await reranker.close()


def _folder_row(reranker_id: str, definition: Definition) -> RerankerOption:
    folder = Path(definition.name)
    here = folder.is_dir()
    reason = "" if here else f"{folder} is not there any more."
    return RerankerOption(reranker_id, folder.name, "sentence-transformers", here, reason)


def _unknown(reranker_id: str) -> RerankerFailed:
    return RerankerFailed(f"There is no reranker “{reranker_id}”.", hint="`jackdaw files embedders` shows all.")
