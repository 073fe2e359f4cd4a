"""What a block shows, as plain data: prose, code, table, formula, plain text or rule. No Qt, no HTML.

A block usually makes one piece; a list that holds a code fence makes three, so that the fence is a real code block.
Pieces compare by value: what did not change while a text streams keeps its widget. Offsets in a piece count UTF-16
units, as Qt does; `piece_text` gives exactly the characters its widget holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag


class Mark(IntFlag):
    """How a span is written."""

    NONE = 0
    BOLD = 1
    ITALIC = 2
    STRIKE = 4
    CODE = 8
    IMAGE = 16  # a labelled placeholder: nothing is ever loaded
    CITATION = 32


@dataclass(frozen=True, slots=True)
class Span:
    """A run of text. `formula` is the LaTeX of a formula, whose text is one object replacement character."""

    text: str
    marks: Mark = Mark.NONE
    href: str = ""
    formula: str = ""


@dataclass(frozen=True, slots=True)
class Para:
    """One paragraph. `style`: "p", "h1" to "h6"; `marker` stands before it ("•", "3.", "☐"); `depth` counts lists."""

    spans: tuple[Span, ...]
    style: str = "p"
    marker: str = ""
    depth: int = 0
    tight: bool = False

    @property
    def text(self) -> str:
        return "".join(span.text for span in self.spans)


@dataclass(frozen=True, slots=True)
class Place:
    """How deep a piece stands in lists and quotes."""

    indent: int = 0
    quotes: int = 0


TOP = Place()


@dataclass(frozen=True, slots=True)
class Prose:
    """Paragraphs in one text. `continues`: the paragraphs before it are of the same list."""

    paras: tuple[Para, ...]
    place: Place = TOP
    continues: bool = False


@dataclass(frozen=True, slots=True)
class Code:
    """`language` is the first word of the fence's info, `title` a file name found in the rest of it."""

    text: str
    language: str = ""
    title: str = ""
    open: bool = False
    place: Place = TOP


@dataclass(frozen=True, slots=True)
class Table:
    """`rows` without the header; `aligns` is "left", "right" or "center" per column. `hidden` rows were left out."""

    header: tuple[tuple[Span, ...], ...]
    rows: tuple[tuple[tuple[Span, ...], ...], ...]
    aligns: tuple[str, ...]
    hidden: int = 0
    place: Place = TOP


@dataclass(frozen=True, slots=True)
class Formula:
    source: str
    place: Place = TOP


@dataclass(frozen=True, slots=True)
class Plain:
    """Text that is shown as it is, because it is too long or too deep to be formatted."""

    text: str
    place: Place = TOP


@dataclass(frozen=True, slots=True)
class Rule:
    place: Place = TOP


@dataclass(frozen=True, slots=True)
class Thought:
    """What the model thought before it answered; `seconds` is None while it does or when nobody counted."""

    text: str
    streaming: bool = False
    seconds: float | None = None
    opened: bool = False
    place: Place = TOP


Piece = Prose | Code | Table | Formula | Plain | Rule | Thought


def piece_text(piece: Piece) -> str:
    """The text the widget of a piece holds, paragraphs and rows on lines of their own, cells parted by tabs."""
    match piece:
        case Prose():
            return "\n".join(para.text for para in piece.paras)
        case Code() | Plain():
            return piece.text
        case Table():
            return "\n".join("\t".join(cell_text(cell) for cell in row) for row in (piece.header, *piece.rows))
        case Formula():
            return "\ufffc"
        case Thought():
            return piece.text if piece.opened else ""
        case Rule():
            return ""


_GAP_ABOVE = {"h1": 22, "h2": 22, "h3": 18, "h4": 18, "h5": 18, "h6": 18}


def gap_above(para: Para) -> int:
    """Space above a paragraph in pixels at 100 %."""
    if para.style in _GAP_ABOVE:
        return _GAP_ABOVE[para.style]
    if para.depth or para.tight:
        return 4 if para.tight else 8
    return 12


def cell_text(cell: tuple[Span, ...]) -> str:
    return "".join(span.text for span in cell)


def copied_text(piece: Piece, start: int, end: int) -> str:
    """Plain text of a part of a piece for the clipboard: with list markers, formulas as LaTeX, real line ends."""
    if isinstance(piece, Formula):
        return piece.source if end > start else ""
    if isinstance(piece, Prose):
        return _copied_prose(piece, start, end)
    if isinstance(piece, Table):
        return _copied_cells(piece, start, end)
    return utf16_part(piece_text(piece), start, end).replace("\u2028", "\n")


def _copied_prose(piece: Prose, start: int, end: int) -> str:
    lines = []
    position = 0
    for para in piece.paras:
        length = utf16_length(para.text)
        first, last = max(start - position, 0), min(end - position, length)
        if first <= last and position <= end and position + length >= start:
            marker = "  " * max(0, para.depth - 1) + f"{para.marker} " if para.marker and first == 0 else ""
            lines.append(marker + _copied_spans(para.spans, first, last))
        position += length + 1
    return "\n".join(lines)


def _copied_spans(spans: tuple[Span, ...], start: int, end: int) -> str:
    parts = []
    position = 0
    for span in spans:
        length = utf16_length(span.text)
        first, last = max(start - position, 0), min(end - position, length)
        if first < last:
            parts.append(span.formula or utf16_part(span.text, first, last))
        position += length
    return "".join(parts).replace("\u2028", "\n")


def _copied_cells(piece: Table, start: int, end: int) -> str:
    spans: list[Span] = []
    for row_number, row in enumerate((piece.header, *piece.rows)):
        spans.extend([Span("\n")] if row_number else [])
        for column, cell in enumerate(row):
            spans.extend([Span("\t"), *cell] if column else cell)
    return _copied_spans(tuple(spans), start, end)


def utf16_length(text: str) -> int:
    """Length of `text` in UTF-16 units, in which Qt counts."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def utf16_part(text: str, start: int, end: int) -> str:
    """A part of `text` by UTF-16 offsets; a half surrogate pair at an edge is left out."""
    if text.isascii():
        return text[start:end]
    return text.encode("utf-16-le", "surrogatepass")[2 * start : 2 * end].decode("utf-16-le", "ignore")
