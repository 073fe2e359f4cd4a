"""How large a chunk may be, by kind of document."""

from __future__ import annotations

from dataclasses import dataclass

from rag.types import Document


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
    """Sizes by kind of document, `paged` for prose with pages; chosen for what finds most within 4,000 characters.

    MiniLM reads 256 tokens: about 1,000 characters of prose, 700 of code. Smaller chunks find more in code and on
    pages; in prose they find no more, and tear apart what an answer needs.
    """

    prose: Sizes = Sizes(target=700, limit=1000, join=500, small=120)
    paged: Sizes = Sizes(target=400, limit=600, join=280, small=80)
    code: Sizes = Sizes(target=500, limit=700, join=350, small=100)
    data: Sizes = Sizes(target=600, limit=900, join=600, small=100)

    def of(self, document: Document) -> Sizes:
        """The sizes for this document."""
        if document.kind in ("code", "notebook"):
            return self.code
        if document.kind == "prose":
            return self.paged if document.pages else self.prose
        return self.prose if document.kind in ("mail", "slides") else self.data


DEFAULT_RULES = ChunkRules()
