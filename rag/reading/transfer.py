"""How what a file gave crosses from a worker to its parent: facts as JSON, texts and positions as buffers.

Chunks of a large file are hundreds of thousands; as JSON they would cost the service more than reading cost the worker.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

from rag.errors import ParseFailed
from rag.reading.types import Parsed
from rag.types import Chunk

Outcome = Parsed | ParseFailed
BUFFERS = 2  # of each file that was read

_NONE = -1
_COLUMNS = 10
_FACTS = tuple(field.name for field in fields(Parsed) if field.name != "chunks")


def pack_outcome(outcome: Outcome) -> tuple[dict[str, Any], list[bytes]]:
    """The JSON and the buffers of one outcome; a failure has none."""
    if isinstance(outcome, ParseFailed):
        return {"failed": [outcome.message, outcome.reason, outcome.hint]}, []
    names: dict[str, int] = {"": 0}  # headers and places, each once
    numbers = array("q")
    for chunk in outcome.chunks:
        numbers.extend(_row(chunk, names))
    text = "".join(chunk.text for chunk in outcome.chunks).encode()
    facts = {name: getattr(outcome, name) for name in _FACTS}
    return {"facts": facts, "names": list(names)}, [text, numbers.tobytes()]


def _row(chunk: Chunk, names: dict[str, int]) -> Sequence[int]:
    header = names.setdefault(chunk.header, len(names))
    place = names.setdefault(chunk.place, len(names))
    page = _NONE if chunk.page is None else chunk.page
    end_page = _NONE if chunk.end_page is None else chunk.end_page
    where = (chunk.start, chunk.end, chunk.file_start, chunk.file_end, chunk.start_line, chunk.end_line)
    return (*where, header, place, page, end_page)


def unpack_outcomes(values: Sequence[Mapping[str, Any]], buffers: Sequence[memoryview]) -> list[Outcome]:
    """The outcomes that `pack_outcome` packed, in order. Raises ValueError, KeyError or TypeError when they are not."""
    rest, outcomes = iter(buffers), list[Outcome]()
    for value in values:
        if failed := value.get("failed"):
            message, reason, hint = failed
            outcomes.append(ParseFailed(message, reason=reason, hint=hint))
        else:
            outcomes.append(_parsed(value, next(rest), next(rest)))
    return outcomes


def _parsed(value: Mapping[str, Any], text: memoryview, positions: memoryview) -> Parsed:
    facts = dict(value["facts"])
    facts["warnings"] = tuple(facts["warnings"])
    numbers = array("q")
    numbers.frombytes(positions)
    chunks = tuple(_chunks(str(text, "utf-8"), numbers, value["names"], facts["kind"]))
    return Parsed(**facts, chunks=chunks)


def _chunks(text: str, numbers: array[int], names: Sequence[str], kind: Any) -> Iterator[Chunk]:
    at = 0
    for ordinal in range(len(numbers) // _COLUMNS):
        first = ordinal * _COLUMNS
        start, end, file_start, file_end, line, end_line, header, place, page, end_page = numbers[
            first : first + _COLUMNS
        ]
        piece = text[at : at + end - start]
        at += end - start
        yield Chunk(
            ordinal,
            start,
            end,
            file_start,
            file_end,
            line,
            end_line,
            piece,
            kind,
            names[header],
            None if page == _NONE else page,
            None if end_page == _NONE else end_page,
            names[place],
        )
