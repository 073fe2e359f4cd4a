"""Reads files in jailed children that may crash, hang or eat memory without harm to anything else.

A child reads any number of files and is replaced when it died, hung, or grew too large. Small files go over in
batches. When a batch fails as a whole, its files are read again one by one, so that only the guilty one is blamed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from rag.errors import ParseFailed
from rag.reading.types import DEFAULT_LIMITS, Limits, Parsed


class ReaderPool:
    """Jailed children that read files; made at once, started when first needed.

    `folder` is where the children run (made when it is not there), `pidfiles` as in ChildSpec. Use it on one loop.
    `tesseract` is the name or path of the program that reads scanned pages.
    """

    def __init__(
        self,
        folder: Path,
        pidfiles: Path | None,
        workers: int = 2,
        limits: Limits = DEFAULT_LIMITS,
        *,
        tesseract: str = "tesseract",
    ) -> None:
        raise NotImplementedError

    def allow(self, roots: Sequence[Path]) -> None:
        """Set the folders and files that may be read; children that were started with others are replaced."""
        raise NotImplementedError

    async def read(self, path: Path, root: Path) -> Parsed:
        """Read one file below `root`, which must be allowed. Raises ParseFailed with its reason."""
        raise NotImplementedError

    def read_many(self, paths: Sequence[tuple[Path, Path]]) -> AsyncIterator[tuple[Path, Parsed | ParseFailed]]:
        """Read many (path, root); gives each path once, as it is done, with what it gave or why it failed.

        Reads ahead by a batch per child only, so a slow consumer holds it up.
        """
        raise NotImplementedError

    async def close(self) -> None:
        """End the children; calls under way raise ParseFailed."""
        raise NotImplementedError
