"""From ranked chunks to passages: near-duplicates folded, neighbours joined, all within a budget.

Pure: chunks come ranked, best first; what is left out is told with its rule. The order of what stays never changes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rag.search.pool import Entry
from rag.search.types import Rule
from rag.types import Chunk

SAME = 0.92  # share of common word sequences from which two chunks say the same
JOIN_SHARE = 0.85  # of its neighbour's score that a chunk needs to be shown together with it
PASSAGE_CHARS = 2_400  # of a joined passage
CHARS_PER_TOKEN = 3.5
_SEQUENCE = 5  # words

_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Scored:
    """A ranked candidate; `position` is its place in the list of all candidates."""

    position: int
    entry: Entry
    score: float


@dataclass(slots=True)
class Passage:
    """Neighbouring chunks of one document in their order, with the score of the best one."""

    members: list[Scored]
    score: float
    copies: list[Entry] = field(default_factory=list)

    @property
    def chunks(self) -> list[Chunk]:
        return [member.entry.stored.chunk for member in self.members]


@dataclass(frozen=True, slots=True)
class Left:
    """A candidate that is not shown by itself: `rule` and a sentence say why, `into` is the passage it went into."""

    rule: Rule
    why: str
    into: Passage | None = None


def fold(ranked: Sequence[Scored], compared: int) -> tuple[list[Passage], dict[int, Left]]:
    """One passage for each chunk, but only one for chunks that say the same: the others become its copies.

    The first `compared` that say something else are looked at; nobody sees what stands below.
    """
    passages: list[Passage] = []
    left: dict[int, Left] = {}
    seen: list[tuple[Passage, _Said]] = []
    for scored in ranked:
        said = _Said.of(scored.entry.stored.chunk.text) if len(seen) < compared else None
        same = next((passage for passage, other in seen if said and said.like(other)), None)
        if same is not None:
            same.copies.append(scored.entry)
            left[scored.position] = Left("duplicate", "It says the same as a passage above it.", same)
            continue
        passage = Passage([scored], scored.score)
        passages.append(passage)
        if said:
            seen.append((passage, said))
    return passages, left


def join(passages: Sequence[Passage]) -> tuple[list[Passage], dict[int, Left]]:
    """Put chunks that follow one another in a document into the passage of the best of them."""
    joined: list[Passage] = []
    left: dict[int, Left] = {}
    ends: dict[tuple[int, int, int], Passage] = {}
    for passage in passages:
        (scored,) = passage.members
        neighbour = next((found for at in (-1, 1) if (found := ends.get(_key(scored, at)))), None)
        if neighbour is not None and _belongs(scored, neighbour):
            neighbour.members.append(scored)
            neighbour.members.sort(key=lambda member: member.entry.stored.chunk.ordinal)
            neighbour.copies.extend(passage.copies)
            ends[_key(scored, 0)] = neighbour
            left[scored.position] = Left("merged", "It stands beside a better passage and is shown with it.", neighbour)
        else:
            joined.append(passage)
            ends[_key(scored, 0)] = passage
    return joined, left


def limit(passages: Sequence[Passage], k: int, budget_tokens: int | None) -> tuple[list[Passage], dict[int, Left]]:
    """The first k that fit the budget together; one that does not fit makes way for a later, shorter one."""
    kept: list[Passage] = []
    left: dict[int, Left] = {}
    room = math.inf if budget_tokens is None else budget_tokens
    for passage in passages:
        need = 0 if budget_tokens is None else math.ceil(len(text_of(passage)) / CHARS_PER_TOKEN)
        if len(kept) >= k:
            gone = Left("below_k", f"More than {k} passages are better.")
        elif need > room:
            gone = Left("budget", f"It needs about {need} tokens, and {room:.0f} were left.")
        else:
            kept.append(passage)
            room -= need
            continue
        left.update((member.position, gone) for member in passage.members)
    return kept, left


def text_of(passage: Passage) -> str:
    """The text of a passage. What lies between its chunks is blank and is put back in the manner of its lines."""
    text = ""
    before: Chunk | None = None
    for chunk in passage.chunks:
        if before is not None:
            text += _between(before, chunk)
        text += chunk.text[max(before.end - chunk.start, 0) :] if before is not None else chunk.text
        before = chunk
    return text


def _between(before: Chunk, after: Chunk) -> str:
    """As many characters as the document has between two chunks: line ends, then what indents its lines."""
    gap = max(after.start - before.end, 0)
    lines = min(max(after.start_line - before.end_line, 0), gap)
    said = before.text + after.text
    crlf = gap >= 2 * lines and ("\r\n" in said or ("\n" not in said and gap == 2 * lines))
    ends = ("\r\n" if crlf else "\n") * lines
    return ends + ("\t" if "\n\t" in said else " ") * (gap - len(ends))


def _belongs(scored: Scored, passage: Passage) -> bool:
    best = max(passage.members, key=lambda member: member.score)
    mine, theirs = scored.entry.stored.chunk, best.entry.stored.chunk
    length = sum(len(chunk.text) for chunk in passage.chunks) + len(mine.text)
    alike = (mine.page, mine.place, mine.kind) == (theirs.page, theirs.place, theirs.kind)
    return alike and length <= PASSAGE_CHARS and scored.score >= JOIN_SHARE * best.score


def _key(scored: Scored, away: int) -> tuple[int, int, int]:
    stored = scored.entry.stored
    return scored.entry.collection_id, stored.document_id, stored.chunk.ordinal + away


@dataclass(frozen=True, slots=True)
class _Said:
    """What a text says: its words, and which there are."""

    words: tuple[str, ...]
    distinct: frozenset[str]

    @classmethod
    def of(cls, text: str) -> _Said:
        words = tuple(_WORD.findall(text.lower()))
        return cls(words, frozenset(words))

    def like(self, other: _Said) -> bool:
        """Whether nearly all sequences of words are common to both. What is cheap to see is looked at first."""
        return (
            _close(len(self.words), len(other.words))
            and _close(len(self.distinct), len(other.distinct))
            and _common(self.distinct, other.distinct)
            and _common(_sequences(self.words), _sequences(other.words))
        )


def _sequences(words: tuple[str, ...]) -> frozenset[tuple[str, ...]]:
    last = max(len(words) - _SEQUENCE, 0)
    return frozenset(words[at : at + _SEQUENCE] for at in range(last + 1))


def _close(one: int, other: int) -> bool:
    return min(one, other) >= SAME * max(one, other)


def _common(one: frozenset[Any], other: frozenset[Any]) -> bool:
    return len(one & other) >= SAME * len(one | other)
