"""What readers are held to, and what one file gave."""

from __future__ import annotations

from dataclasses import dataclass

from rag.types import Chunk, DocumentKind

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """What one file may cost; beyond it the file is left out with a reason.

    `file_bytes` as it lies on the disk, `text_bytes` unpacked or as text, `ratio` between the two for archives (only
    asked above `small_bytes` unpacked). `depth` is how deep data may be nested for its structure to be read,
    `data_depth` how deep it may be nested at all. `code_bytes` is up to where source code gets a syntax tree,
    `structure_bytes` up to where other text is searched for structure; above, it is cut at lines and paragraphs.
    """

    file_bytes: int = 50 * MIB
    text_bytes: int = 200 * MIB
    ratio: int = 100
    small_bytes: int = 4 * MIB
    depth: int = 32
    data_depth: int = 1000
    code_bytes: int = 2 * MIB
    structure_bytes: int = 8 * MIB
    seconds: float = 60.0
    memory_bytes: int = 1024 * MIB


@dataclass(frozen=True, slots=True)
class Parsed:
    """One file that was read: what it is, and its chunks in order.

    `sha256` (hex), `size`, `mtime_ns` and `inode` are of the very bytes that were read. `pages` is 0 without pages,
    `characters` the length of the document's text. `language`, `encoding`, `lossy` and `warnings` as in Document.
    `seconds` is what reading took in the worker.
    """

    sha256: str
    size: int
    mtime_ns: int
    inode: int
    kind: DocumentKind
    title: str
    language: str
    encoding: str
    lossy: bool
    pages: int
    characters: int
    warnings: tuple[str, ...]
    chunks: tuple[Chunk, ...]
    seconds: float


DEFAULT_LIMITS = Limits()
