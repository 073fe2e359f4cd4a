"""How often and where the words of a query stand in some texts, counted by FTS5's own tokenizer and stemmer.

The texts go into a small lexical index in memory, made like those of the collections, so that a stem here is a stem
there. About 0.1 ms per 1,000 characters.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rag.store.schema import TOKENIZER

COLUMNS = ("text", "header", "path")


@dataclass(frozen=True, slots=True)
class Matches:
    """`counts` has shape (texts, words, 3): how often each word stands in text, header and path.

    `lengths` has shape (texts, 3): tokens. `positions[i]` are pairs (place among the tokens of the text, word) of text
    i, by place.
    """

    counts: NDArray[np.float32]
    lengths: NDArray[np.float32]
    positions: list[NDArray[np.int32]]


def stems(words: Sequence[str]) -> list[str]:
    """The stem of each word; "" for one that the tokenizer does not take for exactly one token."""
    with _index() as connection:
        _fill(connection, [(word, "", "") for word in words])
        found: list[list[str]] = [[] for _ in words]
        for term, row in connection.execute("SELECT term, doc FROM places"):
            found[row].append(term)
    return [terms[0] if len(terms) == 1 else "" for terms in found]


def match(texts: Sequence[tuple[str, str, str]], words: Sequence[str]) -> Matches:
    """Look for stems (of `stems`) in texts, each given as what its columns text, header and path are indexed with."""
    counts = np.zeros((len(texts), len(words), len(COLUMNS)), np.float32)
    rows: list[NDArray[np.int32]] = []
    with _index() as connection:
        _fill(connection, texts)
        for number, word in enumerate(words):
            for column, name in enumerate(COLUMNS):
                found = connection.execute(
                    "SELECT doc, offset FROM places WHERE term = ? AND col = ?", (word, name)
                ).fetchall()
                if not found:
                    continue
                placed = np.asarray(found, np.int32)
                np.add.at(counts[:, number, column], placed[:, 0], 1.0)
                if column == 0:
                    rows.append(np.column_stack((placed, np.full(len(placed), number, np.int32))))
        lengths = _lengths(connection, len(texts))
    return Matches(counts, lengths, _by_text(rows, len(texts)))


def _lengths(connection: sqlite3.Connection, texts: int) -> NDArray[np.float32]:
    found = connection.execute("SELECT sz FROM words_docsize ORDER BY id").fetchall()
    lengths = [varints(blob) for (blob,) in found]
    return np.asarray(lengths, np.float32).reshape(texts, len(COLUMNS))


def varints(blob: bytes) -> list[int]:
    """SQLite's variable-length integers: seven bits a byte, the highest first, all eight of the ninth byte."""
    values, value, length = [], 0, 0
    for byte in blob:
        length += 1
        if length == 9:
            value = value << 8 | byte
        else:
            value = value << 7 | byte & 0x7F
            if byte & 0x80:
                continue
        values.append(value)
        value, length = 0, 0
    return values


def _by_text(rows: list[NDArray[np.int32]], texts: int) -> list[NDArray[np.int32]]:
    if not rows:
        return [np.zeros((0, 2), np.int32) for _ in range(texts)]
    every = np.concatenate(rows)
    every = every[np.lexsort((every[:, 1], every[:, 0]))]
    borders = np.searchsorted(every[:, 0], np.arange(texts + 1))
    return [every[borders[at] : borders[at + 1], 1:] for at in range(texts)]


@contextlib.contextmanager
def _index() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute(
            f"""CREATE VIRTUAL TABLE words USING fts5(text, header, path, content='', tokenize="{TOKENIZER}")"""
        )
        connection.execute("CREATE VIRTUAL TABLE places USING fts5vocab(words, 'instance')")
        yield connection
    finally:
        connection.close()


def _fill(connection: sqlite3.Connection, texts: Sequence[tuple[str, str, str]]) -> None:
    connection.execute("BEGIN")
    connection.executemany(
        "INSERT INTO words (rowid, text, header, path) VALUES (?, ?, ?, ?)",
        ((number, *columns) for number, columns in enumerate(texts)),
    )
    connection.execute("COMMIT")
