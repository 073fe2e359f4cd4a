"""XLSX: sheets as pages, a row per row below the names of its columns. Read with openpyxl."""

from __future__ import annotations

import datetime
import io
import time
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

from rag.reading.archives import open_zip
from rag.reading.builder import TextBuilder, one_line
from rag.reading.document import Tools
from rag.types import Document

_HEADER = 400
_CELL = 2000
_HEADER_WITHIN = 20  # rows in which the names of the columns are searched
_TIME_SHARE = 0.7


def read(data: bytes, tools: Tools) -> Document:
    """A table of all sheets, with the values that were last calculated. Raises ParseFailed as `open_zip` does."""
    open_zip(data, tools.limits).close()
    import openpyxl

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of extensions that it does not know
        book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True, keep_links=False)
        try:
            return _read(book, tools)
        finally:
            book.close()


def _read(book: Any, tools: Tools) -> Document:
    builder = TextBuilder(tools.limits)
    until = time.monotonic() + tools.limits.seconds * _TIME_SHARE
    told = list[str]()
    for number, sheet in enumerate(book.worksheets, 1):
        first = len(builder.blocks)
        last = _add_sheet(builder, sheet, until)
        builder.page(number, first)
        if last:
            told.append(f"Sheet {sheet.title} was read up to row {last:,}: it takes too long.")
    return Document(
        "table",
        builder.text,
        title=one_line(str(book.properties.title or "")),
        exact=False,
        blocks=tuple(builder.blocks),
        pages=tuple(builder.pages),
        warnings=tuple(told),
    )


def _add_sheet(builder: TextBuilder, sheet: Any, until: float) -> int:
    """Add the rows of a sheet; returns the last row when there was no time for all, else 0."""
    builder.outline.leave()
    builder.outline.enter(1, f"Sheet {sheet.title}")
    header: tuple[str, ...] = ()
    sheet.reset_dimensions()  # what files say about their size is often wrong
    for number, cells in enumerate(_rows(sheet), 1):
        filled = [cell for cell in cells if cell]
        if not filled:
            continue
        text = " | ".join(cells).rstrip(" |")
        place = f"sheet {sheet.title}, row {number}"
        builder.add("row", text, place=place, headings=(*builder.outline.headings, *header))
        if not header and number <= _HEADER_WITHIN and len(filled) > 1:
            header = (one_line(text, _HEADER),)
        if number % 256 == 0 and time.monotonic() > until:
            return number
    return 0


def _rows(sheet: Any) -> Iterator[Sequence[str]]:
    for row in sheet.iter_rows(values_only=True):
        yield [_shown(value) for value in row]


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.10g}"
    if isinstance(value, datetime.datetime) and value.time() == datetime.time():
        return value.date().isoformat()
    return one_line(str(value), _CELL)
