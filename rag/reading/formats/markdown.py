"""Markdown: headings, lists, tables, code and quotes of CommonMark and GitHub's tables, by their first characters.

Only block structure is looked at: chunks show the text as it is written, marks included.
"""

from __future__ import annotations

import re

from rag.reading.builder import Outline, lines_of, one_line
from rag.reading.types import Limits
from rag.types import Block, BlockKind, Document

_ATX = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*\r?$")
_SETEXT = re.compile(r" {0,3}(=+|-+)[ \t]*\r?$")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})([^`\r]*)\r?$")
_ITEM = re.compile(r"[ \t]*(?:[-*+]|\d{1,9}[.)])(?:[ \t]|\r?$)")
_QUOTE = re.compile(r" {0,3}>")
_TABLE_RULE = re.compile(r" {0,3}\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*\r?$")
_INDENTED = re.compile(r"(?: {4}|\t)")
_CONTINUED = re.compile(r"(?: {2,}|\t)\S")
_RULE = re.compile(r" {0,3}(?:(?:\*[ \t]*){3,}|(?:-[ \t]*){3,}|(?:_[ \t]*){3,})\r?$")
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_FRONT_TITLE = re.compile(r"^title:[ \t]*[\"']?(.*?)[\"']?[ \t]*\r?$", re.M)


def read(text: str, language: str, limits: Limits) -> Document:
    """A document with the structure its marks give."""
    del language, limits
    scanner = _Scanner(text)
    scanner.scan()
    return Document("prose", text, title=scanner.title, blocks=tuple(scanner.blocks))


class _Scanner:
    """Goes through the lines once. `_kind` is the block that is open, from `_start` to `_end`."""

    def __init__(self, text: str) -> None:
        self.blocks: list[Block] = []
        self.title = ""
        self._text = text
        self._outline = Outline()
        self._kind: BlockKind | None = None
        self._start = self._end = 0
        self._fence = ""
        self._blank = False

    def scan(self) -> None:
        skip = self._front_matter()
        for start, line in lines_of(self._text):
            if start < skip:
                continue
            if self._fence:
                self._in_fence(start, line)
            elif not line or line.isspace():
                self._blank_line()
            else:
                self._line(start, line)
                self._blank = False
        self._close()

    def _front_matter(self) -> int:
        if not self._text.startswith(("---\n", "---\r\n")):
            return 0
        end = re.compile(r"^(?:---|\.\.\.)[ \t]*\r?(?:\n|\Z)", re.M).search(self._text, 4)
        if end is None:
            return 0
        self.blocks.append(Block("meta", 0, end.end()))
        if title := _FRONT_TITLE.search(self._text, 0, end.start()):
            self.title = one_line(title[1])
        return end.end()

    def _in_fence(self, start: int, line: str) -> None:
        self._end = start + len(line)
        stripped = line.strip()
        if stripped.startswith(self._fence) and not stripped.strip(self._fence[0]):
            self._fence = ""
            if self._kind == "code":
                self._close()

    def _blank_line(self) -> None:
        self._blank = True
        if self._kind not in ("list", "code"):  # both may go on after it
            self._close()

    def _line(self, start: int, line: str) -> None:
        in_list = self._kind == "list" and not (self._blank and not _CONTINUED.match(line) and not _ITEM.match(line))
        if fence := _FENCE.match(line):
            self._fence = fence[1]
            if not (in_list and line[0] in " \t"):
                self._open("code", start)
            self._end = start + len(line)
        elif heading := _ATX.match(line):
            self._heading(start, start + len(line), len(heading[1]), heading[2] or "")
        elif self._kind == "paragraph" and (under := _SETEXT.match(line)):
            title = self._text[self._start : self._end]
            first, self._kind = self._start, None
            self._heading(first, start + len(line), 1 if under[1][0] == "=" else 2, title)
        elif self._kind == "paragraph" and "|" in line and _TABLE_RULE.match(line):
            self._table(start, line)
        else:
            self._go_on(start, line, in_list)

    def _go_on(self, start: int, line: str, in_list: bool) -> None:
        kind = self._kind_of(line, in_list)
        if kind != self._kind:
            self._open(kind, start)
        self._end = start + len(line)

    def _kind_of(self, line: str, in_list: bool) -> BlockKind:
        if in_list and (line[0] in " \t" or not self._blank or _ITEM.match(line)):
            return "list"
        if self._kind == "table" and "|" in line:
            return "table"
        if self._kind != "paragraph" and _INDENTED.match(line):
            return "code"
        if _QUOTE.match(line) or (self._kind == "quote" and not _ITEM.match(line)):
            return "quote"
        if _ITEM.match(line) and not _RULE.match(line):
            return "list"
        return "paragraph"

    def _table(self, start: int, line: str) -> None:
        """The paragraph's last line turns out to be the head of a table."""
        head = self._text.rfind("\n", self._start, self._end) + 1 or self._start
        if head > self._start:
            self._end = head - 1
            self._open("table", head)
        self._kind, self._end = "table", start + len(line)

    def _heading(self, start: int, end: int, level: int, title: str) -> None:
        self._close()
        title = one_line(_LINK.sub(r"\1", title))
        self.blocks.append(Block("heading", start, end, level, self._outline.enter(level, title), name=title))
        if not self.title:
            self.title = title

    def _open(self, kind: BlockKind, start: int) -> None:
        self._close()
        self._kind, self._start = kind, start

    def _close(self) -> None:
        if self._kind is not None:
            self.blocks.append(Block(self._kind, self._start, self._end, headings=self._outline.headings))
        self._kind = None
