"""JSON lines: a row per record."""

from __future__ import annotations

from rag.reading.builder import joined_rows, lines_of
from rag.reading.types import Limits
from rag.types import Block, Document


def read(text: str, language: str, limits: Limits) -> Document:
    """A document of records."""
    del language, limits
    blocks = [Block("row", start, start + len(line)) for start, line in lines_of(text) if line and not line.isspace()]
    return Document("data", text, blocks=joined_rows(blocks))
