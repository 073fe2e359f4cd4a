"""What the doctor finds and what a removal can show. The fields are those of desktop/wire_files.py."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that does not agree.

    `kind` is one of: broken_database, broken_index, quarantined, lexical_rows, orphan_chunks, orphan_vectors,
    missing_vectors, extra_vectors, wrong_vectors, zero_vectors, unfinished, embedder_mismatch, embedder_missing, stale,
    new, vanished, changed_content, failed, root_missing. `examples` are paths or ids, EXAMPLES at most. `chat_id` is
    that of the chat whose own collection it is.
    """

    kind: str
    count: int
    message: str
    hint: str = ""
    collection: str = ""
    repairable: bool = True
    repaired: bool = False
    examples: list[str] = field(default_factory=list)
    chat_id: str = ""


@dataclass(frozen=True, slots=True)
class CollectionCounts:
    """Numbers of one collection that must agree: on_disk with in_database + failed, chunks with lexical_rows and both
    vectors."""

    collection: str
    on_disk: int
    in_database: int
    skipped: int
    failed: int
    chunks: int
    lexical_rows: int
    database_vectors: int
    index_vectors: int
    chat_id: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """What an examination found; `ok` when nothing is left that can be repaired."""

    ok: bool
    counts: list[CollectionCounts]
    findings: list[Finding]
    repaired: int = 0
    took_ms: float = 0.0
    database_bytes: int = 0
    vectors_bytes: int = 0


@dataclass(frozen=True, slots=True)
class ReceiptItem:
    """One file that was taken out. `kept_because` says who else has its content, which stays then."""

    file: str
    chunks: int
    vectors: int
    kept_because: str = ""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What was removed and the proof; it holds names of files and none of their text."""

    id: str
    items: list[ReceiptItem]
    files: int
    chunks: int
    vectors: int
    probes: int
    found_by_search: int
    found_in_bytes: int
    proven: bool
    files_checked: list[str]
    message: str
    created_at: float
    took_ms: float = 0.0
