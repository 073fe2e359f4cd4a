"""Jupyter notebooks: cells with their sources and, in short, their outputs. Source: the nbformat documentation."""

from __future__ import annotations

import re

from rag.errors import ParseFailed
from rag.reading.builder import TextBuilder, one_line
from rag.reading.json_tree import Value, parse_json, unquoted
from rag.reading.types import Limits
from rag.types import Document

_OUTPUT = 2000  # characters kept of the outputs of one cell
_ATX = re.compile(r"(#{1,6})[ \t]+(\S[^\n]*)")
_ESCAPE = re.compile(r"\\(?:u[0-9a-fA-F]{4}|.)")
_TERMINAL = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_DEPTH = 8

Anchors = list[tuple[int, int]]


def read(text: str, language: str, limits: Limits) -> Document:
    """A document of cells with anchors into the file. Raises ParseFailed (damaged) when it is no notebook."""
    del language
    top = parse_json(text, _DEPTH, limits.data_depth)
    cells = _cells(top)
    if top is None or cells is None:
        raise ParseFailed("This notebook is not the JSON that a notebook is.", reason="damaged")
    builder = TextBuilder(limits)
    for number, cell in enumerate(cells.items, 1):
        _add_cell(builder, text, cell, f"cell {number}")
    title = next((builder.text[block.start : block.end] for block in builder.blocks if block.kind == "heading"), "")
    return Document(
        "notebook",
        builder.text,
        title=one_line(title.lstrip("# ")),
        language=_language(text, top),
        exact=False,
        blocks=tuple(builder.blocks),
        anchors=tuple(builder.anchors),
    )


def _cells(top: Value | None) -> Value | None:
    """The list of cells; before version 4 it was in a list of worksheets."""
    if top is None:
        return None
    if (cells := top.get("cells")) is not None:
        return cells
    sheets = top.get("worksheets")
    return sheets.items[0].get("cells") if sheets is not None and sheets.items else None


def _language(text: str, top: Value) -> str:
    value: Value | None = top.get("metadata")
    for key in ("language_info", "name"):
        value = value.get(key) if value is not None else None
    return unquoted(text[value.start : value.end]) if value is not None else "python"


def _add_cell(builder: TextBuilder, text: str, cell: Value, place: str) -> None:
    kind = cell.get("cell_type")
    is_code = kind is not None and text[kind.start : kind.end] == '"code"'
    source, anchors = _joined(text, cell.get("source") or cell.get("input"))
    if is_code:
        builder.add("code", source.rstrip(), place=place, anchors=_within(anchors, len(source.rstrip())))
        output = _outputs(text, cell.get("outputs"))
        builder.add("quote", output, place=f"{place}, output")
        return
    _add_markdown(builder, source, anchors, place)


def _add_markdown(builder: TextBuilder, source: str, anchors: Anchors, place: str) -> None:
    """A text cell: a heading at its beginning is one of the document."""
    source = source.rstrip()
    heading = _ATX.match(source)
    if heading is None:
        builder.add("paragraph", source, place=place, anchors=_within(anchors, len(source)))
        return
    end, level = heading.end(), len(heading[1])
    builder.add("heading", source[:end], level=level, place=place, name=heading[2], anchors=_within(anchors, end))
    rest = source[end:].lstrip("\n")
    cut = len(source) - len(rest)
    later = [(max(0, at - cut), there + max(0, cut - at)) for at, there in anchors if at < len(source)]
    builder.add("paragraph", rest, place=place, anchors=_last_of_each(later))


def _last_of_each(anchors: Anchors) -> Anchors:
    return list(dict(anchors).items())


def _within(anchors: Anchors, length: int) -> Anchors:
    return [(at, there) for at, there in anchors if at < length]


def _joined(text: str, value: Value | None) -> tuple[str, Anchors]:
    """The lines of a source as one text, and where its pieces stand in the file."""
    pieces, anchors, length = list[str](), list[tuple[int, int]](), 0
    for line in value.strings() if value is not None else ():
        quoted = text[line.start : line.end]
        anchors.append((length, line.start + 1))
        start = length
        shift = 0  # how much longer the file's text is up to here
        for escape in _ESCAPE.finditer(quoted):
            shift += len(escape[0]) - 1
            anchors.append((start + escape.end() - 1 - shift, line.start + escape.end()))
        piece = unquoted(quoted)
        pieces.append(piece)
        length += len(piece)
    return "".join(pieces), anchors


def _outputs(text: str, outputs: Value | None) -> str:
    """What the cell printed; pictures and other data are left out."""
    found = []
    for output in outputs.items if outputs is not None else ():
        data = output.get("data")
        plain = output.get("text") or (data.get("text/plain") if data is not None else None) or output.get("traceback")
        found.append(_TERMINAL.sub("", _joined(text, plain)[0]))
    joined = "\n".join(piece.strip("\n") for piece in found if piece.strip())
    return joined if len(joined) <= _OUTPUT else joined[:_OUTPUT].rstrip() + " …"
