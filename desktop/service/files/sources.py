"""Sources of stored answers: kept without the texts, which are put back from the index when a chat is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from desktop import wire_files as wire
from desktop.service.chat_rows import MessageRecord
from desktop.service.files.retrieval import Given
from desktop.service.files.text import joined
from rag.store.rows import StoredChunk
from rag.store.store import FileStore

# Text of the user's files must be in files.db alone: from there it can be removed with proof.
TEXTS = frozenset({"text", "header", "place", "highlights"})


def stored_sources(given: Given) -> dict[str, Any]:
    """What a message keeps of what it was given."""
    return {
        "sources": [source.model_dump(mode="json", exclude=set(TEXTS)) for source in given.why.sources],
        "support": [one.model_dump(mode="json") for one in given.why.support],
        "why_id": given.why_id,
        "note": given.note,
    }


async def sources_of(messages: Sequence[MessageRecord], store: FileStore | None) -> dict[str, list[wire.Source]]:
    """By message id, the sources with their texts as far as the index still has them."""
    bare = {message.id: message.files["sources"] for message in messages if message.files}
    wanted = {chunk_id for sources in bare.values() for source in sources for chunk_id in source["chunk_ids"]}
    chunks = {one.id: one for one in await store.chunks(sorted(wanted))} if store is not None and wanted else {}
    return {message_id: [with_text(source, chunks) for source in sources] for message_id, sources in bare.items()}


def with_text(source: Mapping[str, Any], chunks: Mapping[int, StoredChunk]) -> wire.Source:
    """The source with its text, when all of its chunks are still there."""
    found = [chunks[chunk_id].chunk for chunk_id in source["chunk_ids"] if chunk_id in chunks]
    if not found or len(found) < len(source["chunk_ids"]):
        return wire.Source(**source, text="")
    return wire.Source(**source, text=joined(found), header=found[0].header, place=found[0].place)
