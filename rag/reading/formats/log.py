"""Logs: a row per entry. Lines that go on with an entry, such as those of a stack trace, belong to it."""

from __future__ import annotations

import re

from rag.reading.builder import joined_rows, lines_of
from rag.reading.types import Limits
from rag.types import Block, Document

# What goes on with the entry above: an indented line, or one of those that traces of exceptions are made of.
_GOES_ON = re.compile(r"\s|(?:Caused by|Traceback|\.\.\. \d+ more|at )\b|\}|\)|\w+(?:\.\w+)*(?:Error|Exception)\b:?")
_LONGEST = 200  # lines of one entry


def read(text: str, language: str, limits: Limits) -> Document:
    """A document of entries."""
    del language, limits
    blocks: list[Block] = []
    first = last = lines = 0
    for start, line in lines_of(text):
        if not line.strip():
            continue
        if lines and (lines == _LONGEST or not _GOES_ON.match(line)):
            blocks.append(Block("row", first, last))
            lines = 0
        first, last, lines = (first if lines else start), start + len(line), lines + 1
    if lines:
        blocks.append(Block("row", first, last))
    return Document("log", text, blocks=joined_rows(blocks))
