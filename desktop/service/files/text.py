"""Text put together again from chunks. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from rag.store.rows import StoredChunk
from rag.types import Chunk


def joined(chunks: Sequence[Chunk]) -> str:
    """The text from the first of these chunks of one document to the last; what stands between them was blank.

    Blanks are given back as line ends where lines ended, and as spaces elsewhere.
    """
    pieces: list[str] = []
    end, last_line = None, 0
    for chunk in sorted(chunks, key=lambda one: (one.start, one.end)):
        if end is not None and chunk.start > end:
            lines = min(max(0, chunk.start_line - last_line), chunk.start - end)
            pieces.append("\n" * lines + " " * (chunk.start - end - lines))
        overlap = max(0, (end or 0) - chunk.start) if end is not None else 0
        pieces.append(chunk.text[overlap:])
        end, last_line = max(end or 0, chunk.end), max(last_line, chunk.end_line)
    return "".join(pieces)


def documents_of(chunks: Sequence[StoredChunk]) -> dict[int, list[Chunk]]:
    """The chunks by their documents, in order."""
    found: dict[int, list[Chunk]] = {}
    for stored in chunks:
        found.setdefault(stored.document_id, []).append(stored.chunk)
    return found
