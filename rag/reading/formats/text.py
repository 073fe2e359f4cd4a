"""Plain text: paragraphs between blank lines."""

from __future__ import annotations

import re

from rag.reading.builder import one_line
from rag.reading.types import Limits
from rag.types import Block, Document

_PARAGRAPH = re.compile(r"[^\S\n]*\S[^\n]*(?:\n[^\S\n]*\S[^\n]*)*")


def read(text: str, language: str, limits: Limits) -> Document:
    """A document of paragraphs; `language` and `limits` do not matter here."""
    del language, limits
    blocks = tuple(Block("paragraph", found.start(), found.end()) for found in _PARAGRAPH.finditer(text))
    first = text[blocks[0].start : blocks[0].end].partition("\n")[0] if blocks else ""
    return Document("prose", text, title=one_line(first, 120), blocks=blocks)
