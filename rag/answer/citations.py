"""Citations in an answer: found, and taken out where they name no passage, while the answer is still being written.

A citation is [1], [1, 2], [2–4] or 【1】. A link and anything inside of code are left alone; so is an index (`a[7]`)
whose number names no passage.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

_CITATION = re.compile(r"(?:\[\^?(\d{1,3}(?:\s*[,;–-]\s*\d{1,3})*)\]|【(\d{1,3})[^】\n]{0,40}】)(?![(:\w])")
_NUMBER = re.compile(r"(\d+)(?:\s*([,;–-])\s*)?")
_CODE = re.compile(r"(?m)^[ \t]{0,3}(?P<fence>`{3,}|~{3,})|(?P<tick>`+)")
# What may still become a citation, with the blanks before it, or a mark of code.
_UNDECIDED = re.compile(r"[ \t]*(?:[\[【][^\]】\n]{0,60}[\]】]?|\n?[ \t]{0,3}[`~]+)?$")
_LOOK_BACK = 80
_LONGEST_RANGE = 20


@dataclass(frozen=True, slots=True)
class Citation:
    """[start, end) of the text cites the passages `numbers`; `attached` when it stands at a word, as an index does."""

    start: int
    end: int
    numbers: tuple[int, ...]
    attached: bool = False


def citations_in(text: str, start: int = 0) -> Iterator[Citation]:
    """All citations of a text from `start` on, in order; those inside of code are none."""
    code = _code_ranges(text)
    for match in _CITATION.finditer(text, start):
        if not any(begin <= match.start() < end for begin, end in code):
            before = text[max(0, match.start() - 1) : match.start()]
            attached = match.group(1) is not None and (before.isalnum() or before in ("_", ")", "`"))
            yield Citation(match.start(), match.end(), _numbers(match.group(1) or match.group(2)), attached)


def without_citations(text: str) -> str:
    """`text` with every citation taken out, but for what may be an index."""
    return checked_text(text, ())[0]


def checked_text(text: str, numbers: Collection[int]) -> tuple[str, tuple[int, ...], tuple[int, ...]]:
    """A whole text after the filter, with the numbers that were cited and those that were removed."""
    citations = CitationFilter(numbers)
    kept = citations.feed(text) + citations.end()
    return kept, tuple(citations.cited), tuple(citations.removed)


class CitationFilter:
    """Takes citations that name none of `numbers` out of a stream of text, however it is cut.

    Numbers go into `cited` or, where they name no passage, into `removed`. What might become a citation is held back
    until that is decided: at most some 60 characters.
    """

    def __init__(self, numbers: Collection[int]) -> None:
        self._known = frozenset(numbers)
        self._text = ""  # since the last paragraph that is done with: what is code depends on what stands before
        self._given = 0
        self.cited: list[int] = []
        self.removed: list[int] = []

    def feed(self, text: str) -> str:
        """The next piece of what was written, as far as it is decided."""
        self._text += text
        tail = _UNDECIDED.search(self._text, max(self._given, len(self._text) - _LOOK_BACK))
        return self._hand_out(tail.start() if tail else len(self._text))

    def end(self) -> str:
        """The rest, when nothing more comes."""
        return self._hand_out(len(self._text))

    def _hand_out(self, until: int) -> str:
        pieces = []
        for citation in citations_in(self._text, self._given):
            if citation.end <= until:
                pieces.append(self._judged(citation))
                self._given = citation.end
        pieces.append(self._text[self._given : until])
        self._given = until
        self._forget()
        return "".join(pieces)

    def _judged(self, citation: Citation) -> str:
        """What stays of the text up to the end of `citation`."""
        before = self._text[self._given : citation.start]
        known = [number for number in citation.numbers if number in self._known]
        if citation.attached and not known:
            return before + self._text[citation.start : citation.end]
        for number in citation.numbers:
            noted = self.cited if number in self._known else self.removed
            if number not in noted:
                noted.append(number)
        return before + "".join(f"[{number}]" for number in known) if known else before.rstrip(" \t")

    def _forget(self) -> None:
        paragraph = self._text.rfind("\n\n", 0, self._given)
        if paragraph > 0 and not any(start < paragraph < end for start, end in _code_ranges(self._text)):
            self._text, self._given = self._text[paragraph:], self._given - paragraph


def _numbers(text: str) -> tuple[int, ...]:
    """The numbers of "1", "1, 3" or "2–4"; a range that is too long to be meant counts as its two ends."""
    found: list[int] = []
    since = 0
    for match in _NUMBER.finditer(text):
        number = int(match.group(1))
        if since and since < number <= since + _LONGEST_RANGE:
            found.extend(range(since + 1, number))
        found.append(number)
        since = number if match.group(2) in ("–", "-") else 0
    return tuple(dict.fromkeys(found))


def _code_ranges(text: str) -> list[tuple[int, int]]:
    """Where code stands in Markdown: fenced blocks, an open one to the end, and spans between equal ticks.

    Ticks that are never closed make code of the rest of their paragraph: while an answer is being written nobody knows.
    """
    ranges, at = [], 0
    while match := _CODE.search(text, at):
        at = _fence_end(text, match) if match.group("fence") else _span_end(text, match)
        ranges.append((match.start(), at))
    return ranges


def _fence_end(text: str, opening: re.Match[str]) -> int:
    fence = opening.group("fence")
    closing = re.compile(rf"(?m)^[ \t]{{0,3}}{re.escape(fence[0])}{{{len(fence)},}}[ \t]*$")
    end = closing.search(text, opening.end())
    return end.end() if end else len(text)


def _span_end(text: str, opening: re.Match[str]) -> int:
    paragraph = text.find("\n\n", opening.end())
    limit = paragraph if paragraph >= 0 else len(text)
    end = re.compile(rf"(?<!`){opening.group('tick')}(?!`)").search(text, opening.end(), limit)
    return end.end() if end else limit
