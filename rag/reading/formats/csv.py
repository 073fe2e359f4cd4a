"""CSV and its kin: a row per record, each with the line that names the columns."""

from __future__ import annotations

import re
from collections import Counter

from rag.reading.builder import joined_rows, one_line
from rag.reading.types import Limits
from rag.types import Block, Document

_DELIMITERS = ",\t;|"
_HEADER = 400
_PLAIN_RECORD = re.compile(r"[^\n]+")
# A record ends at a line end outside quotes; RFC 4180, section 2. A quote that is never closed ends with its line.
_QUOTED_RECORD = re.compile(r'(?:[^"\n]|"(?:[^"]|""){0,200000}+"|")++')
_NUMBER = re.compile(r"[-+]?[\d.,]+%?$")


def read(text: str, language: str, limits: Limits) -> Document:
    """A table whose first record, unless it holds numbers, is the heading of all others."""
    del language, limits
    pattern = _QUOTED_RECORD if '"' in text else _PLAIN_RECORD
    spans = [found.span() for found in pattern.finditer(text) if not found[0].isspace()]
    first = text[slice(*spans[0])].strip() if spans else ""
    header = (one_line(first, _HEADER),) if _names_columns(first) and len(spans) > 1 else ()
    blocks = [Block("row", start, end, headings=header if index else ()) for index, (start, end) in enumerate(spans)]
    return Document("table", text, blocks=joined_rows(blocks))


def _names_columns(line: str) -> bool:
    """Whether a first record is words only."""
    counts = Counter(character for character in line if character in _DELIMITERS)
    delimiter = counts.most_common(1)[0][0] if counts else ","
    cells = [cell.strip().strip('"').strip() for cell in line.split(delimiter)]
    named = [cell for cell in cells if cell]
    return bool(named) and not any(_NUMBER.match(cell) for cell in named) and len(cells) > 1
