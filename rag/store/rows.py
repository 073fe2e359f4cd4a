"""What goes into files.db and what comes out: collections, roots, files, documents, chunks, changes.

Paths of files are relative to their root with "/" between the parts, "" for a root that is a file itself; roots are
absolute. Times are seconds since 1970.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from rag.types import Chunk, DocumentKind, SkipReason

StoredState = Literal["indexed", "waiting", "skipped", "failed"]


@dataclass(frozen=True, slots=True)
class RootRow:
    """One folder or file of a collection; `problem` says why it cannot be read now."""

    id: int
    collection_id: int
    path: str
    problem: str = ""


@dataclass(frozen=True, slots=True)
class CollectionRow:
    """One collection with its roots. `rules` are those of the scan, as JSON values.

    `embedder_id` is what the user chose; `next_embedder_id` is set while another one's vectors are being made.
    `chat_id` names the chat the collection belongs to: then it is hidden from lists.
    """

    id: int
    name: str
    embedder_id: str
    chat_id: str = ""
    rules: Mapping[str, Any] = field(default_factory=dict)
    next_embedder_id: str = ""
    reranker_id: str = ""
    local_only: bool = False
    watch: bool = True
    paused: bool = False
    created_at: float = 0.0
    indexed_at: float | None = None
    problem: str = ""
    roots: tuple[RootRow, ...] = ()


@dataclass(frozen=True, slots=True)
class NewCollectionRow:
    """A collection to make."""

    name: str
    embedder_id: str
    chat_id: str = ""
    rules: Mapping[str, Any] = field(default_factory=dict)
    reranker_id: str = ""
    local_only: bool = False
    watch: bool = True


@dataclass(frozen=True, slots=True)
class FileStat:
    """What tells whether a file changed; from lstat."""

    size: int
    mtime_ns: int
    inode: int
    device: int


@dataclass(frozen=True, slots=True)
class KnownFile:
    """What the store knows of one file; `sha256` and `document_id` are None unless something of it was read."""

    path: str
    stat: FileStat
    state: StoredState
    reason: str = ""
    sha256: bytes | None = None
    document_id: int | None = None


@dataclass(frozen=True, slots=True)
class NewDocument:
    """What was read of one content. `variant` is what else than the bytes decides how it is read (the suffix's kind).

    `size` is that of the file in bytes, `chars` the characters of its text. `warnings` are sentences.
    """

    sha256: bytes
    variant: str
    parser_version: int
    kind: DocumentKind
    chunks: Sequence[Chunk]
    language: str = ""
    title: str = ""
    pages: int | None = None
    encoding: str = "utf-8"
    lossy: bool = False
    warnings: tuple[str, ...] = ()
    size: int = 0
    chars: int = 0


@dataclass(frozen=True, slots=True)
class DocumentRow:
    """A document that is in the store."""

    id: int
    sha256: bytes
    kind: DocumentKind
    language: str
    title: str
    pages: int | None
    encoding: str
    lossy: bool
    warnings: tuple[str, ...]
    chunks: int


@dataclass(frozen=True, slots=True)
class Indexed:
    """A file whose content is `document`: a new one, or the id of one that is in the store."""

    root_id: int
    path: str
    stat: FileStat
    document: NewDocument | int


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file that is not in the index. `failed` when it should be, but could not be read. What was of it goes."""

    root_id: int
    path: str
    stat: FileStat
    reason: SkipReason
    detail: str = ""  # the sentence for people
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Kept:
    """A file that could not be read again. What was read of it before stays and answers; it is told of as failed."""

    root_id: int
    path: str
    stat: FileStat
    reason: SkipReason
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A file that was found and is yet to be read. What is in the index of it stays and answers."""

    root_id: int
    path: str
    stat: FileStat


@dataclass(frozen=True, slots=True)
class Touched:
    """Its bytes are the same, its times are not."""

    root_id: int
    path: str
    stat: FileStat


@dataclass(frozen=True, slots=True)
class Removed:
    """A file that is no longer there, or no longer wanted."""

    root_id: int
    path: str


@dataclass(frozen=True, slots=True)
class Moved:
    """A file that has another name in the same collection; its content and its state stay."""

    root_id: int
    path: str
    to_root_id: int
    to_path: str
    stat: FileStat


FileChange = Indexed | Skipped | Kept | Waiting | Touched | Removed | Moved


@dataclass(frozen=True, slots=True)
class Applied:
    """What a batch of changes did. Chunks that a re-read file kept are in neither number."""

    chunks_added: int = 0
    chunks_removed: int = 0
    documents_added: int = 0
    documents_removed: int = 0


@dataclass(frozen=True, slots=True)
class FileRef:
    """A file that has a chunk: `file` is its absolute path."""

    collection_id: int
    root_id: int
    root: str
    path: str

    @property
    def file(self) -> str:
        return str(Path(self.root, self.path)) if self.path else self.root


@dataclass(frozen=True, slots=True)
class StoredChunk:
    """A chunk with the files of the asked collection that hold it, by path; `chunk.ordinal` counts in its document."""

    id: int
    document_id: int
    chunk: Chunk
    language: str
    title: str
    files: tuple[FileRef, ...]


@dataclass(frozen=True, slots=True)
class FileRecord:
    """One file as lists show it. `state` besides the stored ones: "embedding" while vectors of its chunks are to come.

    `fraction` is the share of its chunks that have theirs. `copies` are other files of the collection with its content.
    """

    id: int
    root: RootRow
    path: str
    size: int
    state: Literal["indexed", "waiting", "embedding", "skipped", "failed"]
    reason: str
    detail: str
    chunks: int | None
    fraction: float | None
    kind: str
    language: str
    pages: int | None
    warnings: tuple[str, ...]
    indexed_at: float | None
    copies: int


@dataclass(frozen=True, slots=True)
class FileRecords:
    """A page of files; `next` is the cursor of the next one, "" at the end; `total` and `reasons` are of all."""

    files: tuple[FileRecord, ...]
    total: int
    next: str
    reasons: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Counts:
    """What a collection holds. `text_bytes` is the size of its chunks' texts, `embedding` chunks without a vector."""

    files: int = 0
    indexed: int = 0
    waiting: int = 0
    skipped: int = 0
    failed: int = 0
    documents: int = 0
    chunks: int = 0
    text_bytes: int = 0
    embedding: int = 0


@dataclass(frozen=True, slots=True)
class Space:
    """The vectors of one collection by one embedder: `name` is what the vector index calls it.

    `embedder_key` is EmbedderIdentity.key. `ready` once every chunk had its vector in the index; only such a space may
    answer for the whole collection.
    """

    id: int
    name: str
    collection_id: int
    embedder_key: str
    dimensions: int
    ready: bool = False


@dataclass(frozen=True, slots=True)
class MissingVector:
    """A chunk that has no vector of an embedder yet. `text` is what the embedder reads."""

    chunk_id: int
    text_hash: bytes
    text: str


@dataclass(frozen=True, slots=True)
class CheckRow:
    """A question whose passages were right once; `expected` are "path:start-end", best first."""

    id: int
    name: str
    collection_id: int
    query: str
    settings: Mapping[str, Any]
    expected: tuple[str, ...]
    passed: bool | None = None
    message: str = ""
    ran_at: float | None = None
