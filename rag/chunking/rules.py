"""How large a chunk may be, by kind of document."""

from __future__ import annotations

from dataclasses import dataclass

from rag.types import DocumentKind


@dataclass(frozen=True, slots=True)
class Sizes:
    """Characters of a chunk. What has `limit` or less stays whole; what has more is cut into pieces near `target`.

    Neighbours are put together up to `target`, and up to `limit` when one of them has less than `small`.
    """

    target: int
    limit: int
    small: int

    def __post_init__(self) -> None:
        if not 0 <= self.small <= self.target <= self.limit or self.target < 1:
            raise ValueError("0 <= small <= target <= limit, and 1 <= target")


@dataclass(frozen=True, slots=True)
class ChunkRules:
    """Sizes by kind. MiniLM reads 256 tokens: about 1,000 characters of prose, 700 of code."""

    prose: Sizes = Sizes(target=700, limit=1000, small=150)
    code: Sizes = Sizes(target=700, limit=1000, small=150)
    data: Sizes = Sizes(target=700, limit=1000, small=150)

    def of(self, kind: DocumentKind) -> Sizes:
        if kind in ("code", "notebook"):
            return self.code
        return self.prose if kind in ("prose", "mail", "slides") else self.data


DEFAULT_RULES = ChunkRules()
