"""TOML, INI and other settings files: a block per section."""

from __future__ import annotations

import re

from rag.reading.builder import one_line
from rag.reading.types import Limits
from rag.types import Block, Document

# The comments right above a section belong to it.
_SECTION = re.compile(r"(?:^[ \t]*[#;][^\n]*\n)*^[ \t]*\[{1,2}([^\[\]\n]+)\]{1,2}[ \t]*(?:[#;][^\n]*)?\r?$", re.M)


def read(text: str, language: str, limits: Limits) -> Document:
    """A document with a symbol per section, named "[tool.ruff]"."""
    del language, limits
    found = list(_SECTION.finditer(text))
    if not found:
        return Document("data", text)
    starts = [section.start() for section in found] + [len(text)]
    blocks = [Block("code", 0, starts[0])] if text[: starts[0]].strip() else []
    for section, end in zip(found, starts[1:], strict=True):
        blocks.append(Block("symbol", section.start(), end, name=f"[{one_line(section[1])}]"))
    return Document("data", text, blocks=tuple(blocks))
