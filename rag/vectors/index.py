"""`VectorIndex`: the parent's side of the vector index. Chroma itself runs in one worker, chroma_worker.py.

The index is a cache. A worker that dies is started again; an index that cannot be used is moved aside and made anew
from the vectors in files.db, without embedding anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rag.types import Vectors

Ids = NDArray[np.int64]


class VectorIndex:
    """Spaces of unit vectors under chunk ids, asked for the nearest by cosine.

    All calls may be made at the same time. Those that the worker answers raise VectorsBroken when the index cannot be
    used now; it mends itself in the background meanwhile.
    """

    def __init__(self, folder: Path, *, home: Path, pidfiles: Path | None = None) -> None:
        """`folder` is the index's own, `home` where the worker runs."""

    async def add(self, space: str, ids: Ids | Sequence[int], vectors: Vectors) -> None:
        """Put vectors under ids, in the place of older ones; the space is made when it is new. Kept when it returns."""
        raise NotImplementedError

    async def delete(self, space: str, ids: Ids | Sequence[int]) -> None:
        """Take ids out of a space; ids that are not there are passed over."""
        raise NotImplementedError

    async def query(self, space: str, vector: Vectors, k: int) -> list[tuple[int, float]]:
        """The k nearest chunk ids with their cosines, nearest first; fewer when the space has fewer, [] without it."""
        raise NotImplementedError

    async def count(self, space: str) -> int:
        """How many vectors a space has, 0 when it is not there."""
        raise NotImplementedError

    async def ids(self, space: str) -> Ids:
        """All ids of a space, ascending."""
        raise NotImplementedError

    async def drop(self, space: str) -> None:
        """Remove a space; one that is not there is passed over."""
        raise NotImplementedError

    async def spaces(self) -> list[str]:
        """The names of all spaces."""
        raise NotImplementedError

    async def close(self) -> None:
        """Stop the worker; what it acknowledged is on the disk."""
