"""Document → chunks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from rag.chunking import headers
from rag.chunking.cutting import Style, cuts
from rag.chunking.packing import Packer, Part
from rag.chunking.positions import Positions
from rag.chunking.rules import DEFAULT_RULES, ChunkRules, Sizes
from rag.chunking.units import Unit, units
from rag.types import Chunk, Document


@dataclass(slots=True)
class _Span:
    """A chunk to be: [start, end) without blank ends."""

    start: int
    end: int
    header: str
    place: str


def chunk(document: Document, rules: ChunkRules = DEFAULT_RULES, source: str = "") -> tuple[Chunk, ...]:
    """The document's chunks in order: each non-blank character is in exactly one of them.

    A chunk is a contiguous piece of the text that begins with a line's indentation or its first character and has no
    blank end. It has at most `limit + small` characters (indentation aside) of its kind's sizes, and lies on one page.
    `source` is the decoded file of a document with anchors; with it lines are those of the file.
    Pure and linear in the length of the text.
    """
    sizes = rules.of(document)
    found = units(document)
    if not found:
        return ()
    packer = Packer(document.text, found, sizes, pages=bool(document.pages))
    positions = Positions(document, source)
    spans = (span for part in packer.parts() for span in _spans(document, found, part, sizes))
    return tuple(_chunk(document, positions, ordinal, span) for ordinal, span in enumerate(spans))


def _chunk(document: Document, positions: Positions, ordinal: int, span: _Span) -> Chunk:
    start, end = _with_indent(document.text, span.start), span.end
    file_start, file_end = positions.file(start, end)
    start_line, end_line = positions.lines(start, end)
    page, end_page = positions.pages(span.start, end)
    return Chunk(
        ordinal=ordinal,
        start=start,
        end=end,
        file_start=file_start,
        file_end=file_end,
        start_line=start_line,
        end_line=end_line,
        text=document.text[start:end],
        kind=document.kind,
        header=span.header,
        page=page,
        end_page=end_page,
        place=span.place,
    )


def _with_indent(text: str, start: int) -> int:
    """Back to the beginning of the line when only its indentation is before."""
    line = text.rfind("\n", max(0, start - 200), start) + 1
    return line if (line or start <= 200) and text[line:start].isspace() else start


def _spans(document: Document, found: list[Unit], part: Part, sizes: Sizes) -> Iterator[_Span]:
    """A part as one span, or several when it is too long."""
    members = found[part[0] : part[1]]
    start, end = members[0].start, members[-1].end
    headings = _titled(document, headers.common(members), start, end)
    place = headers.place(members[0].place, members[-1].place)
    context = headers.header(headings)
    if end - start <= sizes.limit + sizes.small:
        yield _Span(start, end, context, place)
        return
    main = max(members, key=lambda unit: unit.end - unit.start)
    later = _later_header(document, main)
    for index, (begin, stop) in enumerate(_pieces(document, start, end, sizes, _style(document, main))):
        yield _Span(begin, stop, later if index else context, place)


def _titled(document: Document, headings: tuple[str, ...], start: int, end: int) -> tuple[str, ...]:
    """The headings below the document's title, where nothing else would say what the text belongs to."""
    title = document.title
    if not title or title in headings or (headings and not document.pages and document.kind != "mail"):
        return headings
    return headings if title in document.text[start:end] else (title, *headings)


def _later_header(document: Document, main: Unit) -> str:
    """The header of what follows the first piece of a unit that was cut."""
    text = document.text
    headings = _titled(document, main.headings, 0, 0)
    if main.kind == "symbol":
        return headers.header(headings, main.name or headers.signature(text, main.start, main.end))
    if main.kind == "table" or (document.kind == "table" and not document.blocks):
        row = headers.first_row(text, main.start, main.end)
        return "\n".join(line for line in (headers.header(headings), row) if line)
    return headers.header(headings)


def _style(document: Document, main: Unit) -> Style:
    if main.kind in ("row", "table"):
        return "rows"
    if main.kind in ("code", "symbol", "list") or document.kind in ("code", "data"):
        return "lines"
    return "prose"


def _pieces(document: Document, start: int, end: int, sizes: Sizes, style: Style) -> Iterator[tuple[int, int]]:
    text = document.text
    borders = [start, *cuts(text, start, end, target=sizes.target, limit=sizes.limit, style=style), end]
    for begin, stop in pairwise(borders):
        piece = text[begin:stop]
        kept = piece.strip()
        if kept:
            begin += len(piece) - len(piece.lstrip())  # noqa: PLW2901
            yield begin, begin + len(kept)
