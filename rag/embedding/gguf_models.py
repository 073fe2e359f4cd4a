"""GGUF models as the index borrows them from the library and the engine."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from engine.llama_server import LlamaServer
    from models.library import LibraryModel


class GgufModels(Protocol):
    """The models of the library and the way to run one."""

    async def list(self) -> list[LibraryModel]: ...

    def hold(self, model_id: str) -> AbstractAsyncContextManager[LlamaServer]: ...
