"""The context of a chunk, as it is shown and embedded before its text."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rag.chunking.units import Unit

BETWEEN = " › "
LONGEST = 240
_LONGEST_ROW = 400
# Lines above a declaration that are no part of its signature: comments, decorators, attributes, annotations.
_ABOVE = re.compile(r"\s*(?://|/\*|\*|--|;|%|#|@|\[[A-Z]|\"\"\"|''')")
_SPACES = re.compile(r"\s+")
_SIGNATURE_LINES = 12
_OPENED = re.compile(r"([(\[{])\s+")
_CLOSED = re.compile(r",?\s+([)\]}])")
_NUMBERED = re.compile(r"(.*?)(\w+) (\d+)\Z", re.DOTALL)


def header(headings: Sequence[str], extra: str = "") -> str:
    """ "Install › From source": headings or containers, outermost first, then the signature that is not in the text.

    A long one loses its outer parts first.
    """
    parts = [_SPACES.sub(" ", part).strip() for part in (*headings, _one_line(extra))]
    parts = [part for part in parts if part]
    while len(parts) > 1 and sum(map(len, parts)) + len(BETWEEN) * (len(parts) - 1) > LONGEST:
        del parts[0]
    found = BETWEEN.join(parts)
    return found if len(found) <= LONGEST else found[: LONGEST - 1] + "…"


def _one_line(declaration: str) -> str:
    """A declaration that was written over several lines, without the blanks and the comma that this left."""
    return _CLOSED.sub(r"\1", _OPENED.sub(r"\1", declaration))


def common(units: Sequence[Unit]) -> tuple[str, ...]:
    """The headings that all these units are under."""
    shared = units[0].headings
    for unit in units[1:]:
        if unit.headings == shared:
            continue
        length = 0
        for one, two in zip(shared, unit.headings, strict=False):
            if one != two:
                break
            length += 1
        shared = shared[:length]
    return shared


def signature(text: str, start: int, end: int) -> str:
    """The declaration that a symbol begins with: "def get(self, key)", without its body."""
    lines = text[start : min(end, start + 4000)].split("\n")
    index = next((i for i, line in enumerate(lines) if line.strip() and not _ABOVE.match(line)), None)
    if index is None:
        return ""
    found = ""
    for line in lines[index : index + _SIGNATURE_LINES]:
        found += " " + line.strip()
        if found.count("(") <= found.count(")"):
            break
    found = found.split("{", 1)[0] if "{" in found else found
    return _SPACES.sub(" ", found).strip().rstrip(":;=").rstrip()


def first_row(text: str, start: int, end: int) -> str:
    """The row that names a table's columns."""
    return text[start:end].split("\n", 1)[0].strip()[:_LONGEST_ROW]


def place(first: str, last: str) -> str:
    """One place for a chunk from that of its first and last unit: "sheet Sales, rows 2–9"."""
    if first == last or not last:
        return first
    one, two = _NUMBERED.match(first), _NUMBERED.match(last)
    if one and two and one.group(1, 2) == two.group(1, 2):
        return f"{one[1]}{one[2]}s {one[3]}–{two[3]}"
    return first
