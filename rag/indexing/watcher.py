"""Watches the folders of collections, and asks for a look at what has changed in them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rag.store.store import FileStore

# Asked for a collection with the paths that changed, None for all of them.
Reindex = Callable[[int, Sequence[Path] | None], Awaitable[None]]


class Watcher:
    """Watches from `start` to `close`. `reindex` is awaited once per burst of changes, one at a time for a collection.

    `problems` says by root id, in words, why a root is not watched or cannot be read now.
    """

    def __init__(self, store: FileStore, reindex: Reindex, on_change: Callable[[int], None]) -> None:
        raise NotImplementedError

    @property
    def problems(self) -> dict[int, str]:
        raise NotImplementedError

    @property
    def watched(self) -> frozenset[int]:
        """Ids of the roots whose changes are noticed within a second or two."""
        raise NotImplementedError

    async def refresh(self) -> None:
        """Look again at which roots are to be watched: collections, roots or their wishes have changed."""
        raise NotImplementedError

    async def close(self) -> None:
        raise NotImplementedError
