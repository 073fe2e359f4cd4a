"""What a query looks like: its kind, the words and phrases the lexical side asks for, what the embedder reads."""

from __future__ import annotations

import re
from dataclasses import dataclass

from rag.search.stop_words import stop_words
from rag.search.types import QueryKind
from rag.store.lexical_text import identifier_parts

LONG_QUERY = 400  # characters: from here on a text is handed in rather than a question asked
_READ_CHARS = 900  # of one piece: about what an embedder of 256 tokens reads
_PIECES = 3
_QUERY_CHARS = 20_000

_WORD = re.compile(r"\w+")
_QUOTED = re.compile(r'"([^"\n]{2,200})"|“([^”\n]{2,200})”')
_ERROR = re.compile(
    r"\b\w*(?:Error|Exception|Warning|Panic)\b|\bTraceback\b|\berrno\b|\bE\d{3,5}\b|\bexit (?:code|status)\b|"
    r"\b(?:failed|cannot|could not|unable) to\b|\bundefined (?:reference|symbol)\b|\bsegmentation fault\b",
    re.IGNORECASE,
)
_QUESTION = re.compile(
    r"^(?:how|what|which|who|whom|whose|when|where|why|is|are|was|were|do|does|did|can|could|should|would|will|has|have|"
    r"wie|was|welche[rsnm]?|wer|wann|wo|warum|comment|pourquoi|quel(?:le)?s?|qui|où|quand|cómo|qué|cuál|dónde|cuándo)\b",
    re.IGNORECASE,
)
_IDENTIFIER = re.compile(
    r"\b(?:[A-Za-z_]\w*(?:(?:\.|::|->)[A-Za-z_]\w*)+|\w*[a-z\d][A-Z]\w*|\w*[A-Z]{2,}[a-z]\w*|[A-Za-z]\w*_\w+|_\w+|"
    r"[A-Za-z_]\w*(?=\(\)))"
)
_SPACE = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Analysis:
    """`words` are distinct, in the order of the query, small letters; `counts` how often each stands in it.

    `identifiers` are those of them that are whole identifiers. `phrases` stood in quotes; they must be found as they
    stand when they are at least half of what is asked, otherwise somebody only quotes in passing. `pieces` are the
    texts whose vectors together stand for the query.
    """

    query: str
    kind: QueryKind
    words: tuple[str, ...]
    counts: tuple[int, ...]
    identifiers: frozenset[str]
    phrases: tuple[str, ...]
    pieces: tuple[str, ...]


def analyse(query: str) -> Analysis:
    """Take a query apart. Words without which it would still ask the same are left out, unless there are no others."""
    text = query.encode("utf-8", "replace").decode().replace("\0", " ").strip()[:_QUERY_CHARS]
    quoted = [phrase for found in _QUOTED.finditer(text) if (phrase := (found[1] or found[2]).strip())]
    named = {part.lower() for found in _IDENTIFIER.findall(text) for part in _WORD.findall(found)}
    counts = _words(text)
    empty = stop_words(counts) - named
    kept = {word: count for word, count in counts.items() if word not in empty} or counts
    inside = kept.keys() & _words(" ".join(quoted)).keys()
    phrases = tuple(quoted) if 2 * len(inside) >= len(kept) else ()
    return Analysis(
        query=text,
        kind=_kind(text, phrases, named, len(kept)),
        words=tuple(kept),
        counts=tuple(kept.values()),
        identifiers=frozenset(named & kept.keys()),
        phrases=phrases,
        pieces=_pieces(text),
    )


def _words(text: str) -> dict[str, int]:
    """The words and the parts of identifiers among them, with how often they occur."""
    counts: dict[str, int] = {}
    for word in _WORD.findall(text):
        parts = [part for part in identifier_parts(word) if len(part) > 1 or part.isdigit()]
        for each in dict.fromkeys((word.lower(), *(part.lower() for part in parts))):
            counts[each] = counts.get(each, 0) + 1
    return counts


def _kind(text: str, phrases: tuple[str, ...], named: set[str], words: int) -> QueryKind:
    if phrases and len(_QUOTED.sub("", text).split()) <= 2:
        return "exact phrase"
    if len(text) > LONG_QUERY:
        return "long text"
    if _QUESTION.match(text) or text.endswith("?"):
        return "question"
    if _ERROR.search(text):
        return "error message"
    if named and words <= 3 + 2 * len(named) and len(text.split()) <= 3:
        return "identifier"
    return "keywords"


def _pieces(text: str) -> tuple[str, ...]:
    """The query itself, or the first parts of a long text, each of what an embedder can read."""
    if len(text) <= LONG_QUERY:
        return (text,) if text else ()
    flat = _SPACE.sub(" ", text)
    return tuple(flat[at : at + _READ_CHARS] for at in range(0, min(len(flat), _PIECES * _READ_CHARS), _READ_CHARS))
