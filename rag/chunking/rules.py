"""How large a chunk may be, by kind of document."""

from __future__ import annotations

from dataclasses import dataclass

from rag.types import DocumentKind


@dataclass(frozen=True, slots=True)
class Sizes:
    """Characters of a chunk.

    What has `limit` or less stays whole when it belongs together (a file, a section, a function); what has more is cut
    into even pieces of about `target`. Whole neighbours (sections, functions) are put together up to `join`. What has
    less than `small` goes to a neighbour, which may then have up to `limit + small`.
    """

    target: int
    limit: int
    join: int
    small: int

    def __post_init__(self) -> None:
        if not 0 <= self.small <= self.join <= self.target <= self.limit or self.target < 8:
            raise ValueError("0 <= small <= join <= target <= limit, and 8 <= target")


@dataclass(frozen=True, slots=True)
class ChunkRules:
    """Sizes by kind. MiniLM reads 256 tokens: about 1,000 characters of prose, 700 of code."""

    prose: Sizes = Sizes(target=700, limit=1000, join=500, small=120)
    code: Sizes = Sizes(target=500, limit=700, join=350, small=100)
    data: Sizes = Sizes(target=700, limit=1000, join=700, small=120)

    def of(self, kind: DocumentKind) -> Sizes:
        if kind in ("code", "notebook"):
            return self.code
        return self.prose if kind in ("prose", "mail", "slides") else self.data


DEFAULT_RULES = ChunkRules()
