"""Showing what was found: the text around a passage, and the file itself in the user's editor."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from desktop import wire_files as wire
from desktop.editors import Place, command_for
from desktop.service.errors import NotAvailable, NotFound
from desktop.service.files.known import known_file
from desktop.service.files.text import joined
from rag.store.rows import RootRow, StoredChunk
from rag.store.store import FileStore

PREVIEW_CHARACTERS = 20_000  # of text around the passage, half before and half after it


class FileReading:
    """Previews and opens files that are in the index, and no others. `editor` is that of the settings."""

    def __init__(self, store: FileStore, editor: Callable[[], str], environ: Mapping[str, str]) -> None:
        self._store = store
        self._editor = editor
        self._environ = dict(environ)

    async def preview(self, file: str, chunk_id: int | None) -> wire.Preview:
        """The indexed text of a file around a chunk, or its beginning. Raises NotFound."""
        root, path = await self._known(file)
        document_id = await self._store.document_of_file(root.path, path)
        document = await self._store.document(document_id) if document_id is not None else None
        if document is None:
            raise NotFound("file_not_indexed", f"Nothing of {file} is in the index.", hint="It may be left out.")
        chunks = await self._store.document_chunks(document.id)
        at = next((number for number, stored in enumerate(chunks) if stored.id == chunk_id), None)
        if chunk_id is not None and at is None:
            raise NotFound(
                "chunk_not_found",
                "That passage is not in the index any more.",
                hint="The file has changed; search again.",
            )
        shown = around(chunks, at or 0)
        text = joined([stored.chunk for stored in shown])
        first = shown[0].chunk if shown else None
        passage = chunks[at].chunk if at is not None else None
        return wire.Preview(
            file=file,
            text=text,
            first_line=first.start_line if first else 1,
            start=passage.start - first.start if passage and first else 0,
            end=passage.end - first.start if passage and first else 0,
            page=passage.page if passage else first.page if first else None,
            language=document.language,
            stale=await self._is_stale(root, path, file),
            truncated=len(shown) < len(chunks),
        )

    async def open(self, request: wire.OpenRequest) -> wire.Opened:
        """Start the editor and leave it. Raises NotFound, NotAvailable."""
        root, path = await self._known(request.file)
        place = Place(Path(root.path, path) if path else Path(root.path), request.line, page=request.page)
        if not await asyncio.to_thread(place.file.is_file):
            raise NotFound("file_gone", f"{place.file} is not there any more.", hint="It is in the index still.")
        search_path = self._environ.get("PATH", os.defpath)
        command = command_for(self._editor(), place, lambda program: shutil.which(program, path=search_path))
        if command is None:
            raise NotAvailable(
                "editor_missing",
                f"There is no program here to open files with ({self._editor() or 'the one of the system'}).",
                hint="Choose another: jackdaw config editor=vscode",
            )
        await asyncio.to_thread(start, command, self._environ)
        return wire.Opened(command=command)

    async def _known(self, file: str) -> tuple[RootRow, str]:
        """Raises NotFound for a file that is not in the index."""
        if (found := await known_file(self._store, file)) is None:
            raise NotFound(
                "file_not_indexed", f"{file[:300]} is not in the index.", hint="Only what is in it is shown."
            )
        return found

    async def _is_stale(self, root: RootRow, path: str, file: str) -> bool:
        """Whether the file is another than the one that was read."""
        known = (await self._store.known_files(root.id)).get(path)
        try:
            now = await asyncio.to_thread(os.stat, file)
        except OSError:
            return True
        return known is None or (now.st_size, now.st_mtime_ns) != (known.stat.size, known.stat.mtime_ns)


def around(chunks: list[StoredChunk], at: int) -> list[StoredChunk]:
    """The chunk `at` with as many neighbours on both sides as the preview has room for."""
    first = last = at
    room = PREVIEW_CHARACTERS - (len(chunks[at].chunk.text) if chunks else 0)
    half = room / 2
    while first > 0 and (half := half - len(chunks[first - 1].chunk.text)) > 0:
        first -= 1
    half = room / 2
    while last + 1 < len(chunks) and (half := half - len(chunks[last + 1].chunk.text)) > 0:
        last += 1
    return chunks[first : last + 1]


def start(command: list[str], environ: Mapping[str, str]) -> None:
    """Start a program of the user's and let it go: it outlives us. Raises NotAvailable."""
    nothing = subprocess.DEVNULL
    try:
        process = subprocess.Popen(
            command, stdin=nothing, stdout=nothing, stderr=nothing, env=dict(environ), start_new_session=True, cwd="/"
        )
    except OSError as error:
        hint = "Choose another editor: jackdaw config editor=vscode"
        raise NotAvailable(
            "editor_missing", f"{command[0]} could not be started: {error.strerror}.", hint=hint
        ) from error
    threading.Thread(target=process.wait, name=f"editor {process.pid}", daemon=True).start()
