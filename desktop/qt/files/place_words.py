"""Where a passage stands, in words: lines, pages, headings. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from desktop.wire_files import CandidateRow, HighlightSpan, SearchResult

SNIPPET_LINES = 6


def span_words(first: int, last: int, noun: str) -> str:
    """ "lines 88–131", "page 3"."""
    return f"{noun} {first}" if last <= first else f"{noun}s {first}–{last}"


def place_words(found: SearchResult | CandidateRow) -> str:
    """Page, place or lines: whatever leads a person there."""
    if found.page is not None:
        end = getattr(found, "end_page", None) or found.page
        return span_words(found.page, end, "page")
    place = str(getattr(found, "place", ""))
    return place or span_words(found.start_line, found.end_line, "line")


def detail_words(found: SearchResult) -> str:
    """ "lines 88–131 · “class Stream › append”", with the collection in front when it is known."""
    header = f"“{found.header}”" if found.header else ""
    return " · ".join(part for part in (found.collection, place_words(found), header) if part)


def short_place(found: SearchResult) -> str:
    """For the chips under an answer: "88–131", "p. 3", or the heading."""
    if found.page is not None:
        return f"p. {found.page}"
    if found.place:
        return found.place
    return f"{found.start_line}–{found.end_line}" if found.end_line > found.start_line else str(found.start_line)


def name_of(path: str) -> str:
    """A file's name without its folders."""
    return PurePath(path).name or path


def decisive(text: str, highlights: Sequence[HighlightSpan]) -> tuple[int, int]:
    """[start, end) of the decisive sentence, (0, 0) when none is marked."""
    found = next((span for span in highlights if span.kind == "sentence"), None)
    return (0, 0) if found is None else (max(0, found.start), min(len(text), found.end))


def snippet_window(text: str, sentence: tuple[int, int], lines: int = SNIPPET_LINES) -> tuple[int, int]:
    """[start, end) of the lines to show: those of the sentence with some around them, else the first ones."""
    start = text.rfind("\n", 0, sentence[0]) + 1
    end = text.find("\n", sentence[1]) if sentence[1] else text.find("\n")
    end = len(text) if end < 0 else end
    room = lines - text.count("\n", start, end) - 1
    before = min(room // 2, text.count("\n", 0, start))
    for _ in range(before):
        start = text.rfind("\n", 0, start - 1) + 1
    for _ in range(max(0, room - before)):
        if end >= len(text):
            break
        following = text.find("\n", end + 1)
        end = len(text) if following < 0 else following
    return start, end


def spoken_result(number: int, found: SearchResult) -> str:
    """A result as a screen reader says it."""
    parts = [f"{number}. {name_of(found.path)}", detail_words(found), f"score {found.score:.2f}"]
    start, end = decisive(found.text, found.highlights)
    parts.append(" ".join((found.text[start:end] if end else found.text[:200]).split()))
    return ", ".join(part for part in parts if part)
