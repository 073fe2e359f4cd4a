"""What to point at in a passage: the words of the query, and the sentence that holds most of what they tell."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from rag.answer.sentences import sentences
from rag.search.matching import stems
from rag.types import Highlight

WORDS_SHOWN = 40  # of one passage
_LEADING = 2  # letters that a word and its stem share: porter changes endings only, but "key" into "kei"
_LONG_SENTENCE = 400  # characters: more hardly points at anything

_WORD = re.compile(r"\w+")


def highlight(texts: Sequence[str], worth: Mapping[str, float]) -> list[tuple[Highlight, ...]]:
    """The highlights of each text, in order of their start; `worth` is what each stem of the query tells."""
    if not worth:
        return [() for _ in texts]
    known = _matching_words(texts, worth)
    return [_of(text, known, worth) for text in texts]


def _matching_words(texts: Sequence[str], worth: Mapping[str, float]) -> dict[str, str]:
    """The words of the texts that have one of these stems, with it."""
    beginnings = {stem[:_LEADING] for stem in worth}
    distinct = {word for text in texts for word in _WORD.findall(text.lower()) if word[:_LEADING] in beginnings}
    words = sorted(distinct)
    return {word: stem for word, stem in zip(words, stems(words), strict=True) if stem in worth}


def _of(text: str, known: Mapping[str, str], worth: Mapping[str, float]) -> tuple[Highlight, ...]:
    found = [
        (match.start(), match.end(), known[word])
        for match in _WORD.finditer(text)
        if (word := match.group().lower()) in known
    ]
    marks = [Highlight(start, end) for start, end, _ in found[:WORDS_SHOWN]]
    if sentence := _decisive(text, found, worth):
        marks.append(Highlight(*sentence, kind="sentence"))
    return tuple(sorted(marks, key=lambda mark: (mark.start, -mark.end)))


def _decisive(text: str, found: Sequence[tuple[int, int, str]], worth: Mapping[str, float]) -> tuple[int, int] | None:
    """The sentence whose words tell most together; the earlier one of two, None when no word is there."""
    best, best_worth = None, 0.0
    at = 0
    for start, end in sentences(text):
        while at < len(found) and found[at][0] < start:
            at += 1
        inside = set()
        for begin, _, stem in found[at:]:
            if begin >= end:
                break
            inside.add(stem)
        value = sum(worth[stem] for stem in inside)
        if value > best_worth and end - start <= _LONG_SENTENCE:
            best, best_worth = (start, end), value
    return best
