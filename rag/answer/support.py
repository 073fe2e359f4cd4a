"""Whether the passages of an answer say what its sentences say, judged by words, numbers and names.

This is a comparison of words, no understanding: it finds the number that stands in no passage and the claim from
nowhere; it cannot find a "not" that is missing. The window says so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache

from rag.answer.citations import checked_text, citations_in
from rag.answer.prompt import NOT_IN_FILES
from rag.answer.sentences import sentences
from rag.answer.types import Checked, NumberedSource, Support
from rag.answer.words import ANSWER_WORDS, COMMON_WORDS

LEAST_SUPPORT = 0.55
LEAST_WORDS = 3  # "Yes." and headings claim nothing that could be compared
_WORD = re.compile(r"[^\W_]+(?:[._'-][^\W_]+)*")
_PART = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+(?:[.,]\d+)*|[^\W\d_a-zA-Z]+")
_ENDINGS = ("ingly", "edly", "ings", "ing", "ies", "ied", "ed", "es", "ly", "s", "e")


def check_answer(text: str, sources: Sequence[NumberedSource]) -> Checked:
    """An answer with its citations checked and its sentences held against the passages they name.

    A sentence without a citation is held against all passages. Sentences of fewer than LEAST_WORDS words that carry
    meaning, and those inside of code, are not judged.
    """
    passages = {source.number: source.hit.text for source in sources}
    kept, cited, removed = checked_text(text, passages)
    found = not says_not_found(kept)
    support = tuple(judge(kept, passages)) if found else ()
    return Checked(kept, cited, removed, support, found)


def says_not_found(text: str) -> bool:
    """Whether the answer as a whole is that the files do not say."""
    plain = text.strip().strip("\"'*_ ").lower()
    sentence = NOT_IN_FILES.rstrip(".").lower()
    return plain.startswith(sentence) and len(plain) < 4 * len(sentence)


def judge(text: str, passages: Mapping[int, str]) -> list[Support]:
    """The judged sentences of `text`, in order; `passages` by their numbers."""
    words_of = cache(lambda number: _words(passages[number]))
    everything = cache(lambda: frozenset[str]().union(*(words_of(number) for number in passages)))
    cited = list(citations_in(text))
    judged = []
    for start, end in sentences(text):
        inside = [citation for citation in cited if start <= citation.start < end]
        numbers = tuple(dict.fromkeys(number for citation in inside for number in citation.numbers))
        claim = _claim(text, start, end, [(citation.start, citation.end) for citation in inside])
        if len(claim) >= LEAST_WORDS:
            known = frozenset().union(*(words_of(n) for n in numbers if n in passages)) if numbers else everything()
            share = _share(claim, known)
            judged.append(Support(start, end, numbers, round(share, 3), share >= LEAST_SUPPORT))
    return judged


def _claim(text: str, start: int, end: int, without: list[tuple[int, int]]) -> list[str]:
    pieces, at = [], start
    for begin, stop in without:
        pieces.append(text[at:begin])
        at = stop
    return _meaning(" ".join([*pieces, text[at:end]]))


def _share(claim: list[str], known: frozenset[str]) -> float:
    """The share of the words that are in the passages; a number or a name counts for three, because it can be wrong."""
    weights = [3.0 if any(letter.isdigit() for letter in word) else 1.0 for word in claim]
    held = sum(weight for word, weight in zip(claim, weights, strict=True) if word in known)
    return held / sum(weights)


def _meaning(text: str) -> list[str]:
    words = [stem(word) for word in _pieces(text)]
    return list(dict.fromkeys(word for word in words if word and word not in COMMON_WORDS and word not in ANSWER_WORDS))


def _words(text: str) -> frozenset[str]:
    return frozenset(stem(word) for word in _pieces(text))


def _pieces(text: str) -> list[str]:
    """Words in lower case; of an identifier its parts as well."""
    found = []
    for word in _WORD.findall(text):
        found.append(word.lower())
        parts = _PART.findall(word)
        found += [part.lower() for part in parts] if len(parts) > 1 else []
    return found


def stem(word: str) -> str:
    """A word without its English ending, so that "indexed" and "indexes" meet; numbers stay as they are."""
    if word in COMMON_WORDS or any(letter.isdigit() for letter in word):
        return word.replace(",", "")
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word
