"""What crosses the control socket about the user's files: collections, their index, search, answers. See wire.py.

Offsets are in characters of the decoded file (of the extracted text where the file is none), half-open; lines and pages
are numbered from 1 and inclusive. Bytes are bytes, times are seconds since 1970 as float, durations are milliseconds.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from desktop.wire_base import Wire

FileState = Literal["indexed", "waiting", "reading", "embedding", "skipped", "failed"]
SearchMode = Literal["auto", "hybrid", "lexical", "dense"]


# Collections


class CollectionRules(Wire):
    """What of a folder is read. Patterns are those of .gitignore; `include` wins over every rule but the size caps."""

    include: list[str] = Field(default_factory=list, max_length=1000)
    exclude: list[str] = Field(default_factory=list, max_length=20_000)  # with a line for each path that was removed
    ignore_files: bool = True  # obey .gitignore, .ignore and .jackdawignore
    secrets: bool = False  # read files that usually hold keys and passwords
    generated: bool = False  # read vendored, minified and built files, lock files
    hidden: bool = False  # read files and folders whose names begin with a dot
    max_file_mib: int = Field(default=50, ge=1, le=2048)


class Root(Wire):
    """One folder or file of a collection."""

    id: int
    path: str
    files: int = 0
    watching: bool = False
    problem: str = ""  # why it cannot be read now, in words


class Collection(Wire):
    """`embedder` is an id of GET /jackdaw/v1/files/embedders. `next_embedder` is set while it is being changed: the old
    index answers until the new one is whole. `chat_id` names the chat of files that were attached to one chat alone."""

    id: int
    name: str
    chat_id: str = ""
    roots: list[Root] = Field(default_factory=list)
    rules: CollectionRules = Field(default_factory=CollectionRules)
    embedder: str
    embedder_name: str = ""
    next_embedder: str = ""
    reranker: str = ""  # id of GET /jackdaw/v1/files/rerankers, "" for none
    local_only: bool = False  # never leaves this machine
    watch: bool = True
    paused: bool = False
    files: int = 0
    chunks: int = 0
    skipped: int = 0
    failed: int = 0
    text_bytes: int = 0
    index_bytes: int = 0  # on the disk, all stores together
    state: Literal["ready", "indexing", "waiting", "paused", "failed", "empty"] = "empty"
    pause_reason: str = ""  # "battery", "asked", "busy"
    job_id: str = ""
    indexed_at: float | None = None
    problem: str = ""
    failing_checks: int = 0  # saved checks that do not hold now


class NewCollection(Wire):
    name: str = Field(min_length=1, max_length=80)
    roots: list[str] = Field(default_factory=list, max_length=100)  # absolute paths
    rules: CollectionRules = Field(default_factory=CollectionRules)
    embedder: str = ""  # "" for the default one
    reranker: str = ""
    local_only: bool = False
    watch: bool = True


class CollectionPatch(Wire):
    name: str | None = Field(default=None, min_length=1, max_length=80)
    rules: CollectionRules | None = None
    embedder: str | None = None  # re-embeds in the background
    reranker: str | None = None
    local_only: bool | None = None
    watch: bool | None = None
    paused: bool | None = None


class AddRoots(Wire):
    """Add folders or files; a collection that does not exist is made. Starts the job `index`."""

    collection: str = Field(default="", max_length=80)  # "" for the collection "files"
    paths: list[str] = Field(min_length=1, max_length=100)  # absolute
    chat_id: str = ""  # set: attach to this chat instead of a collection


class AddedRoots(Wire):
    collection: Collection
    job_id: str


class FileRow(Wire):
    """One file of a collection. `reason` is a code (see docs/files.md), `message` its sentence."""

    path: str  # relative to its root
    root: str
    file: str  # absolute
    bytes: int
    chunks: int | None = None
    state: FileState
    fraction: float | None = None
    reason: str = ""
    message: str = ""
    warnings: list[str] = Field(default_factory=list)
    kind: str = ""
    language: str = ""
    pages: int | None = None
    indexed_at: float | None = None
    copies: int = 0  # other files with the same content


class FilePage(Wire):
    """`next` is the cursor of the next page, "" at the end. Counts are of the whole collection."""

    files: list[FileRow]
    total: int
    next: str = ""
    reasons: dict[str, int] = Field(default_factory=dict)


class CollectionList(Wire):
    collections: list[Collection]


class AttachRequest(Wire):
    """Files or folders for one chat."""

    paths: list[str] = Field(min_length=1, max_length=100)  # absolute


class PlanRequest(Wire):
    """What would be read of these paths, without reading any."""

    paths: list[str] = Field(min_length=1, max_length=100)
    rules: CollectionRules = Field(default_factory=CollectionRules)


class PlanFolder(Wire):
    path: str
    files: int
    bytes: int
    skipped: int


class Plan(Wire):
    files: int
    bytes: int
    reasons: dict[str, int]  # how many files are left out, by reason
    kinds: dict[str, int]  # files by suffix, the 20 commonest
    folders: list[PlanFolder]
    examples: list[FileRow]  # up to 50 that are left out
    complete: bool = True  # False when counting was stopped after some seconds


class IndexStatus(Wire):
    """The index as a whole."""

    collections: int
    files: int
    chunks: int
    vectors: int
    database_bytes: int
    vectors_bytes: int
    embedder_name: str
    runtime: str  # "openvino bf16", as measured
    on_battery: bool | None = None
    watching: int = 0  # roots
    problem: str = ""


# Embedders and rerankers


class EmbedderChoice(Wire):
    id: str
    name: str
    kind: Literal["package", "sentence-transformers", "gguf", "ollama", "openai"]
    dimensions: int | None = None
    max_tokens: int | None = None
    query_prefix: str = ""
    passage_prefix: str = ""
    pooling: str = ""
    available: bool = True
    reason: str = ""  # why not available
    is_default: bool = False
    runtime: str = ""
    chunks_per_s: float | None = None  # measured here
    multilingual: bool = False
    note: str = ""


class EmbedderList(Wire):
    embedders: list[EmbedderChoice]


class RuntimeFigure(Wire):
    """One way to run the built-in embedder here: chunks of about 185 tokens each second, cosine against fp32."""

    name: str
    chunks_per_s: float
    cosine: float
    load_ms: float
    query_ms: float
    chosen: bool
    note: str = ""


class RuntimeList(Wire):
    runtimes: list[RuntimeFigure]
    measured_at: float | None = None


class RerankerChoice(Wire):
    id: str
    name: str
    kind: Literal["sentence-transformers", "gguf"]
    available: bool = True
    reason: str = ""


class RerankerList(Wire):
    rerankers: list[RerankerChoice]


class NewEmbedder(Wire):
    """An embedder the user adds: a folder with a sentence-transformers model, an Ollama model, or a server's."""

    kind: Literal["sentence-transformers", "ollama", "openai"]
    name: str = Field(min_length=1, max_length=200)  # folder, model name
    url: str = ""  # of an OpenAI-compatible server
    query_prefix: str = ""
    passage_prefix: str = ""
    dimensions: int | None = Field(default=None, ge=1, le=65536)


# Search


class SearchRequest(Wire):
    """`collection` is a name; "" searches all. `k` passages at most. `dense_weight` 0..1 overrides the query's own."""

    collection: str = Field(default="", max_length=80)
    query: str = Field(min_length=1, max_length=20_000)
    k: int = Field(default=10, ge=1, le=100)
    mode: SearchMode = "auto"
    dense_weight: float | None = Field(default=None, ge=0, le=1)
    rerank: bool | None = None  # None: when the collection has a reranker
    merge: bool = True  # merge neighbours, fold near-duplicates
    budget_tokens: int | None = Field(default=None, ge=64, le=1_000_000)
    path: str = ""  # a pattern as in .gitignore: search only there


class HighlightSpan(Wire):
    start: int  # characters of `text`
    end: int
    kind: Literal["sentence", "word"] = "word"


class SearchResult(Wire):
    """One passage. `path` is relative to `root`, `file` is absolute. `page` is None where there are none."""

    path: str
    start_line: int
    end_line: int
    start_char: int
    end_char: int
    page: int | None = None
    text: str
    score: float  # 0..1
    root: str = ""
    file: str = ""
    collection: str = ""
    end_page: int | None = None
    place: str = ""  # "cell 3", "sheet Sales, rows 2–9"
    header: str = ""  # headings or symbols above it
    kind: str = ""
    highlights: list[HighlightSpan] = Field(default_factory=list)
    copies: list[str] = Field(default_factory=list)
    chunk_ids: list[int] = Field(default_factory=list)


class SearchAnswer(Wire):
    results: list[SearchResult]
    took_ms: float = 0.0
    mode: str = ""  # what "auto" became, in words
    complete: bool = True  # False while the collection is still being indexed
    relevant: bool = True  # False when nothing seems to be about the question: the results are the nearest there is
    note: str = ""


# Answers and their evidence


class Source(SearchResult):
    """A passage that was given to the model; `number` is how the answer cites it, `cited` whether it did."""

    number: int
    cited: bool = False
    whole: bool = False  # the whole file was given
    local_only: bool = False  # of a collection that never leaves this machine


class SentenceSupport(Wire):
    """One sentence of an answer, [start, end) of its text, and how well its passages carry it."""

    start: int
    end: int
    numbers: list[int] = Field(default_factory=list)
    support: float  # 0..1
    supported: bool


class CandidateRow(Wire):
    """One candidate and what became of it. Ranks from 1; None where that side did not find it."""

    chunk_id: int
    path: str
    start_line: int
    end_line: int
    page: int | None = None
    header: str = ""
    text: str = ""
    lexical_rank: int | None = None
    lexical_score: float | None = None
    dense_rank: int | None = None
    dense_score: float | None = None
    crowding: float | None = None  # mean cosine to its nearest among the candidates; of code it counts against it
    fused_score: float | None = None
    rerank_score: float | None = None
    final_rank: int | None = None  # of the passage it went into
    dropped: str = ""  # rule that dropped it: "duplicate", "merged", "budget", "below_k", "irrelevant", …
    why: str = ""  # the same as a sentence


class StageRow(Wire):
    name: str  # "analyse", "lexical", "dense", "fuse", "rerank", "fold", "merge", "budget", "assemble"
    took_ms: float
    candidates: int
    note: str = ""


class Why(Wire):
    """Everything that led to an answer or a search: the inspector's page."""

    id: str = ""
    question: str
    query: str  # after rewriting
    rewritten: bool = False
    collections: list[str]
    query_kind: str  # "question", "identifier", "error message", "exact phrase", "keywords"
    dense_weight: float
    terms: list[str] = Field(default_factory=list)  # what the lexical side asked for
    mode: str = ""
    embedder: str = ""
    reranker: str = ""
    stages: list[StageRow] = Field(default_factory=list)
    candidates: list[CandidateRow] = Field(default_factory=list)
    sources: list[Source] = Field(default_factory=list)
    prompt: list[dict[str, str]] = Field(default_factory=list)  # the exact messages: role, content
    prompt_tokens: int | None = None
    budget_tokens: int | None = None
    allocated_context: int | None = None
    model: str = ""
    answer: str = ""
    removed_citations: list[int] = Field(default_factory=list)
    support: list[SentenceSupport] = Field(default_factory=list)
    attachments: list[str] = Field(default_factory=list)  # "notes.md: whole file", in words
    created_at: float = 0.0


class AskFiles(Wire):
    """A question to files. Without a model the best passages are the answer. `history` are earlier turns."""

    question: str = Field(min_length=1, max_length=20_000)
    collection: str = ""
    model: str = ""  # "" for the default one; "none" for passages alone
    k: int | None = Field(default=None, ge=1, le=50)
    history: list[dict[str, str]] = Field(default_factory=list, max_length=100)


class FilesAnswer(Wire):
    """`found` is False when nothing relevant is in the files; `passages_only` when no model wrote the answer."""

    answer: str
    found: bool
    passages_only: bool
    model: str = ""
    sources: list[Source]
    support: list[SentenceSupport] = Field(default_factory=list)
    why_id: str = ""
    took_ms: float = 0.0


class WhyRequest(SearchRequest):
    """A search with everything that led to it; nothing is asked of a model."""

    save_as_check: str = Field(default="", max_length=200)


class Check(Wire):
    """A question whose passages were right once: run again after each indexing."""

    id: int
    name: str
    collection: str
    query: str
    settings: dict[str, Any] = Field(default_factory=dict)
    expected: list[str]  # "path:start_line-end_line", best first
    passed: bool | None = None
    message: str = ""
    ran_at: float | None = None


class NewCheck(Wire):
    name: str = Field(default="", max_length=200)
    collection: str
    query: str = Field(min_length=1, max_length=20_000)
    settings: dict[str, Any] = Field(default_factory=dict)
    expected: list[str] = Field(default_factory=list, max_length=20)  # [] takes what is found now


class CheckList(Wire):
    checks: list[Check]


class Preview(Wire):
    """Text around a passage, for a preview; offsets of the passage are in `text`."""

    file: str
    text: str
    first_line: int
    start: int
    end: int
    page: int | None = None
    language: str = ""
    stale: bool = False  # the file has changed since it was indexed
    truncated: bool = False


class OpenRequest(Wire):
    """Open a file that is in the index in the user's editor, at a place."""

    file: str
    line: int = Field(default=1, ge=1)
    page: int | None = None


class Opened(Wire):
    command: list[str]  # what was started; [] when the system's own opener was used


# Doctor


class Finding(Wire):
    """Something that does not agree. `kind`: orphan_chunks, missing_vectors, extra_vectors, zero_vectors, stale,
    vanished, failed, embedder_mismatch, broken_index, broken_database, unfinished, …

    What is attached to one chat has that chat's `chat_id`, and its title stands in `collection`."""

    kind: str
    collection: str = ""
    count: int
    message: str
    hint: str = ""
    repairable: bool = True
    repaired: bool = False
    examples: list[str] = Field(default_factory=list)
    chat_id: str = ""


class CollectionCounts(Wire):
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


class FilesDoctorReport(Wire):
    ok: bool
    counts: list[CollectionCounts]
    findings: list[Finding]
    repaired: int = 0
    took_ms: float = 0.0
    database_bytes: int = 0
    vectors_bytes: int = 0


class FilesDoctorRequest(Wire):
    collection: str = ""
    repair: bool = False
    deep: bool = False  # hash every file again, recompute sample vectors


class RemoveRequest(Wire):
    """Take paths (or a whole collection) out of the index; the files themselves are never touched."""

    collection: str = ""
    paths: list[str] = Field(default_factory=list, max_length=1000)  # absolute; [] with a collection removes all of it
    chat_id: str = ""


class ReceiptItem(Wire):
    file: str
    chunks: int
    vectors: int
    kept_because: str = ""  # the same content is in another file or collection


class Receipt(Wire):
    """What was removed, and the proof: nothing of it is found by search, nor in the bytes of the database files."""

    id: str
    items: list[ReceiptItem]
    files: int
    chunks: int
    vectors: int
    probes: int  # texts that were looked for in the bytes of the files
    found_by_search: int
    found_in_bytes: int
    proven: bool
    files_checked: list[str]
    message: str
    created_at: float
    took_ms: float = 0.0


class ReceiptList(Wire):
    receipts: list[Receipt]


class FilesEvent(Wire):
    """The event `files`. `action`: a collection was added, changed or removed; its index makes progress (dropped when a
    newer one is there); a check failed. `files` are rows that changed since the last event, at most 50: a view that
    shows more reads its page again."""

    action: Literal["added", "changed", "removed", "progress", "check_failed"]
    id: int  # of the collection
    collection: Collection | None = None
    files: list[FileRow] = Field(default_factory=list)
    check: Check | None = None
