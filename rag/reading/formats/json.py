"""JSON: blocks along its members, taken apart where they are large, named by the path of their keys."""

from __future__ import annotations

from collections.abc import Iterator

from rag.reading.builder import one_line
from rag.reading.json_tree import Value, parse_json
from rag.reading.types import Limits
from rag.types import Block, Document

_LARGE = 900
_PATH = 6  # keys of a path at most


def read(text: str, language: str, limits: Limits) -> Document:
    """A document with a block per member; without blocks when it is no JSON. Raises ParseFailed (too_deep)."""
    del language
    top = parse_json(text, limits.depth, limits.data_depth)
    if top is None or top.end - top.start <= _LARGE:
        return Document("data", text)
    borders = list(_pieces(top, ()))
    borders[0] = (0, borders[0][1])
    ends = [start for start, _ in borders[1:]] + [len(text)]
    blocks = [Block("code", start, end, headings=path) for (start, path), end in zip(borders, ends, strict=True)]
    return Document("data", text, blocks=tuple(blocks))


def _pieces(value: Value, path: tuple[str, ...]) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Where each piece starts, and the keys above it. Small members next to each other are one piece."""
    yield value.whole_start, path
    size = 0
    for item in value.items:
        large = item.end - item.start > _LARGE
        if large and item.items and len(path) < _PATH:
            yield from _pieces(item, (*path, one_line(item.key, 80)) if item.key else path)
            size = _LARGE  # what comes next starts a piece of its own
            continue
        if size + item.end - item.whole_start > _LARGE:
            yield item.whole_start, path
            size = 0
        size += item.end - item.whole_start
