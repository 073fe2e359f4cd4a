"""What led to an answer, kept for a while: written so that it never holds text that was taken out of the index."""

from __future__ import annotations

import secrets
from collections.abc import Collection as AnyOf
from collections.abc import Iterable

from desktop import wire_files as wire
from desktop.service.errors import NotFound
from desktop.service.files.known import known_file
from rag.store.rows import StoredChunk
from rag.store.store import FileStore


def new_why_id() -> str:
    """64 random bits in hexadecimal."""
    return secrets.token_hex(8)


class Evidence:
    """The records of wire.Why in files.db: the newest ones, and none about a file that was removed."""

    def __init__(self, store: FileStore) -> None:
        self._store = store

    async def keep(self, why: wire.Why) -> None:
        """Write or rewrite a record.

        Passages and whole files that are gone by now lose their text, and with it the prompt: somebody may have taken
        them out of the index while the answer was written.
        """
        wanted = {chunk_id for one in why.sources for chunk_id in one.chunk_ids}
        wanted |= {candidate.chunk_id for candidate in why.candidates}
        there = await self._store.chunks(sorted(wanted))
        whole = {one.file for one in why.sources if one.whole}
        known = {file for file in whole if await known_file(self._store, file) is not None}
        kept = without_gone(why, {stored.id for stored in there}, whole - known)
        await self._store.put_evidence(kept.id, kept.model_dump(mode="json"), files_in(kept, there))

    async def get(self, why_id: str) -> wire.Why:
        """Raises NotFound."""
        record = await self._store.evidence(why_id)
        if record is None:
            hint = "Only the newest are kept, and none about files that were removed."
            raise NotFound("why_not_found", f"There is no record {why_id!r}.", hint=hint)
        return wire.Why.model_validate(record)


def files_in(why: wire.Why, chunks: Iterable[StoredChunk]) -> set[str]:
    """The absolute paths of all files of whose text a record holds some."""
    found = {ref.file for stored in chunks for ref in stored.files}
    for source in why.sources:
        found |= {source.file, *source.copies}
    return found


def without_gone(why: wire.Why, there: set[int], gone: AnyOf[str] = ()) -> wire.Why:
    """The record without the text of passages of which a chunk is not among `there`, or whose file is `gone`."""
    candidates = [
        one if one.chunk_id in there else one.model_copy(update={"text": "", "header": ""}) for one in why.candidates
    ]
    sources = [
        one
        if set(one.chunk_ids) <= there and one.file not in gone
        else one.model_copy(update={"text": "", "header": "", "highlights": []})
        for one in why.sources
    ]
    changed = candidates != why.candidates or sources != why.sources
    return why.model_copy(
        update={"candidates": candidates, "sources": sources, "prompt": [] if changed else why.prompt}
    )
