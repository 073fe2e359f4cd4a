"""DOCX: headings by their styles, paragraphs, lists, tables, notes. Read with python-docx."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Any

from rag.reading.archives import open_zip
from rag.reading.builder import TextBuilder, one_line
from rag.reading.document import Tools
from rag.types import Document

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_HEADING_STYLE = re.compile(r"heading (\d)|(title)$", re.IGNORECASE)
_NOTES = ("/footnotes", "/endnotes", "/comments")
_DEEPEST = 8  # tables in tables
_STYLE_STEPS = 20  # a style may be based on itself

# Level of a heading, or 0; and whether it is an item of a list.
Style = tuple[int, bool]


def read(data: bytes, tools: Tools) -> Document:
    """A document in the order of its body. Raises ParseFailed: damaged, encrypted, bomb, too_large."""
    open_zip(data, tools.limits).close()
    import docx

    document = docx.Document(io.BytesIO(data))
    builder = TextBuilder(tools.limits)
    reader = _Reader(builder, _styles(document.styles))
    reader.body(document.element.body)
    builder.outline.leave()
    for note in _notes(document.part):
        builder.add("paragraph", note, place="notes")
    title = one_line(document.core_properties.title or "") or _first_heading(builder)
    return Document("prose", builder.text, title=title, exact=False, blocks=tuple(builder.blocks))


def _first_heading(builder: TextBuilder) -> str:
    found = next((block for block in builder.blocks if block.kind == "heading"), None)
    return builder.text[found.start : found.end] if found is not None else ""


def _styles(styles: Any) -> dict[str, Style]:
    """What each style says, by its id, with what it is based on."""
    own: dict[str, Style] = {}
    base: dict[str, str] = {}
    for style in styles.element.iterchildren(f"{_W}style"):
        name = style.get(f"{_W}styleId", "")
        own[name] = _style(style)
        parent = style.find(f"{_W}basedOn")
        base[name] = parent.get(f"{_W}val", "") if parent is not None else ""
    return {name: _inherited(name, own, base) for name in own}


def _inherited(name: str, own: dict[str, Style], base: dict[str, str]) -> Style:
    """What a style says, or else the first of those it is based on that says anything."""
    for _ in range(_STYLE_STEPS):
        if name not in own:
            break
        if own[name] != (0, False):
            return own[name]
        name = base[name]
    return 0, False


def _style(style: Any) -> Style:
    label = style.find(f"{_W}name")
    found = _HEADING_STYLE.match(label.get(f"{_W}val", "")) if label is not None else None
    if found is not None:
        return (1 if found[2] else int(found[1])), False
    level = style.find(f"{_W}pPr/{_W}outlineLvl")
    numbered = style.find(f"{_W}pPr/{_W}numPr") is not None
    return (_number(level) + 1 if level is not None and _number(level) < 9 else 0), numbered


def _number(element: Any) -> int:
    value = element.get(f"{_W}val", "")
    return int(value) if value.isdecimal() else 9


class _Reader:
    """Goes through a body; its elements are lxml's."""

    def __init__(self, builder: TextBuilder, styles: dict[str, Style]) -> None:
        self._builder = builder
        self._styles = styles

    def body(self, element: Any) -> None:
        """Add the paragraphs and tables of an element, also those in content controls."""
        for child in element.iterchildren():
            if child.tag == f"{_W}p":
                self._paragraph(child)
            elif child.tag == f"{_W}tbl":
                self._builder.add("table", "\n".join(_rows(child, 0)))
            elif child.tag == f"{_W}sdt":
                for content in child.iterchildren(f"{_W}sdtContent"):
                    self.body(content)

    def _paragraph(self, element: Any) -> None:
        text = _text(element).strip()
        if not text:
            return
        level, item = self._style(element)
        if level:
            self._builder.heading(level, text)
        elif item:
            self._builder.add("list", f"- {text}")
        else:
            self._builder.add("paragraph", text)

    def _style(self, element: Any) -> Style:
        facts = element.find(f"{_W}pPr")
        if facts is None:
            return 0, False
        style = facts.find(f"{_W}pStyle")
        level, item = self._styles.get(style.get(f"{_W}val", ""), (0, False)) if style is not None else (0, False)
        own = facts.find(f"{_W}outlineLvl")
        if own is not None and _number(own) < 9:
            level = _number(own) + 1
        return level, item or facts.find(f"{_W}numPr") is not None


_PIECES = {f"{_W}tab": "\t", f"{_W}br": "\n", f"{_W}cr": "\n", f"{_W}noBreakHyphen": "-"}
_IN_TEXT = (f"{_W}t", *_PIECES)


def _text(element: Any) -> str:
    """The text of a paragraph, insertions included, deletions not."""
    return "".join(_PIECES.get(piece.tag) or piece.text or "" for piece in element.iter(*_IN_TEXT))


def _rows(table: Any, depth: int) -> Iterator[str]:
    for row in table.iterchildren(f"{_W}tr"):
        cells = [" ".join(_cell(cell, depth)) for cell in row.iterchildren(f"{_W}tc")]
        if any(cells):
            yield " | ".join(cells)


def _cell(cell: Any, depth: int) -> Iterator[str]:
    for child in cell.iterchildren(f"{_W}p", f"{_W}tbl"):
        if child.tag == f"{_W}tbl":
            if depth < _DEEPEST:
                yield "; ".join(_rows(child, depth + 1))
        elif text := one_line(_text(child), 10_000):
            yield text


def _notes(part: Any) -> Iterator[str]:
    """Foot- and endnotes and comments."""
    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False)
    for relation in part.rels.values():
        if not relation.is_external and relation.reltype.endswith(_NOTES):
            root = etree.fromstring(relation.target_part.blob, parser)
            for note in root:
                yield "\n".join(text for paragraph in note.iter(f"{_W}p") if (text := _text(paragraph).strip()))
