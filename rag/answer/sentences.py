"""Sentences of an answer or a passage, with their offsets; Markdown's lines end one as well."""

from __future__ import annotations

import re
from collections.abc import Iterator

# An end mark, with closing quotes and citations, before a blank; or the end of a line.
_END = re.compile(r"[.!?…。！？]+[\"'”’)\]]*(?:\s*\[\d[\d,;–\s-]*\])*(?=\s|$)|\n+|(?<=[。！？])")
_ABBREVIATION = re.compile(r"(?:\b(?:e\.g|i\.e|etc|vs|cf|Dr|Mr|Mrs|Ms|Prof|St|No|Fig|Eq|approx|ca|resp)|\b[A-Z])\.$")
_MARKUP = re.compile(r"[\s#>*+|-]*(?:\d+[.)]\s+)?")


def sentences(text: str) -> Iterator[tuple[int, int]]:
    """[start, end) of each sentence, in order, without the blanks and the marks of Markdown before it."""
    start = 0
    for match in _END.finditer(text):
        if match.group().startswith(".") and _ABBREVIATION.search(text, max(start, match.start() - 12), match.end()):
            continue
        yield from _trimmed(text, start, match.end())
        start = match.end()
    yield from _trimmed(text, start, len(text))


def _trimmed(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    mark = _MARKUP.match(text, start, end)
    begin = mark.end() if mark else start
    stop = begin + len(text[begin:end].rstrip())
    if stop > begin:
        yield begin, stop
