"""Document → chunks."""

from __future__ import annotations

from rag.chunking.rules import DEFAULT_RULES, ChunkRules
from rag.types import Chunk, Document


def chunk(document: Document, rules: ChunkRules = DEFAULT_RULES) -> tuple[Chunk, ...]:
    """The document's chunks in order: each non-blank character is in exactly one of them.

    A chunk is a contiguous piece of the text without blank ends, at most `limit` characters of its kind's sizes long.
    Pure and linear in the length of the text.
    """
    raise NotImplementedError
