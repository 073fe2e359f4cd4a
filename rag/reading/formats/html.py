"""HTML: its text with headings, lists, tables and code, and where in the file each piece of it stands.

A tokenizer of its own, because parsers of HTML repair the text and lose its offsets. What is not for readers is left
out: scripts, styles, navigation, and all but <main> where a page has one. Source: the HTML standard, section 13.2.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape

from rag.reading.builder import TextBuilder, one_line
from rag.reading.types import Limits
from rag.types import BlockKind, Document

_TAG = re.compile(r"""<(/?)([a-zA-Z][\w:-]*)(?:[^<>"']|"[^"]{0,20000}"|'[^']{0,20000}')*+>""")
_MAIN = re.compile(r"<main\b[^>]*>", re.IGNORECASE)
_MAIN_END = re.compile(r"</main\s*>", re.IGNORECASE)
_TITLE = re.compile(r"<title\b[^>]*>(.{0,2000}?)</title", re.IGNORECASE | re.DOTALL)
# Runs of characters that do not stand in the text as they do in the file.
_CHANGED = re.compile(r"[^\S ]\s*| \s+|&(?:#[xX]?[0-9a-fA-F]{1,7}|[a-zA-Z]\w{1,30});?")
_ENTITY = re.compile(r"&(?:#[xX]?[0-9a-fA-F]{1,7}|[a-zA-Z]\w{1,30});?")

_RAW = frozenset({"script", "style", "textarea", "noscript", "iframe", "title", "xmp"})
_SKIPPED = frozenset({"nav", "svg", "template", "object", "canvas", "select", "datalist"})
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_KINDS: dict[str, BlockKind] = {"li": "list", "pre": "code", "blockquote": "quote", "table": "table"}
_BREAKS = frozenset(
    """
    address article aside blockquote body center dd details dialog dir div dl dt fieldset figcaption figure footer
    form h1 h2 h3 h4 h5 h6 header hr html legend li main menu ol p pre section summary table ul option
    """.split()  # noqa: SIM905 - forty quoted words read worse
)


def read(text: str, language: str, limits: Limits) -> Document:
    """A document of what a reader of the page sees, with anchors into its source."""
    del language
    builder = TextBuilder(limits)
    html_into(builder, text)
    title = _TITLE.search(text)
    name = one_line(unescape(title[1])) if title else next(_first_headings(builder), "")
    return Document(
        "prose",
        builder.text,
        title=name,
        exact=False,
        blocks=tuple(builder.blocks),
        anchors=tuple(builder.anchors),
    )


def html_into(builder: TextBuilder, text: str, *, place: str = "", anchored: bool = True) -> None:
    """Add the text of a page to a document; `place` is that of all its blocks."""
    _Page(builder, text, place, anchored).run()


def _first_headings(builder: TextBuilder) -> Iterator[str]:
    text = builder.text
    return (text[block.start : block.end] for block in builder.blocks if block.kind == "heading")


class _Page:
    """Goes through the tags once. The open block's text is in `_parts`, `_length` characters with `_anchors`."""

    def __init__(self, builder: TextBuilder, text: str, place: str, anchored: bool) -> None:
        self._builder = builder
        self._text = text
        self._place = place
        self._anchored = anchored
        self._parts: list[str] = []
        self._anchors: list[tuple[int, int]] = []
        self._length = 0
        self._open: list[str] = []  # the elements that say what kind of block we are in
        self._tables = 0

    def run(self) -> None:
        text, (at, end) = self._text, self._range()
        while at < end:
            tag = text.find("<", at, end)
            if tag < 0:
                break
            self._characters(at, tag)
            at = self._markup(tag, end)
        self._characters(at, end)
        self._close()

    def _range(self) -> tuple[int, int]:
        """What is read: <main> where there is one, else all."""
        start = _MAIN.search(self._text)
        if start is None:
            return 0, len(self._text)
        ends = [found.start() for found in _MAIN_END.finditer(self._text, start.end())]
        return start.end(), ends[-1] if ends else len(self._text)

    def _markup(self, at: int, end: int) -> int:
        """Handle what starts with "<" and return where it ends."""
        text = self._text
        if text.startswith("<!--", at):
            return self._after("-->", at + 4, end)
        if text.startswith("<![CDATA[", at):
            return at + 9
        if text.startswith(("<!", "<?"), at):
            return self._after(">", at, end)
        tag = _TAG.match(text, at, end)
        if tag is None:
            if at + 1 < end and (text[at + 1].isalpha() or text[at + 1] == "/"):
                return self._after(">", at, end)
            self._put("<", at)
            return at + 1
        name = tag[2].lower()
        if tag[1]:
            self._end_tag(name)
            return tag.end()
        if name in _RAW or name in _SKIPPED:
            return self._past(name, tag.end(), end)
        self._start_tag(name)
        return tag.end()

    def _after(self, mark: str, at: int, end: int) -> int:
        found = self._text.find(mark, at, end)
        return end if found < 0 else found + len(mark)

    def _past(self, name: str, at: int, end: int) -> int:
        """Behind the element's end; without one, browsers take a script for all the rest."""
        found = re.compile(rf"</{name}\b[^>]*>", re.IGNORECASE).search(self._text, at, end)
        return found.end() if found else end if name in _RAW else at

    def _start_tag(self, name: str) -> None:
        if name in ("td", "th"):
            self._separate(" | ")
        elif name in ("tr", "br"):
            self._separate("\n")
        elif name == "table":
            self._tables += 1
            if self._tables == 1:
                self._close()
                self._open.append(name)
        elif name in _HEADINGS or (name in _BREAKS and not self._tables):
            self._close()
            if name in _HEADINGS or name in _KINDS:
                self._open.append(name)
        elif name in _BREAKS:
            self._separate(" ")

    def _end_tag(self, name: str) -> None:
        if name == "table":
            self._tables = max(0, self._tables - 1)
            if self._tables:
                return
        elif name in _BREAKS and self._tables and name not in _HEADINGS:
            self._separate(" ")
            return
        elif name not in _BREAKS:
            return
        self._close()
        if name in self._open:
            del self._open[len(self._open) - 1 - self._open[::-1].index(name) :]

    def _separate(self, mark: str) -> None:
        """Put something between two pieces of the same block, unless one of them is not there."""
        if self._length and not self._parts[-1].endswith(("\n", " | ")):
            if self._parts[-1].endswith(" "):
                self._parts[-1] = self._parts[-1][:-1]
                self._length -= 1
            self._parts.append(mark)
            self._length += len(mark)
        elif mark == "\n" and self._length:
            last = self._parts[-1]
            self._parts[-1] = last.removesuffix(" | ") + "\n"
            self._length += len(self._parts[-1]) - len(last)

    def _characters(self, start: int, end: int) -> None:
        """Add text as it is shown: without entities, and outside <pre> with single spaces."""
        if start >= end:
            return
        text, as_written = self._text, "pre" in self._open
        at = start
        for found in (_ENTITY if as_written else _CHANGED).finditer(text, start, end):
            self._put(text[at : found.start()], at)
            self._put(unescape(found[0]) if found[0][0] == "&" else " ", found.start(), as_written=as_written)
            at = found.end()
        self._put(text[at:end], at)

    def _put(self, piece: str, at: int, *, as_written: bool = False) -> None:
        # A space at the beginning, or behind one, is not shown.
        shown = as_written or "pre" in self._open or (self._length and self._parts[-1][-1:] not in (" ", "\n"))
        if piece.startswith(" ") and not shown:
            piece, at = piece[1:], at + 1
        if piece:
            self._anchors.append((self._length, at))
            self._parts.append(piece)
            self._length += len(piece)

    def _close(self) -> None:
        """Add the open block to the document."""
        text = "".join(self._parts)
        kind = self._kind()
        kept = text.strip("\n").rstrip() if kind == "code" else text.strip()
        kept = kept.removesuffix(" |")
        if kept and not kept.isspace():
            self._add(kind, kept, text.index(kept))
        self._parts, self._anchors, self._length = [], [], 0

    def _add(self, kind: BlockKind, kept: str, cut: int) -> None:
        level = _HEADINGS.get(self._open[-1], 0) if self._open else 0
        mark = "- " if kind == "list" else ""
        if level:
            kind = "heading"
            mark = ""
        shift = len(mark) - cut
        anchors = [
            (max(0, at + shift), there + max(0, cut - at)) for at, there in self._anchors if at < cut + len(kept)
        ]
        anchors = _ascending(anchors) if self._anchored else []
        self._builder.add(kind, mark + kept, level=level, place=self._place, anchors=anchors)

    def _kind(self) -> BlockKind:
        return next((_KINDS[name] for name in reversed(self._open) if name in _KINDS), "paragraph")


def _ascending(anchors: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """One anchor per offset of the text: the last of those that fall together, and none that the one before gives."""
    found: list[tuple[int, int]] = []
    for at, there in anchors:
        if found and found[-1][0] == at:
            found[-1] = (at, there)
        elif not found or there - found[-1][1] != at - found[-1][0]:
            found.append((at, there))
    return found
