"""reStructuredText: sections by their underlines, literal blocks, directives, tables and lists.

Source: the reStructuredText Markup Specification, docutils. A level belongs to a style of line (and whether there is
one above the title too), in the order in which the styles are first seen.
"""

from __future__ import annotations

import re

from rag.reading.builder import Outline, one_line
from rag.reading.types import Limits
from rag.types import Block, BlockKind, Document

_RULE = re.compile(r"([!-/:-@\[-`{-~])\1*$")
_ITEM = re.compile(r"(?:[-*+•]|\(?(?:\d+|[a-zA-Z#])[.)])\s|:[^:\n]+:(?:\s|$)")
_DIRECTIVE = re.compile(r"\.\.\s+(?:([\w:+.-]+)::|\[|_|\|)|\.\.$")
_CODE = ("code", "code-block", "sourcecode", "parsed-literal", "highlight", "literalinclude", "math", "doctest")
_GRID = re.compile(r"\+[-=+]+\+$|=+(?: +=+)+$")
_PROMPT = re.compile(r">>> ?")


def read(text: str, language: str, limits: Limits) -> Document:
    """A document with the structure its marks give."""
    del language, limits
    scanner = _Scanner(text)
    scanner.scan()
    return Document("prose", text, title=scanner.title, blocks=tuple(scanner.blocks))


class _Scanner:
    """Goes from one group of lines between blank ones to the next; indented groups belong to what is above them."""

    def __init__(self, text: str) -> None:
        self.blocks: list[Block] = []
        self.title = ""
        self._outline = Outline()
        self._styles: list[tuple[str, bool]] = []
        self._lines = [line.rstrip() for line in text.split("\n")]
        self._starts = [0]
        for line in text.split("\n"):
            self._starts.append(self._starts[-1] + len(line) + 1)

    def scan(self) -> None:
        at, lines = 0, self._lines
        literal = False  # whether the paragraph before announced a literal block
        while at < len(lines):
            if not lines[at]:
                at += 1
            elif (title := self._title_at(at)) is not None:
                at, literal = title, False
            else:
                at, literal = self._group(at, literal)

    def _title_at(self, at: int) -> int | None:
        """Add the section title that starts here and return the line after it."""
        lines = self._lines
        over = _RULE.match(lines[at]) is not None and at + 2 < len(lines) and lines[at + 2] == lines[at]
        name = at + 1 if over else at
        if name + 1 >= len(lines) or not lines[name] or (lines[name][0].isspace() and not over):
            return None
        under = lines[name + 1]
        if not _RULE.match(under) or len(under) < min(len(lines[name].strip()), 3) or _RULE.match(lines[name]):
            return None
        style = (under[0], over)
        if style not in self._styles:
            self._styles.append(style)
        level, title = self._styles.index(style) + 1, one_line(lines[name])
        end = self._starts[name + 1] + len(under)
        self.blocks.append(
            Block("heading", self._starts[at], end, level, self._outline.enter(level, title), name=title)
        )
        self.title = self.title or title
        return name + 2

    def _group(self, at: int, literal: bool) -> tuple[int, bool]:
        """Add the block that starts here; returns the line after it and whether it ends with '::'."""
        first, lines = self._lines[at], self._lines
        indented = first[0] in " \t"
        kind = self._kind_of(first, literal and indented)
        end = self._end_of(at)
        if kind in ("code", "list", "quote") or _DIRECTIVE.match(first):
            end = self._with_indented(end, indented=indented or kind == "list")
        last = end - 1
        stop = self._starts[last] + len(lines[last])
        self.blocks.append(Block(kind, self._starts[at], stop, headings=self._outline.headings))
        return end, kind in ("paragraph", "list") and lines[last].endswith("::")

    def _kind_of(self, first: str, literal: bool) -> BlockKind:
        if literal or _PROMPT.match(first):
            return "code"
        if (directive := _DIRECTIVE.match(first)) is not None:
            name = directive[1] or ""
            return "code" if name in _CODE else "table" if name.endswith("table") else "paragraph"
        if _GRID.match(first):
            return "table"
        if _ITEM.match(first.lstrip()):
            return "list"
        return "quote" if first[0] in " \t" else "paragraph"

    def _end_of(self, at: int) -> int:
        """The line after the group of lines that starts at `at`: a blank one, or one before a section's title."""
        end = at + 1
        while end < len(self._lines) and self._lines[end]:
            end += 1
        if _GRID.match(self._lines[at]) and self._lines[at][0] == "=":  # simple tables may have blank lines inside
            while end < len(self._lines) and not (self._lines[end - 1] == self._lines[at] and end - at > 2):
                if not self._lines[end] and (end + 1 >= len(self._lines) or not self._lines[end + 1]):
                    break
                end += 1
        return end

    def _with_indented(self, end: int, *, indented: bool) -> int:
        """Take in the indented groups that follow."""
        at = end
        while at < len(self._lines):
            line = self._lines[at]
            if line:
                if line[0] not in " \t" and not (indented and _ITEM.match(line) and self._lines[end - 1]):
                    break
                if line[0] not in " \t":
                    break
                end = at + 1
            at += 1
        return end
