"""The lines of a passage that are shown, and what is marked in them. Pure; offsets in lines count UTF-16 units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from desktop.qt.files.place_words import snippet_window
from desktop.qt.transcript.pieces import utf16_length

BEFORE = 120  # characters before the sentence that are shown of a very long line
AFTER = 600
_INVISIBLE = {code: "\ufffd" for code in range(32) if code not in (9, 10)} | {0x2028: " ", 0x2029: " ", 0xFFFC: " "}
Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class PassageLine:
    """One line: `whole` when all of it is the decisive sentence, else `sentence` is the part that is; `words` hits."""

    text: str
    whole: bool = False
    sentence: Span = (0, 0)
    words: tuple[Span, ...] = ()


def passage_lines(text: str, sentence: Span, words: Sequence[Span], most: int) -> list[PassageLine]:
    """At most `most` lines around the sentence, without blank ones at both ends and without shared indent."""
    start, end = snippet_window(text, sentence, most)
    start = _near(text, start, sentence[0] - BEFORE)
    end = min(end, max(start, sentence[1]) + AFTER)
    lines = []
    position = start
    for line in text[start:end].split("\n"):
        lines.append(_line(line, position, sentence, words))
        position += len(line) + 1
    while lines and not lines[0].text.strip():
        lines.pop(0)
    while lines and not lines[-1].text.strip():
        lines.pop()
    return _undented(lines)


def _near(text: str, start: int, wanted: int) -> int:
    """A word's beginning at `wanted`, when the line began far before it."""
    if wanted - start < BEFORE or "\n" in text[start:wanted]:
        return start
    space = text.find(" ", wanted)
    return space + 1 if 0 <= space < wanted + BEFORE else wanted


def _line(line: str, position: int, sentence: Span, words: Sequence[Span]) -> PassageLine:
    last = position + len(line)
    begin, end = max(sentence[0], position) - position, min(sentence[1], last) - position
    stripped = line.strip()
    whole = begin < end and bool(stripped) and stripped in line[begin:end]
    part = () if whole or begin >= end else (begin, end)
    hits = [(max(a, position) - position, min(b, last) - position) for a, b in words if a < last and b > position]
    shown, places = _expanded(line)

    def at(span: Span) -> Span:
        return places[span[0]], places[span[1]]

    return PassageLine(shown, whole, at(part) if part else (0, 0), tuple(at(hit) for hit in hits))


def _expanded(line: str) -> tuple[str, list[int]]:
    """The line with tabs as spaces and without control characters, and where each character of it stands now."""
    shown: list[str] = []
    places, width = [], 0
    for char in line.translate(_INVISIBLE):
        places.append(width)
        piece = " " * (4 - width % 4) if char == "\t" else char
        shown.append(piece)
        width += utf16_length(piece)
    return "".join(shown), [*places, width]


def _undented(lines: list[PassageLine]) -> list[PassageLine]:
    filled = [line.text for line in lines if line.text.strip()]
    common = min((len(text) - len(text.lstrip(" ")) for text in filled), default=0)

    def moved(span: Span) -> Span:
        return max(0, span[0] - common), max(0, span[1] - common)

    return [
        PassageLine(line.text[common:], line.whole, moved(line.sentence), tuple(moved(hit) for hit in line.words))
        for line in lines
    ]
