"""Follow-up questions made to stand alone for retrieval, by rule: "and for Windows?" asks nothing by itself.

A rule costs nothing and is the same every time. Asking the model to rewrite would cost a second answer's time, and
small models change questions that were good.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rag.answer.citations import without_citations
from rag.answer.types import Turn
from rag.answer.words import COMMON_WORDS

MOST_TERMS = 12
WHOLE_WORDS = 4  # a question of so many words that names two things is a whole one
_POINTING = re.compile(
    r"\b(?:it|its|they|them|their|theirs|this|that|these|those|there|then|he|she|him|her|one|ones|same|other|others|"
    r"another|both|former|latter|above|mentioned|previous|instead|else|again)\b",
    re.IGNORECASE,
)
_CONTINUING = re.compile(
    r"^\s*(?:and|but|or|so|also|then|what about|how about|what if|why(?: not)?\s*\??$|how so|really|which ones?|"
    r"where exactly|for example|such as|more|go on|continue|explain|are you sure|ok|okay|thanks)\b",
    re.IGNORECASE,
)
_TERM = re.compile(r"[\w./:@#-]*[^\W_][\w./:@#-]*")


@dataclass(frozen=True, slots=True)
class Rewritten:
    """What to search for. `changed` when words of earlier turns were added."""

    query: str
    changed: bool


def rewrite_query(history: Sequence[Turn], question: str) -> Rewritten:
    """`question` as it is when it stands alone; else with the terms that the last turns were about, put before it.

    Only a question that points back ("it", "and for …?") or is too short to be one is changed: "how are the weights
    kept?" asks something by itself, "the weights?" and "Windows version?" do not.
    """
    own = terms(question)
    earlier = [turn for turn in history if turn.role in ("user", "assistant") and turn.content.strip()]
    if not earlier or not _needs_more(question, own):
        return Rewritten(question, changed=False)
    added = [term for term in _subject(earlier) if term.lower() not in {word.lower() for word in own}]
    if not added:
        return Rewritten(question, changed=False)
    return Rewritten(f"{' '.join(added[:MOST_TERMS])} {question.strip()}", changed=True)


def terms(text: str) -> list[str]:
    """The words of a text that carry meaning, in order, once each."""
    words = [word.strip("./:@#-") for word in _TERM.findall(text)]
    return list(dict.fromkeys(word for word in words if word and word.lower() not in COMMON_WORDS))


def _needs_more(question: str, own: list[str]) -> bool:
    short = len(own) < 2 or (len(own) == 2 and len(question.split()) < WHOLE_WORDS)
    return short or bool(_CONTINUING.search(question)) or (len(own) < 6 and bool(_POINTING.search(question)))


def _subject(earlier: Sequence[Turn]) -> list[str]:
    """What the conversation is about: terms of the last question, of the one before it if that was a follow-up too,
    and names that the last answer brought up."""
    questions = [turn.content for turn in earlier if turn.role == "user"][-3:]
    found = terms(questions[-1]) if questions else []
    for question in reversed(questions[:-1]):
        if len(found) >= 3:
            break
        found += terms(question)
    answers = [turn.content for turn in earlier if turn.role == "assistant"]
    if answers and len(found) < MOST_TERMS:
        found += [term for term in terms(without_citations(answers[-1])[:600]) if _is_name(term)][:4]
    return list(dict.fromkeys(found))


def _is_name(term: str) -> bool:
    """An identifier, a path, a number with letters or a word with a capital inside: what a follow-up may mean."""
    return bool(re.search(r"[_./@#]|\d|[a-z][A-Z]", term))
