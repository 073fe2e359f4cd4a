"""AsciiDoc, Org and LaTeX: text with headings that their marks tell; nothing else of them is looked at."""

from __future__ import annotations

import re

from rag.reading.builder import Outline, one_line
from rag.reading.types import Limits
from rag.types import Block, Document

_LATEX = ("part", "chapter", "section", "subsection", "subsubsection", "paragraph")
_HEADING = re.compile(
    r"^(?:(?P<equals>={1,6})[ \t]+(?P<adoc>\S[^\n]*)|(?P<stars>\*{1,8})[ \t]+(?P<org>\S[^\n]*)"
    r"|[ \t]*\\(?P<command>part|chapter|(?:sub){0,2}section|paragraph)\*?(?:\[[^\]\n]*\])?"
    r"\{(?P<latex>[^}\n]*)\}[^\n]*)$",
    re.MULTILINE,
)
_PARAGRAPH = re.compile(r"[^\S\n]*\S[^\n]*(?:\n[^\S\n]*\S[^\n]*)*")


def read(text: str, language: str, limits: Limits) -> Document:
    """A document of headings and paragraphs."""
    del language, limits
    outline, blocks, title = Outline(), list[Block](), ""
    at = 0
    for found in _HEADING.finditer(text):
        blocks += _paragraphs(text, at, found.start(), outline.headings)
        name = one_line(found["adoc"] or found["org"] or found["latex"] or "")
        level = _LATEX.index(found["command"]) + 1 if found["command"] else len(found["equals"] or found["stars"])
        blocks.append(Block("heading", found.start(), found.end(), level, outline.enter(level, name), name=name))
        title = title or name
        at = found.end()
    blocks += _paragraphs(text, at, len(text), outline.headings)
    return Document("prose", text, title=title, blocks=tuple(blocks))


def _paragraphs(text: str, start: int, end: int, headings: tuple[str, ...]) -> list[Block]:
    found = _PARAGRAPH.finditer(text, start, end)
    return [Block("paragraph", paragraph.start(), paragraph.end(), headings=headings) for paragraph in found]
