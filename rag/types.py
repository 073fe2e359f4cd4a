"""What the parts of this package hand to one another: documents, chunks, embedders, hits.

Offsets are Python string offsets (code points), half-open; lines and pages are numbered from 1 and inclusive.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

DocumentKind = Literal["prose", "code", "table", "data", "log", "notebook", "mail", "slides"]
BlockKind = Literal["heading", "paragraph", "list", "table", "code", "quote", "row", "meta", "symbol"]
SkipReason = Literal[
    "ignored",  # by a rule of .gitignore, .ignore, .jackdawignore or of the collection
    "secret",  # a file that usually holds keys or passwords
    "generated",  # vendored, minified, built, or a lock file
    "binary",
    "too_large",
    "empty",
    "encrypted",
    "damaged",
    "bomb",  # unpacks to far more than it is
    "too_deep",  # nested beyond the limits
    "timeout",
    "memory",
    "crashed",  # its parser died
    "no_text",  # pages that are pictures, with no tesseract here to read them
    "not_a_file",  # FIFO, device, socket
    "link_outside",  # leads out of its root
    "unreadable",  # no permission
    "changing",  # changed every time while it was read
    "vanished",
    "unsupported",
]


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of structure: [start, end) of the document's text. Blocks are in order and do not overlap.

    `headings` are those above it, outermost first; for code the names of the containers ("class Cache"). `level` is a
    heading's depth from 1. `place` is where it is when lines and pages do not say it: "cell 3", "sheet Sales, row 9".

    A symbol has its signature in one line as `name` ("def get(self, key: str) -> Row"), its comment and decorators
    included in [start, end). A container that is taken apart ends where its first member starts; the members, and what
    lies between them (kind "code"), follow with it among their headings. Rows have the line with the names of their
    columns as their last heading.
    """

    kind: BlockKind
    start: int
    end: int
    level: int = 0
    headings: tuple[str, ...] = ()
    place: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """[start, end) of the text is on page `number` (PDF page, slide, sheet)."""

    number: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Document:
    """One file as text with its positions.

    `exact` means that `text` is the decoded file itself, so that its offsets and lines are the file's own. Otherwise
    `anchors` are pairs (offset in text, offset in decoded file), ascending, of a text format whose markup was left out
    (HTML, notebooks); without any (PDF, Office) offsets and lines count in `text`, and pages or places tell more.
    `language` is the grammar's name for code, "" otherwise. `blocks` may be empty: then the text has no structure.
    `encoding` is what it was decoded from, `lossy` whether characters were replaced. `warnings` are sentences.
    """

    kind: DocumentKind
    text: str
    title: str = ""
    language: str = ""
    exact: bool = True
    blocks: tuple[Block, ...] = ()
    pages: tuple[Page, ...] = ()
    anchors: tuple[tuple[int, int], ...] = ()
    encoding: str = "utf-8"
    lossy: bool = False
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Chunk:
    """What is embedded, searched and shown: [start, end) of the document's text, which is `text`.

    `file_start` and `file_end` are offsets in the decoded file, -1 when the file is no text. Lines are the file's when
    it is text, else those of the document's text. `header` is its context without the path, as shown and embedded:
    "Install › From source" or "class Cache › def get". `page` and `end_page` are None without pages.
    """

    ordinal: int
    start: int
    end: int
    file_start: int
    file_end: int
    start_line: int
    end_line: int
    text: str
    kind: DocumentKind
    header: str = ""
    page: int | None = None
    end_page: int | None = None
    place: str = ""

    @property
    def embedded_text(self) -> str:
        """What the embedding model reads: context first. It does not name the path, so that moves cost nothing."""
        return f"{self.header}\n{self.text}" if self.header else self.text


Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class EmbedderIdentity:
    """What two vectors must have in common to be compared; `key` is its short, stable hash, stored with the vectors.

    `model` names the weights with their hash ("all-MiniLM-L6-v2@53aa5117"), `pooling` is mean, cls or last. Prefixes
    are put before queries and passages. `max_tokens` is what one text may have.
    """

    key: str
    model: str
    dimensions: int
    max_tokens: int
    pooling: str = "mean"
    query_prefix: str = ""
    passage_prefix: str = ""


class Embedder(Protocol):
    """Turns texts into unit vectors."""

    @property
    def identity(self) -> EmbedderIdentity: ...

    async def embed_passages(self, texts: list[str]) -> Vectors:
        """Shape (len(texts), dimensions), rows of L2 norm 1, in order. A longer text is read up to max_tokens."""
        ...

    async def embed_query(self, text: str) -> Vectors:
        """Shape (dimensions,), norm 1. Does not wait behind passages."""
        ...


class Reranker(Protocol):
    """Scores passages against a query; higher is better, 0..1 when `calibrated`."""

    @property
    def name(self) -> str: ...

    async def scores(self, query: str, passages: list[str]) -> list[float]: ...


@dataclass(frozen=True, slots=True)
class Highlight:
    """[start, end) of a hit's text that answers best, or holds the words of the query."""

    start: int
    end: int
    kind: Literal["sentence", "word"] = "word"


@dataclass(frozen=True, slots=True)
class Hit:
    """One passage found. `path` is relative to `root`; `file` is absolute. Positions as in Chunk, of the whole passage.

    A passage may be several neighbouring chunks: `chunk_ids` in order. `copies` are other files with the same text.
    `score` is 0..1, best first.
    """

    chunk_ids: tuple[int, ...]
    collection: str
    root: str
    path: str
    file: str
    start_char: int
    end_char: int
    start_line: int
    end_line: int
    page: int | None
    end_page: int | None
    place: str
    header: str
    kind: DocumentKind
    text: str
    score: float
    highlights: tuple[Highlight, ...] = ()
    copies: tuple[str, ...] = field(default=())
