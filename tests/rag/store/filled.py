"""A store with a collection in it: documents of plain chunks, vectors that follow from their texts."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from rag.store.rows import CollectionRow, FileStat, Indexed, NewCollectionRow, NewDocument, Space
from rag.store.store import FileStore
from rag.types import Chunk, EmbedderIdentity, Vectors
from rag.vectors.index import VectorIndex

IDENTITY = EmbedderIdentity(key="k1", model="test@1", dimensions=16, max_tokens=256)
STAT = FileStat(size=10, mtime_ns=1, inode=(1 << 63) + 5, device=3)


def document(*texts: str, header: str = "") -> NewDocument:
    """A document of these chunks."""
    chunks, at = [], 0
    for ordinal, text in enumerate(texts):
        end = at + len(text)
        chunks.append(Chunk(ordinal, at, end, at, end, ordinal + 1, ordinal + 1, text, "prose", header))
        at = end
    digest = hashlib.sha256("\0".join((header, *texts)).encode("utf-8", "surrogatepass")).digest()
    return NewDocument(digest, "text", 1, "prose", chunks, size=at, chars=at)


def vector(text: str) -> Vectors:
    """The unit vector this text has in all tests."""
    seed = int.from_bytes(hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest(), "big")
    row = np.random.default_rng(seed).standard_normal(IDENTITY.dimensions)
    return (row / np.linalg.norm(row)).astype(np.float32)


async def add_files(store: FileStore, root_id: int, files: dict[str, Sequence[str]]) -> None:
    """Index files: path → texts of its chunks."""
    await store.apply([Indexed(root_id, path, STAT, document(*texts)) for path, texts in files.items()])


async def new_collection(store: FileStore, name: str = "notes", root: str = "/home/me/notes") -> CollectionRow:
    """A collection with one root."""
    made = await store.create_collection(NewCollectionRow(name, "mini"))
    await store.add_root(made.id, root)
    return await store.collection(made.id)


async def embed(store: FileStore, space: Space, index: VectorIndex | None = None) -> int:
    """Give every chunk of a space its vector, in the store and, when it is given, in the index; how many were made."""
    made = 0
    while found := await store.missing_vectors(space):
        rows = np.stack([vector(each.text) for each in found])
        await store.put_vectors(space.embedder_key, [each.text_hash for each in found], rows)
        made += len(found)
    if index is not None:
        await index.place(space)
    return made


async def lexical_hits(store: FileStore, collection_id: int, query: str) -> list[int]:
    """Chunk ids that match an FTS5 query, ascending."""
    table = f"fts_{collection_id}"
    return await store.database.read(
        lambda c: [row[0] for row in c.execute(f"SELECT rowid FROM {table} WHERE {table} MATCH ? ORDER BY 1", (query,))]
    )
