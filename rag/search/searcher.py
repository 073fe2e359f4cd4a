"""The search over the user's files: FTS5 and vectors at once, fused by what the query and the results look like."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from rag.errors import BadQuery, RerankerFailed
from rag.search import scope
from rag.search.analysis import analyse
from rag.search.clock import Clock
from rag.search.fusion import Fused, fuse
from rag.search.gathering import Gathered, gather
from rag.search.matching import stems
from rag.search.outcome import candidates, choose, hits, rank
from rag.search.relevance import is_relevant
from rag.search.sides import Side, Sides, Wanted, stages
from rag.search.types import Found, SearchWish, Trace

if TYPE_CHECKING:
    from rag.embedding.embedders import Embedders
    from rag.reranking.rerankers import Rerankers
    from rag.store.store import FileStore
    from rag.vectors.index import VectorIndex

RERANKED = 40  # candidates a reranker reads
RERANKER_READS = 2_000  # characters of the query
_EQUAL = 0.5


class Searcher:
    """Reads only: the store's own database through its readers, and the vector index. Safe to use concurrently."""

    def __init__(
        self, store: FileStore, vectors: VectorIndex, embedders: Embedders, rerankers: Rerankers | None = None
    ) -> None:
        self._store = store
        self._sides = Sides(store, vectors, embedders)
        self._rerankers = rerankers

    async def search(self, wish: SearchWish) -> Found:
        """Find the passages that answer `wish.query`, with everything that led to them.

        Without vectors (no embedder, a broken index, an index that is being built) the lexical side answers alone and
        `note` says so. Raises BadQuery when the query holds nothing to search for or `path` is no pattern,
        CollectionNotFound for an id there is not.
        """
        clock = Clock()
        wanted = await asyncio.to_thread(_wanted, wish)
        sides = await self._ask(wish, wanted, clock)
        gathered = await asyncio.to_thread(gather, sides, wanted)
        fused = fuse(gathered.evidence, _weight(wish))
        crowds = ", code in crowds held further away" if gathered.evidence.code.sum() > 1 else ""
        clock.stage("fuse", len(gathered.entries), f"dense weight {fused.dense_weight:.2f}{crowds}")
        reading = await self._rerank(wish, sides, gathered, fused)
        if reading.name or reading.note:
            clock.stage("rerank", len(reading.scores), reading.note)
        return await asyncio.to_thread(_found, wish, wanted, sides, Weighed(gathered, fused, reading), clock)

    async def _ask(self, wish: SearchWish, wanted: Wanted, clock: Clock) -> list[Side]:
        clock.stage("analyse", len(wanted.analysis.words), f"kind: {wanted.analysis.kind}")
        rows = [await self._store.collection(number) for number in dict.fromkeys(wish.collection_ids)]
        sides = list(await asyncio.gather(*(self._sides.ask(row, wanted) for row in rows)))
        for name, (took_ms, count) in zip(("lexical", "dense"), stages(sides), strict=True):
            clock.stage(name, count, took_ms=took_ms)
        return sides

    async def _rerank(self, wish: SearchWish, sides: Sequence[Side], gathered: Gathered, fused: Fused) -> Reading:
        """Have the best candidates read by the reranker of the collections, if they have one and it is wanted."""
        chosen = next((side.collection.reranker_id for side in sides if side.collection.reranker_id), "")
        if wish.rerank is False or self._rerankers is None or not chosen:
            return Reading(note="No collection that was searched has a reranker." if wish.rerank else "")
        best = np.argsort(-fused.scores, kind="stable")[:RERANKED].tolist()
        try:
            reranker = await self._rerankers.open(chosen)
            chunks = [gathered.entries[at].stored.chunk for at in best]
            scores = await reranker.scores(wanted_text(wish), [chunk.embedded_text for chunk in chunks])
        except RerankerFailed as error:
            return Reading(note=f"Not reranked: {error.message}")
        return Reading(reranker.name, dict(zip(best, scores, strict=True)))


@dataclass(frozen=True, slots=True)
class Reading:
    """What a reranker said: scores by place in the list of candidates. `note` says why it said nothing."""

    name: str = ""
    scores: Mapping[int, float] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True, slots=True)
class Weighed:
    """The candidates with all their scores."""

    gathered: Gathered
    fused: Fused
    reading: Reading


def wanted_text(wish: SearchWish) -> str:
    """What a reranker reads of the query."""
    return wish.query.strip()[:RERANKER_READS]


def _wanted(wish: SearchWish) -> Wanted:
    """What the query asks of the sides. Raises BadQuery."""
    if not wish.collection_ids:
        raise BadQuery("No collection was named to search in.")
    analysis = analyse(wish.query)
    if not analysis.words:
        raise BadQuery("There is no word to search for.", hint="Ask a question, or name what you look for.")
    return Wanted(
        analysis,
        tuple(stems(analysis.words)),
        lexical=wish.mode != "dense",
        dense=wish.mode != "lexical",
        pattern=scope.pattern_of(wish.path),
    )


def _weight(wish: SearchWish) -> float | None:
    """The dense side's weight as far as it is given; None leaves it to the query."""
    by_mode = {"lexical": 0.0, "dense": 1.0, "hybrid": _EQUAL}
    return by_mode.get(wish.mode) if wish.dense_weight is None else wish.dense_weight


def _found(wish: SearchWish, wanted: Wanted, sides: Sequence[Side], weighed: Weighed, clock: Clock) -> Found:
    """Passages, hits and the whole account."""
    ranking = rank(weighed.gathered, weighed.fused, weighed.reading.scores)
    chosen = choose(ranking, wish, clock)
    names = {side.collection.id: side.collection.name for side in sides}
    shown = hits(chosen, names, weighed.gathered.worth)
    clock.stage("highlight", len(shown))
    mode = _mode(sides, weighed.fused)
    embedder = next((side.nearest.embedder for side in sides if side.nearest.embedder), "")
    trace = Trace(
        query=wish.query,
        query_kind=wanted.analysis.kind,
        dense_weight=weighed.fused.dense_weight,
        terms=wanted.analysis.words if wanted.lexical else (),
        mode=mode,
        embedder=embedder,
        reranker=weighed.reading.name,
        stages=tuple(clock.stages),
        candidates=candidates(ranking, chosen, names),
    )
    notes = dict.fromkeys((*(side.nearest.note for side in sides), weighed.reading.note))
    return Found(
        hits=shown,
        trace=trace,
        relevant=bool(shown) and is_relevant(weighed.gathered.evidence, embedder),
        complete=all(side.nearest.complete and not side.waiting for side in sides),
        note=" ".join(note for note in notes if note),
        took_ms=clock.total_ms(),
        mode=mode,
    )


def _mode(sides: Sequence[Side], fused: Fused) -> str:
    """What was searched, in words."""
    if not any(side.nearest.found for side in sides):
        return "words"
    if fused.dense_weight >= 1.0:
        return "meaning"
    return f"words {1 - fused.dense_weight:.0%}, meaning {fused.dense_weight:.0%}"
