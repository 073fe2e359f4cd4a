"""All embedders: the built-in one, those the user added, and the embedding models of the library."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from models.network import Network, NetworkRules
from rag.embedding.choices import BUILT_IN, Choice, Definition, Figures
from rag.types import Embedder

if TYPE_CHECKING:
    from engine.llama_server import LlamaServer
    from models.library import LibraryModel


class GgufModels(Protocol):
    """The models of the library and the way to run one."""

    async def list(self) -> list[LibraryModel]: ...

    def hold(self, model_id: str) -> AbstractAsyncContextManager[LlamaServer]: ...


class Embedders:
    """Opens embedders by id and closes what it opened. All methods belong on one asyncio loop.

    `cache` holds converted weights and the measured figures, `runtime` the working folders of children, `definitions`
    is the file with what the user added. `rules` are those of the network at this moment; `api_key` gives the key for
    a server's URL, None for none. `models` is None where no engine is.
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
        raise NotImplementedError

    @property
    def default_id(self) -> str:
        """The embedder that needs neither network nor choice."""
        return BUILT_IN

    async def choices(self) -> tuple[Choice, ...]:
        """All embedders, the default first. Asks no server and loads nothing."""
        raise NotImplementedError

    async def open(self, embedder_id: str) -> Embedder:
        """The embedder of that id, ready to be asked; opened once and shared. "" means the default.

        Raises EmbedderMissing with the reason when it is not here, or cannot be asked now.
        """
        raise NotImplementedError

    async def add(self, definition: Definition) -> Choice:
        """Take in an embedder of the user's, after asking it for one vector. Raises EmbedderMissing, EmbedderFailed."""
        raise NotImplementedError

    async def remove(self, embedder_id: str) -> None:
        """Forget an embedder that was added; unknown ids are fine."""
        raise NotImplementedError

    def figures(self) -> Figures:
        """What was measured of the built-in model's runtimes on this processor, without measuring."""
        raise NotImplementedError

    async def measure(self) -> Figures:
        """Try every runtime of the built-in model for some seconds, keep the fastest, remember the figures."""
        raise NotImplementedError

    def gentle(self, on: bool) -> None:
        """Whether passages are embedded with half of the cores, because somebody waits for a chat's answer."""
        raise NotImplementedError

    async def close(self) -> None:
        """End every child and close every client."""
        raise NotImplementedError


_ = (Network, Sequence)
