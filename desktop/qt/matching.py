"""Which palette rows fit what was typed, best first. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

Row = TypeVar("Row")


def match_score(query: str, text: str) -> int | None:
    """How well `text` fits: lower is better, None when a word of the query is nowhere in it.

    The start of the text counts before the start of a word, and that before the middle of one.
    """
    text = text.lower()
    score = 0
    for word in query.lower().split():
        place = text.find(word)
        if place < 0:
            return None
        if place == 0:
            continue
        begins_word = f" {word}" in text
        score += 10 + min(place, 80) // 8 if begins_word else 100 + min(place, 80)
    return score


def best_matches(query: str, rows: Iterable[Row], text_of: Callable[[Row], str], limit: int) -> list[Row]:
    """At most `limit` rows that fit, best first; equal ones keep their order. An empty query fits everything."""
    scored = [(score, row) for row in rows if (score := match_score(query, text_of(row))) is not None]
    return [row for _, row in sorted(scored, key=lambda pair: pair[0])[:limit]]
