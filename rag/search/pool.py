"""The candidates of a search: what either side found in one collection, read from the database with what is needed.

A candidate that one side found is measured by the other side as well: its BM25 is computed here from the counts of
`matching`, its cosine from the stored vector. So a side's silence about a chunk means a low score, not none.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rag.search.matching import COLUMNS, match, varints
from rag.store import passages
from rag.store.rows import StoredChunk
from rag.store.schema import fts_table

Floats = NDArray[np.float32]

K1 = 1.2
LEAST_IDF = 0.01
B = (0.75, 0.0, 0.0)  # how far the length of text, header and path is held against it
FIELD_WEIGHTS = (1.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Entry:
    """One candidate: a chunk in a collection, with what counts of it there: `counts` of shape (words, 3) says how often
    the words asked for stand in its text, header and path, `lengths` of shape (3,) how many tokens those have."""

    collection_id: int
    stored: StoredChunk
    counts: Floats
    lengths: Floats


def read(connection: sqlite3.Connection, collection_id: int, ids: Sequence[int], words: Sequence[str]) -> list[Entry]:
    """The chunks of these ids that the collection still has, in order; `words` are stems of matching.stems()."""
    found = passages.by_ids(connection, ids, collection_id)
    documents = json.dumps(sorted({each.document_id for each in found}))
    paths: dict[int, str] = dict(
        connection.execute(
            """SELECT m.document_id, m.path_words FROM json_each(?) j CROSS JOIN memberships m
               ON m.document_id = j.value AND m.collection_id = ?""",
            (documents, collection_id),
        )
    )
    counts = match([(each.chunk.text, each.chunk.header, paths.get(each.document_id, "")) for each in found], words)
    lengths = _lengths(connection, collection_id, [each.id for each in found])
    return [Entry(collection_id, *each) for each in zip(found, counts, lengths, strict=True)]


def _lengths(connection: sqlite3.Connection, collection_id: int, ids: Sequence[int]) -> Floats:
    """The tokens of the columns of these chunks as the lexical index counted them, 0 for those it lacks."""
    table = fts_table(collection_id)
    found = connection.execute(
        f"SELECT d.id, d.sz FROM json_each(?) j CROSS JOIN {table}_docsize d ON d.id = j.value",  # noqa: S608
        (json.dumps(list(ids)),),
    )
    known = {number: varints(blob) for number, blob in found}
    none = [0] * len(COLUMNS)
    return np.asarray([known.get(number, none) for number in ids], np.float32).reshape(len(ids), len(COLUMNS))


def inverse_frequencies(rows: float, frequencies: Sequence[float]) -> Floats:
    """How much each word tells: BM25's idf, never below a little above zero."""
    counts = np.asarray(frequencies, np.float32)
    return np.maximum(np.log((rows - counts + 0.5) / (counts + 0.5) + 1.0), LEAST_IDF).astype(np.float32)


def bm25(counts: Floats, lengths: Floats, mean_lengths: Sequence[float], worth: Floats) -> Floats:
    """BM25 of each text over weighted columns, from `counts` (texts, words, 3) and `lengths` in tokens (texts, 3).

    `worth` of each word is its idf, times its weight in the query.
    """
    if not len(worth):
        return np.zeros(len(counts), np.float32)
    frequency = np.zeros(counts.shape[:2], np.float32)
    for column, (weight, share) in enumerate(zip(FIELD_WEIGHTS, B, strict=True)):
        mean = max(mean_lengths[column], 1.0)
        norm = 1.0 - share + share * lengths[:, column] / mean
        frequency += weight * counts[:, :, column] / norm[:, None]
    return np.asarray((frequency * (K1 + 1.0) / (frequency + K1)) @ worth, np.float32)


def coverage(counts: Floats, worth: Floats) -> Floats:
    """The share of the query's words that each text has in any column, weighted by what they tell; 0..1."""
    total = float(worth.sum())
    if total <= 0:
        return np.zeros(len(counts), np.float32)
    return np.asarray((counts.sum(axis=2) > 0) @ worth / total, np.float32)
