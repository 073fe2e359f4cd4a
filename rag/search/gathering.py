"""All candidates of all collections in one list, with the evidence that `fusion` weighs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rag.search import pool
from rag.search.fusion import Evidence
from rag.search.matching import COLUMNS
from rag.search.pool import Entry
from rag.search.sides import Side, Wanted

_MOST_REPEATED = 3  # how often a word may count that a long query repeats


@dataclass(frozen=True, slots=True)
class Gathered:
    """Candidates with their evidence. `worth` is what each stem of the query tells; `held` marks those with the
    phrases in quotes, None when there are no phrases or no candidate holds them."""

    entries: tuple[Entry, ...]
    evidence: Evidence
    worth: dict[str, float]
    held: NDArray[np.bool_] | None


def gather(sides: Sequence[Side], wanted: Wanted) -> Gathered:
    """Every candidate measured by both sides."""
    entries = tuple(entry for side in sides for entry in side.entries)
    words = wanted.distinct_stems
    idf, mean_lengths = _statistics(sides, wanted, words)
    idf = np.where([_names_language(word, entries) for word in words], pool.LEAST_IDF, idf).astype(np.float32)
    weights = _query_weights(wanted, words)
    counts = np.asarray([entry.counts for entry in entries], np.float32).reshape(len(entries), len(words), len(COLUMNS))
    lengths = np.asarray([entry.lengths for entry in entries], np.float32).reshape(len(entries), len(COLUMNS))
    evidence = Evidence(
        kind=wanted.analysis.kind,
        words=len(words),
        lexical=pool.bm25(counts, lengths, mean_lengths, idf * weights),
        lexical_rank=_ranks(entries, sides, [side.words.found for side in sides]),
        cosine=_by_vectors(entries, {side.collection.id: side.compared.cosines for side in sides}),
        crowding=_by_vectors(entries, {side.collection.id: side.compared.crowding for side in sides}),
        dense_rank=_ranks(entries, sides, [[number for number, _ in side.nearest.found] for side in sides]),
        group=_groups(entries, sides),
        coverage=pool.coverage(counts, idf),
        paged=np.asarray([entry.stored.chunk.page is not None for entry in entries], np.bool_),
        code=np.asarray([entry.stored.chunk.kind == "code" for entry in entries], np.bool_),
        document=np.asarray([entry.stored.document_id for entry in entries], np.int64),
    )
    worth = dict(zip(words, (float(value) for value in idf), strict=True))
    return Gathered(entries, evidence, worth, _held(entries, sides))


def _names_language(word: str, entries: Sequence[Entry]) -> bool:
    """Whether a word is the name of the language that most candidates are written in: asked of Python sources, "python"
    tells nothing, though hardly any of them holds the word."""
    named = sum(entry.stored.language == word for entry in entries)
    return named > len(entries) / 2


def _statistics(sides: Sequence[Side], wanted: Wanted, words: Sequence[str]) -> tuple[pool.Floats, tuple[float, ...]]:
    """The idf of each word over all collections together, and the mean lengths of the columns."""
    rows = sum(side.words.statistics.rows for side in sides)
    counts = dict.fromkeys(words, 0.0)
    for side in sides:
        for stem, count in zip(wanted.stems, side.words.statistics.frequencies, strict=True):
            if stem in counts:
                counts[stem] += count
    lengths = tuple(
        sum(side.words.statistics.mean_lengths[column] * side.words.statistics.rows for side in sides) / max(rows, 1)
        for column in range(len(COLUMNS))
    )
    return pool.inverse_frequencies(rows, list(counts.values())), lengths


def _query_weights(wanted: Wanted, words: Sequence[str]) -> pool.Floats:
    counts = dict.fromkeys(words, 0)
    for stem, count in zip(wanted.stems, wanted.analysis.counts, strict=True):
        if stem in counts:
            counts[stem] += count
    return np.minimum(np.asarray(list(counts.values()), np.float32), _MOST_REPEATED)


def _ranks(entries: Sequence[Entry], sides: Sequence[Side], lists: Sequence[Sequence[int]]) -> NDArray[np.int32]:
    order = {
        (side.collection.id, number): rank
        for side, found in zip(sides, lists, strict=True)
        for rank, number in enumerate(found, 1)
    }
    return np.asarray([order.get((each.collection_id, each.stored.id), 0) for each in entries], np.int32)


def _by_vectors(entries: Sequence[Entry], known: Mapping[int, Mapping[int, float]]) -> pool.Floats:
    """What is known of each candidate, by collection and chunk; NaN where there is no vector."""
    return np.asarray([known[each.collection_id].get(each.stored.id, np.nan) for each in entries], np.float32)


def _groups(entries: Sequence[Entry], sides: Sequence[Side]) -> NDArray[np.int32]:
    """Numbers the embedders: cosines of different ones cannot be compared."""
    numbers: dict[str, int] = {}
    of = {
        side.collection.id: numbers.setdefault(
            side.nearest.space.embedder_key if side.nearest.space else "", len(numbers)
        )
        for side in sides
    }
    return np.asarray([of[each.collection_id] for each in entries], np.int32)


def _held(entries: Sequence[Entry], sides: Sequence[Side]) -> NDArray[np.bool_] | None:
    holding = {(side.collection.id, number) for side in sides for number in side.words.phrases or ()}
    held = np.asarray([(each.collection_id, each.stored.id) in holding for each in entries], np.bool_)
    return held if held.any() else None
