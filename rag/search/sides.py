"""Both sides of the index of one collection, asked at the same time, and the candidates they come to."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rag.scan.patterns import Patterns
from rag.search import lexical, pool, scope
from rag.search.analysis import Analysis
from rag.search.dense import Compared, DenseSide, Nearest, Stored
from rag.search.lexical import Statistics
from rag.search.pool import Entry
from rag.store.rows import CollectionRow

if TYPE_CHECKING:
    from rag.embedding.embedders import Embedders
    from rag.store.store import FileStore
    from rag.vectors.index import VectorIndex

CANDIDATES = 100  # of each side and collection


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the sides are asked: words beside their stems ("" for none), and which sides are asked at all."""

    analysis: Analysis
    stems: tuple[str, ...]
    lexical: bool = True
    dense: bool = True
    pattern: Patterns | None = None

    @property
    def distinct_stems(self) -> list[str]:
        """The stems that are looked for, each once, in the order of the query."""
        return [stem for stem in dict.fromkeys(self.stems) if stem]


@dataclass(frozen=True, slots=True)
class Words:
    """What the words found in a collection, best first. `phrases` are the chunks that hold what stood in quotes."""

    statistics: Statistics
    found: tuple[int, ...] = ()
    phrases: frozenset[int] | None = None
    took_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Side:
    """One collection: what each side found, and all candidates, by vectors as well as far as they have one."""

    collection: CollectionRow
    words: Words
    nearest: Nearest
    entries: tuple[Entry, ...]
    compared: Compared
    waiting: bool  # files that are yet to be read
    dense_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class _Scope:
    """The documents and chunks a search is confined to, as JSON and as ids; None for all."""

    documents: str | None = None
    chunks: tuple[int, ...] | None = None


class Sides:
    """Asks collections. Safe to use concurrently."""

    def __init__(self, store: FileStore, vectors: VectorIndex, embedders: Embedders) -> None:
        self._store = store
        self._dense = DenseSide(store, vectors, embedders)

    async def ask(self, collection: CollectionRow, wanted: Wanted) -> Side:
        """Both sides at once, then whatever else is needed of their candidates."""
        confined = _Scope()
        if wanted.pattern is not None:
            pattern = wanted.pattern
            confined = await self._store.database.read(lambda c: _confine(c, collection.id, pattern))
        (words, by_words, stored), (nearest, dense_ms) = await asyncio.gather(
            self._by_words(collection, wanted, confined), self._nearest(collection, wanted, confined)
        )
        known = set(words.found)
        others = [number for number, _ in nearest.found if number not in known]
        by_meaning, waiting, compared = await asyncio.gather(
            self._entries(collection, others, wanted),
            self._store.database.read(lambda c: _waiting(c, collection.id)),
            self._dense.compare(nearest, stored, others),
        )
        return Side(collection, words, nearest, (*by_words, *by_meaning), compared, waiting, dense_ms)

    async def _by_words(
        self, collection: CollectionRow, wanted: Wanted, confined: _Scope
    ) -> tuple[Words, Sequence[Entry], Stored]:
        """What the words found, with its vectors; all of it is read while the query is still being embedded."""
        words = await self._store.database.read(lambda c: _words(c, collection.id, wanted, confined))
        entries = self._entries(collection, words.found, wanted)
        if not wanted.dense:
            return words, await entries, Stored()
        return words, *await asyncio.gather(entries, self._dense.stored(collection, words.found))

    async def _entries(self, collection: CollectionRow, ids: Sequence[int], wanted: Wanted) -> Sequence[Entry]:
        return await self._store.database.read(lambda c: pool.read(c, collection.id, ids, wanted.distinct_stems))

    async def _nearest(self, collection: CollectionRow, wanted: Wanted, confined: _Scope) -> tuple[Nearest, float]:
        if not wanted.dense:
            return Nearest(), 0.0
        began = time.perf_counter()
        nearest = await self._dense.nearest(collection, wanted.analysis, CANDIDATES, confined.chunks)
        return nearest, (time.perf_counter() - began) * 1e3


def _words(connection: sqlite3.Connection, collection_id: int, wanted: Wanted, confined: _Scope) -> Words:
    began = time.perf_counter()
    words = wanted.analysis.words
    known = lexical.statistics(connection, collection_id, words)
    found = []
    if wanted.lexical:
        found = lexical.candidates(
            connection, collection_id, words, known.frequencies, limit=CANDIDATES, documents=confined.documents
        )
    held = None
    if wanted.lexical and wanted.analysis.phrases:
        ids = lexical.with_phrases(
            connection, collection_id, wanted.analysis.phrases, limit=CANDIDATES, documents=confined.documents
        )
        held, found = frozenset(ids), list(dict.fromkeys((*ids, *found)))
    return Words(known, tuple(found), held, (time.perf_counter() - began) * 1e3)


def _confine(connection: sqlite3.Connection, collection_id: int, pattern: Patterns) -> _Scope:
    documents = json.dumps(scope.documents(connection, collection_id, pattern))
    chunks = connection.execute(
        "SELECT c.id FROM json_each(?) j JOIN chunks c ON c.document_id = j.value", (documents,)
    ).fetchall()
    return _Scope(documents, tuple(number for (number,) in chunks))


def _waiting(connection: sqlite3.Connection, collection_id: int) -> bool:
    found = connection.execute(
        """SELECT EXISTS (SELECT 1 FROM roots r JOIN files f ON f.root_id = r.id AND f.state = 'waiting'
           WHERE r.collection_id = ?)""",
        (collection_id,),
    )
    return bool(found.fetchone()[0])


def stages(sides: Sequence[Side]) -> tuple[tuple[float, int], tuple[float, int]]:
    """Milliseconds and candidates of the lexical and of the dense side: the slowest collection's, and all together."""
    words = max((side.words.took_ms for side in sides), default=0.0), sum(len(side.words.found) for side in sides)
    dense = max((side.dense_ms for side in sides), default=0.0), sum(len(side.nearest.found) for side in sides)
    return words, dense
