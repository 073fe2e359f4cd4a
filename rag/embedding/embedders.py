"""All embedders: the built-in one, those the user added, and the embedding models of the library."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from models.network import NetworkRules
from rag.embedding.choices import BUILT_IN, Choice, Definition, Figures, RuntimeFigure
from rag.embedding.figures import RememberedFigures, choose
from rag.embedding.package import DIMENSIONS, MAX_TOKENS, NAME, BertEmbedder, open_bert, package_folder
from rag.errors import EmbedderMissing
from rag.types import Embedder

if TYPE_CHECKING:
    from engine.llama_server import LlamaServer
    from models.library import LibraryModel

MEASURE_S = 8.0


class GgufModels(Protocol):
    """The models of the library and the way to run one."""

    async def list(self) -> list[LibraryModel]: ...

    def hold(self, model_id: str) -> AbstractAsyncContextManager[LlamaServer]: ...


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
        return (self._built_in(),)

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
        raise NotImplementedError

    async def remove(self, embedder_id: str) -> None:
        """Forget an embedder that was added; unknown ids are fine."""
        raise NotImplementedError

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
        """Whether passages are embedded with half of the time, because somebody waits for a chat's answer."""
        for embedder in self._opened.values():
            if isinstance(embedder, BertEmbedder):
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
        if embedder_id != BUILT_IN:
            raise EmbedderMissing(f"There is no embedder {embedder_id}.", hint="`jackdaw files` lists those there are.")
        folder = package_folder()
        if folder is None:
            raise EmbedderMissing(
                f"The built-in embedding model {NAME} is not installed.", hint="Install Jackdaw again, with all of it."
            )
        return await asyncio.to_thread(
            lambda: open_bert(NAME, folder, self._runtime / "built-in", self._pidfiles, runtime=self._chosen)
        )

    def _chosen(self) -> str:
        return self.figures().chosen

    def _built_in(self) -> Choice:
        figures = self.figures()
        speed = next((figure.chunks_per_s for figure in figures.runtimes if figure.chosen), None)
        here = package_folder() is not None
        return Choice(
            BUILT_IN,
            NAME,
            "package",
            dimensions=DIMENSIONS,
            max_tokens=MAX_TOKENS,
            pooling="mean",
            available=here,
            reason="" if here else "Its package is not installed.",
            is_default=True,
            runtime=figures.chosen,
            chunks_per_s=speed,
            note="Small and quick, for English; works without network.",
        )
