"""All embedders: the built-in one, those the user added, and the embedding models of the library."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol

from models.errors import ModelsError
from models.network import NetworkRules
from rag.embedding.choices import BUILT_IN, Choice, Definition, Figures, RuntimeFigure
from rag.embedding.definitions import Definitions
from rag.embedding.figures import RememberedFigures, choose
from rag.embedding.gguf import open_gguf
from rag.embedding.gguf_models import GgufModels
from rag.embedding.openers import Opener
from rag.embedding.package import NAME, BertEmbedder, open_bert, package_folder
from rag.embedding.rows import added_row, gguf_row, package_row
from rag.embedding.transformer import TransformerEmbedder
from rag.errors import EmbedderMissing
from rag.types import Embedder, EmbedderIdentity

MEASURE_S = 6.0
GGUF = "gguf:"


class ClosableEmbedder(Embedder, Protocol):
    """An embedder with something to end."""

    async def close(self) -> None: ...


class Embedders:
    """Opens embedders by id and closes what it opened. All methods belong on one asyncio loop.

    `cache` holds the measured figures, `runtime` the working folders of children, `definitions` is the file with what
    the user added. `rules` are those of the network at this moment; `api_key` gives the key for a server's URL, None
    for none. `models` is None where no engine is.
    """

    def __init__(
        self,
        *,
        cache: Path,
        runtime: Path,
        pidfiles: Path | None,
        definitions: Path,
        rules: Callable[[], NetworkRules],
        models: GgufModels | None = None,
        api_key: Callable[[str], Awaitable[str | None]] | None = None,
    ) -> None:
        self._runtime = runtime
        self._pidfiles = pidfiles
        self._models = models
        self._definitions = Definitions(definitions)
        self._opener = Opener(runtime / "added", pidfiles, rules, api_key, self._chosen)
        self._remembered = RememberedFigures(cache / "runtimes.json")
        self._figures: Figures | None = None
        self._opened: dict[str, ClosableEmbedder] = {}
        self._opening = asyncio.Lock()
        self._telling: set[asyncio.Task[None]] = set()

    @property
    def default_id(self) -> str:
        """The embedder that needs neither network nor choice."""
        return BUILT_IN

    async def choices(self) -> tuple[Choice, ...]:
        """All embedders, the default first. Asks no server and loads nothing."""
        added = await asyncio.to_thread(self._definitions.read)
        rows = [package_row(self.figures(), package_folder())]
        rows += [added_row(key, one, self._identity(key)) for key, one in added.items()]
        if self._models is not None:
            library = [model for model in await self._models.list() if model.kind == "embedding"]
            rows += [gguf_row(GGUF + model.id, model) for model in library]
        return tuple(rows)

    async def open(self, embedder_id: str) -> Embedder:
        """The embedder of that id, ready to be asked; opened once and shared. "" means the default.

        Raises EmbedderMissing with the reason when it is not here, or cannot be asked now.
        """
        embedder_id = embedder_id or self.default_id
        async with self._opening:
            if embedder_id not in self._opened:
                self._opened[embedder_id] = await self._open(embedder_id)
            return self._opened[embedder_id]

    async def add(self, definition: Definition) -> Choice:
        """Take in an embedder of the user's, after asking it for one vector. Raises EmbedderMissing, EmbedderFailed."""
        key = await asyncio.to_thread(self._definitions.key_for, definition)
        await self._forget(key)
        async with self._opening:
            embedder: ClosableEmbedder = await self._opener.open(key, definition)
            self._opened[key] = embedder
        await asyncio.to_thread(self._definitions.put, definition)
        return added_row(key, definition, embedder.identity)

    async def remove(self, embedder_id: str) -> None:
        """Forget an embedder that was added; unknown ids are fine."""
        await asyncio.to_thread(self._definitions.drop, embedder_id)
        await self._forget(embedder_id)

    def figures(self) -> Figures:
        """What was measured of the built-in model's runtimes on this processor, without measuring."""
        if self._figures is None:
            self._figures = self._remembered.read()
        return self._figures

    async def measure(self) -> Figures:
        """Try every runtime of the built-in model for some seconds, keep the fastest, remember the figures.

        What embeds passages now goes on as it is; the next child is started with the fastest. Raises EmbedderFailed,
        EmbedderMissing.
        """
        embedder = await self.open(BUILT_IN)
        assert isinstance(embedder, BertEmbedder)
        found = await embedder.measure(MEASURE_S)
        figures = choose([RuntimeFigure(**row, chosen=False) for row in found])
        self._figures = await asyncio.to_thread(self._remembered.write, figures, time.time())
        return self._figures

    def gentle(self, on: bool) -> None:
        """Whether passages give way, because somebody waits for a model's answer: the built-in embedder nearly rests,
        a sentence-transformers folder takes half of the time."""
        for embedder in self._opened.values():
            if isinstance(embedder, BertEmbedder | TransformerEmbedder) and embedder.is_gentle != on:
                task = asyncio.get_running_loop().create_task(embedder.gentle(on))
                self._telling.add(task)
                task.add_done_callback(self._telling.discard)

    async def close(self) -> None:
        """End every child and close every client."""
        await asyncio.gather(*self._telling, return_exceptions=True)
        opened = list(self._opened.values())
        self._opened.clear()
        await asyncio.gather(*(embedder.close() for embedder in opened))

    async def _open(self, embedder_id: str) -> ClosableEmbedder:
        if embedder_id == BUILT_IN:
            return await asyncio.to_thread(self._open_built_in)
        if embedder_id.startswith(GGUF):
            return await self._open_gguf(embedder_id.removeprefix(GGUF))
        definition = (await asyncio.to_thread(self._definitions.read)).get(embedder_id)
        if definition is None:
            raise _unknown(embedder_id)
        return await self._opener.open(embedder_id, definition)

    def _open_built_in(self) -> ClosableEmbedder:
        folder = package_folder()
        if folder is None:
            raise EmbedderMissing(
                f"The built-in embedding model {NAME} is not installed.", hint="Install Jackdaw again, with all of it."
            )
        return open_bert(NAME, folder, self._runtime / "built-in", self._pidfiles, runtime=self._chosen)

    async def _open_gguf(self, model_id: str) -> ClosableEmbedder:
        if self._models is None:
            raise EmbedderMissing("There is no engine to run GGUF models.", hint="`jackdaw doctor` says why.")
        try:
            library = await self._models.list()
        except ModelsError as error:
            raise EmbedderMissing(error.message, hint=error.hint) from error
        model = next((model for model in library if model.id == model_id and model.kind == "embedding"), None)
        if model is None:
            raise _unknown(GGUF + model_id)
        return await open_gguf(model, self._models)

    async def _forget(self, embedder_id: str) -> None:
        async with self._opening:
            if (embedder := self._opened.pop(embedder_id, None)) is not None:
                await embedder.close()

    def _identity(self, embedder_id: str) -> EmbedderIdentity | None:
        embedder = self._opened.get(embedder_id)
        return embedder.identity if embedder is not None else None

    def _chosen(self) -> str:
        return self.figures().chosen


def _unknown(embedder_id: str) -> EmbedderMissing:
    return EmbedderMissing(f"There is no embedder “{embedder_id}”.", hint="`jackdaw files embedders` shows all.")
