"""All rerankers: cross-encoder folders the user added, and the rerank models of the library."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rag.embedding.embedders import GgufModels
from rag.types import Reranker


@dataclass(frozen=True, slots=True)
class RerankerOption:
    """One reranker; `reason` says why it is not available."""

    id: str
    name: str
    kind: Literal["sentence-transformers", "gguf"]
    available: bool = True
    reason: str = ""


class Rerankers:
    """Opens rerankers by id and closes what it opened. All methods belong on one asyncio loop.

    `runtime` has the working folders of children, `definitions` is the file with the folders the user added. `budget_s`
    is the longest that one call of `scores` may take before RerankerFailed.
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
        raise NotImplementedError

    async def choices(self) -> tuple[RerankerOption, ...]:
        """All rerankers by name; loads nothing."""
        raise NotImplementedError

    async def open(self, reranker_id: str) -> Reranker:
        """The reranker of that id, opened once and shared. Raises RerankerFailed with the reason when it is not here.

        Its scores are 0..1. More pairs than it reads in its time are refused with RerankerFailed, not cut.
        """
        raise NotImplementedError

    async def add(self, folder: Path) -> RerankerOption:
        """Take in a cross-encoder's folder after scoring one pair with it. Raises RerankerFailed."""
        raise NotImplementedError

    async def remove(self, reranker_id: str) -> None:
        """Forget a folder that was added; unknown ids are fine."""
        raise NotImplementedError

    async def close(self) -> None:
        """End every child."""
        raise NotImplementedError
