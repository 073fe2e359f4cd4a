"""The answer without any model: the best passages, each with its decisive sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rag.answer.prompt import NOT_IN_FILES, label
from rag.answer.sentences import sentences
from rag.answer.types import NumberedSource
from rag.types import Hit

SHOWN_PASSAGES = 5
LONGEST_QUOTE = 400


@dataclass(frozen=True, slots=True)
class PassagesAnswer:
    """`text` is plain Markdown with citations; `sources` are the passages it quotes."""

    text: str
    sources: tuple[NumberedSource, ...]
    found: bool


def passages_only(hits: Sequence[Hit], *, relevant: bool, most: int = SHOWN_PASSAGES) -> PassagesAnswer:
    """The best `most` passages, best first; "not in your files" when nothing is relevant."""
    if not relevant or not hits:
        return PassagesAnswer(NOT_IN_FILES, (), found=False)
    sources = tuple(NumberedSource(number, hit) for number, hit in enumerate(hits[:most], 1))
    lines = [f"{source.number}. “{quote(source.hit)}” [{source.number}]\n   {label(source.hit)}" for source in sources]
    return PassagesAnswer("\n".join(lines), sources, found=True)


def quote(hit: Hit) -> str:
    """The decisive sentence of a passage: the one that search marked, or else its first; on one line."""
    marked = [hit.text[mark.start : mark.end] for mark in hit.highlights if mark.kind == "sentence"]
    first = [hit.text[start:end] for start, end in sentences(hit.text[: 4 * LONGEST_QUOTE])][:1]
    text = " ".join((marked or first or [hit.text])[0].split())
    return text if len(text) <= LONGEST_QUOTE else text[: LONGEST_QUOTE - 1].rstrip() + "…"
