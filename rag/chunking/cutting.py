"""Where a piece of text that is too large for a chunk is cut."""

from __future__ import annotations

import re
from typing import Literal

Style = Literal["prose", "lines", "rows"]

_SENTENCE = re.compile(r"""[.!?…]["'”’»)\]]*\s+(?![a-z\s])|[。！？]["'”’」』）]*\s*""")
_PARAGRAPH = re.compile(r"\n[^\S\n]*\n\s*")
_LINE = re.compile(r"\n+")
_WORD = re.compile(r"\s+|(?<=[;,}])")
_NEXT_LINE = re.compile(r"(\n[^\S\n]*)?\n([^\S\n]*)(?=(\S))")
# A line that begins so goes on with the statement above it.
_CLOSING = re.compile(r"[)\]}>]|(?:end|else|elif|except|finally|catch|then|fi|done|esac)\b")


def cuts(text: str, start: int, end: int, *, target: int, limit: int, style: Style) -> list[int]:
    """Offsets, ascending, that cut [start, end) into even pieces of about `target`, each at most `limit` long.

    Prose is cut between paragraphs, sentences, lines or words, rows between lines, and lines (code, lists, data) where
    the least indented line of the neighbourhood begins; only a run without any of these is cut blindly.
    """
    found = []
    while end - start > limit:
        aim = (end - start) // -(-(end - start) // target)
        start = _border(text, start + aim // 2, start + aim, min(start + limit, end - 1), style)
        found.append(start)
    return found


def _border(text: str, low: int, aim: int, high: int, style: Style) -> int:
    """The best place in (low, high] to cut, near `aim`."""
    if style == "rows" and (row := text.rfind("\n", low, aim)) >= 0:
        return row + 1
    if style == "lines" and (line := _statement(text, low, aim, high)) is not None:
        return line
    for pattern in (_PARAGRAPH, _SENTENCE, _LINE, _WORD):
        ends = [match.end() for match in pattern.finditer(text, low, high) if low < match.end() <= high]
        if ends:
            return min(ends, key=lambda end: abs(end - aim))
    return aim


def _statement(text: str, low: int, aim: int, high: int) -> int | None:
    """The beginning of the least indented line, then of one after a blank line, then of the nearest."""
    best: tuple[int, int, int, int] | None = None
    for match in _NEXT_LINE.finditer(text, low, high):
        begin = match.end()
        indent = len(match[2].expandtabs(4))
        closing = _CLOSING.match(text, begin) is not None
        rank = (indent + 1000 * closing, match[1] is None, abs(begin - aim), begin - len(match[2]))
        if best is None or rank < best:
            best = rank
    return best[3] if best else None
