"""The lexical side: which chunks of a collection hold the words of a query.

What a question costs grows with the rows that hold its words, so the rare words are asked first, and common ones only
rank what those have found. Frequencies are counted up to a limit and estimated from there.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from rag.search.matching import varints
from rag.store.schema import fts_table

COUNTED = 3_000  # rows of one word that are counted; more are estimated
ROWS = 10_000  # rows that one query may rank
WEIGHTS = (1.0, 1.0, 1.0)  # of text, header and path when candidates are chosen
_ENOUGH = 20  # candidates; with fewer the query is widened
_AVERAGES = 1  # rowid of the averages record in the table's data: sqlite.org/src, fts5_index.c, "FTS5_AVERAGES_ROWID"


@dataclass(frozen=True, slots=True)
class Statistics:
    """Of one collection: rows, mean tokens per row in text, header and path, rows that hold each word."""

    rows: int
    mean_lengths: tuple[float, ...]
    frequencies: tuple[float, ...]


def statistics(connection: sqlite3.Connection, collection_id: int, words: Sequence[str]) -> Statistics:
    """Read what BM25 needs to know; the frequencies are in the order of `words`."""
    table = fts_table(collection_id)
    row = connection.execute(f"SELECT block FROM {table}_data WHERE id = {_AVERAGES:d}").fetchone()  # noqa: S608
    rows, *tokens = varints(row[0]) if row and row[0] else [0]
    frequencies = tuple(_frequency(connection, table, word, rows) for word in words) if rows else (0.0,) * len(words)
    return Statistics(rows, tuple(count / max(rows, 1) for count in tokens) or (1.0, 1.0, 1.0), frequencies)


def candidates(
    connection: sqlite3.Connection,
    collection_id: int,
    words: Sequence[str],
    frequencies: Sequence[float],
    *,
    limit: int,
    documents: str | None = None,
) -> list[int]:
    """Ids of chunks with the words, best by BM25 first, at most `limit`. `documents` is a JSON list of ids to stay in.

    The rarest words are asked for together as long as they are in no more than ROWS rows; when even the rarest is in
    more, rows that hold several are.
    """
    present = sorted((count, number) for number, count in enumerate(frequencies) if count > 0)
    if not present:
        return []
    if asked := _affordable(present):
        expression = " OR ".join(quoted(words[number]) for number in asked)
        return _ranked(connection, collection_id, expression, limit, documents)
    for together in range(min(4, len(present)), 1, -1):
        expression = " AND ".join(quoted(words[number]) for _, number in present[:together])
        found = _some(connection, collection_id, expression, limit, documents)
        if len(found) >= _ENOUGH:
            return found
    return _some(connection, collection_id, quoted(words[present[0][1]]), limit, documents)


def with_phrases(
    connection: sqlite3.Connection, collection_id: int, phrases: Sequence[str], limit: int, documents: str | None
) -> list[int]:
    """Ids of chunks that hold all phrases, word by word up to their endings, at most `limit`."""
    return _some(connection, collection_id, " AND ".join(quoted(phrase) for phrase in phrases), limit, documents)


def quoted(text: str) -> str:
    """A string of FTS5's query language: a word, or several as a phrase."""
    return '"' + text.replace('"', '""') + '"'


def _affordable(present: Sequence[tuple[float, int]]) -> list[int]:
    asked, rows = [], 0.0
    for count, number in present:
        rows += count
        if rows > ROWS:
            break
        asked.append(number)
    return asked


def _ranked(
    connection: sqlite3.Connection, collection_id: int, expression: str, limit: int, documents: str | None
) -> list[int]:
    """Every matching row is ranked, and bm25 goes through the rows of each word once more to count them."""
    table = fts_table(collection_id)
    weights = ", ".join(str(weight) for weight in WEIGHTS)
    found = connection.execute(
        f"""SELECT rowid FROM {table} WHERE {table} MATCH :expression{_inside(documents)}
            ORDER BY bm25({table}, {weights}) LIMIT :limit""",  # noqa: S608
        {"expression": expression, "documents": documents, "limit": limit},
    )
    return [number for (number,) in found]


def _some(
    connection: sqlite3.Connection, collection_id: int, expression: str, limit: int, documents: str | None
) -> list[int]:
    """The first matching rows as they were added: too many match for all to be ranked."""
    table = fts_table(collection_id)
    found = connection.execute(
        f"SELECT rowid FROM {table} WHERE {table} MATCH :expression{_inside(documents)} LIMIT :limit",  # noqa: S608
        {"expression": expression, "documents": documents, "limit": limit},
    )
    return [number for (number,) in found]


def _inside(documents: str | None) -> str:
    if documents is None:
        return ""
    return " AND rowid IN (SELECT c.id FROM json_each(:documents) j JOIN chunks c ON c.document_id = j.value)"


def _frequency(connection: sqlite3.Connection, table: str, word: str, rows: int) -> float:
    """How many rows hold a word: exact up to COUNTED, else from how densely it stands in the rows up to there."""
    found, first, last = connection.execute(
        f"""SELECT count(*), min(rowid), max(rowid) FROM
            (SELECT rowid FROM {table} WHERE {table} MATCH ? LIMIT {COUNTED:d})""",  # noqa: S608
        (quoted(word),),
    ).fetchone()
    if found < COUNTED:
        return float(found)
    highest = connection.execute(f"SELECT max(id) FROM {table}_docsize").fetchone()[0]  # noqa: S608
    lowest = connection.execute(f"SELECT min(id) FROM {table}_docsize").fetchone()[0]  # noqa: S608
    share = (last - min(first, lowest) + 1) / max(highest - lowest + 1, 1)
    return float(min(rows, found / max(share, math.ulp(1.0))))
