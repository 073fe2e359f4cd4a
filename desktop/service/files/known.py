"""Which file of the index an absolute path is."""

from __future__ import annotations

from rag.store.rows import RootRow
from rag.store.store import FileStore


async def known_file(store: FileStore, file: str) -> tuple[RootRow, str] | None:
    """Root and relative path of a file of which the index holds text, in whichever collection; None without any."""
    for collection in await store.collections(None):
        for root in collection.roots:
            path = "" if file == root.path else file.removeprefix(root.path.rstrip("/") + "/")
            if path != file and await store.document_of_file(root.path, path) is not None:
                return root, path
    return None
