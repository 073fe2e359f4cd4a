"""What is asked of the search, and what comes back: passages, and the whole evidence for their order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from rag.types import Hit

SearchMode = Literal["auto", "hybrid", "lexical", "dense"]
QueryKind = Literal["question", "identifier", "error message", "exact phrase", "keywords", "long text"]
Rule = Literal["", "duplicate", "merged", "budget", "below_k", "phrase", "path", "no_text"]


@dataclass(frozen=True, slots=True)
class SearchWish:
    """One search. `collection_ids` in no particular order, at least one; `k` passages at most.

    `mode` "auto" weights both sides by what the query and the results look like; "hybrid" does with equal weights.
    `dense_weight` 0..1 overrides the weight. `rerank` None: when the collection has a reranker. `merge` joins
    neighbouring chunks and folds near-duplicates. `budget_tokens` limits the text of all passages together, estimated
    from its length. `path` is a pattern as in .gitignore, on paths relative to their root: search only there.
    """

    collection_ids: tuple[int, ...]
    query: str
    k: int = 10
    mode: SearchMode = "auto"
    dense_weight: float | None = None
    rerank: bool | None = None
    merge: bool = True
    budget_tokens: int | None = None
    path: str = ""


@dataclass(frozen=True, slots=True)
class Stage:
    """One step: how long it took and how many candidates it left. `note` is a sentence, or empty."""

    name: str
    took_ms: float
    candidates: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One chunk that either side found, and what became of it. Ranks from 1; None where that side did not find it.

    `lexical_score` is bm25 turned positive, `dense_score` the cosine, `crowding` the mean cosine to its nearest
    among the candidates, `fused_score` 0..1. `final_rank` is the rank of the passage the chunk went into. `dropped` is
    the rule that left it out, `why` the same as a sentence.
    """

    chunk_id: int
    collection: str
    path: str
    start_line: int
    end_line: int
    page: int | None
    header: str
    text: str
    lexical_rank: int | None = None
    lexical_score: float | None = None
    dense_rank: int | None = None
    dense_score: float | None = None
    crowding: float | None = None
    fused_score: float | None = None
    rerank_score: float | None = None
    final_rank: int | None = None
    dropped: Rule = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Trace:
    """Everything that led to the passages; the inspector's page shows it. Candidates are best first."""

    query: str
    query_kind: QueryKind
    dense_weight: float
    terms: tuple[str, ...]
    mode: str
    embedder: str = ""
    reranker: str = ""
    stages: tuple[Stage, ...] = ()
    candidates: tuple[Candidate, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """What a search came to.

    `hits` are best first, `score` 0..1 descending. `relevant` is False when nothing found seems to be about the
    question: the hits are then the nearest there is. `complete` is False while a collection lacks vectors or is still
    being read. `note` says in words what could not be used, e.g. the vectors.
    """

    hits: tuple[Hit, ...]
    trace: Trace
    relevant: bool = True
    complete: bool = True
    note: str = ""
    took_ms: float = 0.0
    mode: str = field(default="")
