"""Inline Markdown to spans. Pure: markdown-it tokens in, `Span`s out; images become their label, HTML stays text."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

from desktop.qt.transcript.markdown import parse_inline
from desktop.qt.transcript.pieces import Mark, Span

INLINE_LIMIT = 8_000
MARKS_LIMIT = 1_500
_BARE_LINK = re.compile(r"https?://[^\s<>\"'`\\^{}|]+")
_CITATION = re.compile(r"\[(\d{1,3})\]")
_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)
# Characters that Qt takes for the end of a paragraph, a frame or an object, and that no text may smuggle in.
_RESERVED = str.maketrans({"\n": " ", "\r": " ", "\u2029": " ", "\ufdd0": "", "\ufdd1": "", "\ufffc": "\ufffd"})
_RESERVED_IN_LINES = {code: to for code, to in _RESERVED.items() if code != 10}
_RESERVED_FOUND = re.compile("[\r\u2029\ufdd0\ufdd1\ufffc]")
_MARK_OF = {"strong_open": Mark.BOLD, "em_open": Mark.ITALIC, "s_open": Mark.STRIKE}
_MARK_CLOSED = {"strong_close": Mark.BOLD, "em_close": Mark.ITALIC, "s_close": Mark.STRIKE}


@dataclass(frozen=True, slots=True)
class InlineReader:
    """Turns inline Markdown into spans. `citations` are the numbers that "[1]" may refer to.

    `keep_lines`: a line end in the text stays one (messages people type), otherwise it is a space.
    `memo` keeps what was read: an open list is read again and again, and only its last item is new.
    Texts over INLINE_LIMIT characters or with over MARKS_LIMIT marks are not parsed but shown as they are.
    """

    parser: MarkdownIt
    references: dict[str, Any] = field(default_factory=dict)
    citations: Collection[int] = ()
    keep_lines: bool = False
    memo: dict[str, tuple[Span, ...]] | None = None

    def spans(self, text: str) -> tuple[Span, ...]:
        if self.memo is None:
            return self._spans(text)
        if text not in self.memo:
            self.memo[text] = self._spans(text)
        return self.memo[text]

    def _spans(self, text: str) -> tuple[Span, ...]:
        if len(text) > INLINE_LIMIT or _marks(text) > MARKS_LIMIT:
            return (Span(clean(text)),)
        return merged(self._walk(parse_inline(self.parser, text, self.references)))

    def _walk(self, tokens: Sequence[Token]) -> Iterator[Span]:
        marks, href = Mark.NONE, ""
        for token in tokens:
            if token.type in _MARK_OF:
                marks |= _MARK_OF[token.type]
            elif token.type in _MARK_CLOSED:
                marks &= ~_MARK_CLOSED[token.type]
            elif token.type == "link_open":
                href = str(token.attrGet("href") or "")
            elif token.type == "link_close":
                href = ""
            else:
                yield from self._leaf(token, marks, href)

    def _leaf(self, token: Token, marks: Mark, href: str) -> Iterator[Span]:
        match token.type:
            case "text" | "text_special":
                yield from self._text(clean(token.content), marks, href)
            case "code_inline":
                yield Span(clean(token.content), marks | Mark.CODE, href)
            case "softbreak":
                yield Span("\u2028" if self.keep_lines else " ", marks, href)
            case "hardbreak":
                yield Span("\u2028", marks, href)
            case "html_inline":
                is_break = _BREAK.fullmatch(token.content)
                yield Span("\u2028" if is_break else clean(token.content), marks, href)
            case "image":
                yield Span(f"Image: {clean(token.content) or 'no description'}", marks | Mark.IMAGE, href)
            case "math_inline":
                yield Span("\ufffc", marks, href, formula=token.content)
            case _:
                yield Span(clean(token.content), marks, href)

    def _text(self, text: str, marks: Mark, href: str) -> Iterator[Span]:
        if href or ("://" not in text and not self.citations):
            yield Span(text, marks, href)
            return
        position = 0
        for start, end, span in sorted(self._found(text, marks), key=lambda found: found[0]):
            if start >= position:
                # Marks that touch would be one number: a hair keeps them apart.
                touching = start == position and start > 0 and bool(span.marks & Mark.CITATION)
                yield Span("\u200a" if touching else text[position:start], marks)
                yield span
                position = end
        yield Span(text[position:], marks)

    def _found(self, text: str, marks: Mark) -> Iterator[tuple[int, int, Span]]:
        for match in _BARE_LINK.finditer(text):
            url = trimmed_link(match.group())
            yield match.start(), match.start() + len(url), Span(url, marks, url)
        for match in _CITATION.finditer(text):
            if int(match[1]) in self.citations:
                yield match.start(), match.end(), Span(match[1], marks | Mark.CITATION)


def clean(text: str) -> str:
    """The text without characters that have a meaning of their own in a Qt document."""
    return text.translate(_RESERVED) if "\n" in text or _RESERVED_FOUND.search(text) else text


def clean_lines(text: str) -> str:
    """The same for text of several lines."""
    return text.translate(_RESERVED_IN_LINES) if _RESERVED_FOUND.search(text) else text


def trimmed_link(url: str) -> str:
    """A bare address without the punctuation of the sentence around it."""
    while url:
        unmatched = url[-1] in ")]" and url.count(url[-1]) > url.count({")": "(", "]": "["}[url[-1]])
        if url[-1] not in ".,;:!?*_~" and not unmatched:
            break
        url = url[:-1]
    return url


def merged(spans: Iterator[Span]) -> tuple[Span, ...]:
    """Neighbours of the same look become one span; empty ones go."""
    found: list[Span] = []
    for span in spans:
        if not span.text:
            continue
        last = found[-1] if found else None
        mergeable = last is not None and not (span.formula or span.marks & (Mark.CITATION | Mark.IMAGE))
        if last is not None and mergeable and (last.marks, last.href, last.formula) == (span.marks, span.href, ""):
            found[-1] = Span(last.text + span.text, span.marks, span.href)
        else:
            found.append(span)
    return tuple(found)


def _marks(text: str) -> int:
    return sum(text.count(mark) for mark in "[*_<&$`~\\")
