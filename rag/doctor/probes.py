"""Pieces of removed texts and vectors by which it can be seen whether anything of them is left."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from rag.types import Vectors

TEXT_PROBES = 4000  # of one removal, from all over what was removed
VECTOR_PROBES = 1000
_LEAST, _MOST = 12, 48  # characters
# One line's worth of characters that JSON does not escape, so that they read the same wherever they were kept.
_PIECE = re.compile(rf'[^"\\\x00-\x1f\x7f]{{{_LEAST},{_MOST}}}')
_VECTOR_BYTES = 48


def text_probes(text: str, wanted: int = 3) -> list[str]:
    """Up to `wanted` pieces from the beginning, the middle and the end of a text; none of a very short one."""
    pieces = [piece for found in _PIECE.finditer(text) if len(piece := found[0].strip()) >= _LEAST and _telling(piece)]
    if len(pieces) <= wanted:
        return list(dict.fromkeys(pieces))
    last = len(pieces) - 1
    return list(dict.fromkeys(pieces[round(number * last / max(1, wanted - 1))] for number in range(wanted)))


def spread(items: Sequence[str], most: int) -> list[str]:
    """At most `most` of the items, evenly from all over."""
    if len(items) <= most:
        return list(items)
    return [items[number * len(items) // most] for number in range(most)]


def vector_probes(stored: Vectors) -> Iterator[bytes]:
    """The beginnings of vectors as float16, which files.db keeps, and as float32, which Chroma keeps."""
    for row in stored:
        if row.any():
            yield row.astype("<f2").tobytes()[:_VECTOR_BYTES]
            yield row.astype("<f4").tobytes()[:_VECTOR_BYTES]


def _telling(piece: str) -> bool:
    """Whether a piece is more than a line of dashes or blanks."""
    return len(set(piece)) > 5 and sum(character.isalnum() for character in piece) >= _LEAST // 2
