"""How often and where the words of a query stand in some texts, counted by FTS5's own tokenizer and stemmer.

The texts go into a small lexical index in memory, made like those of the collections, so that a stem here is a stem
there. Only those of their words go in that can have a stem of the query at all, which is what keeps it quick.
"""

from __future__ import annotations

import contextlib
import re
import sqlite3
import string
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from rag.store.lexical_text import lexical_text
from rag.store.schema import TOKENIZER

COLUMNS = ("text", "header", "path")
_LETTERS = frozenset(string.ascii_letters + string.digits + "_")
# What stands in prose and code beyond ASCII and only parts words: quotes, dashes, dots, arrows, spaces.
_PARTING = dict.fromkeys((0xA0, 0xA7, 0xAB, 0xB7, 0xBB, *range(0x2010, 0x2028), *range(0x2190, 0x2200)), " ")


def stems(words: Sequence[str]) -> list[str]:
    """The stem of each word; "" for one that the tokenizer does not take for exactly one token."""
    with _index() as connection:
        _fill(connection, [(word, "", "") for word in words])
        found: list[list[str]] = [[] for _ in words]
        for term, row in connection.execute("SELECT term, doc FROM places"):
            found[row].append(term)
    return [terms[0] if len(terms) == 1 else "" for terms in found]


def match(texts: Sequence[tuple[str, str, str]], words: Sequence[str]) -> NDArray[np.float32]:
    """How often stems (of `stems`) stand in the lexical texts of text, header and path: an array of shape
    (texts, words, 3)."""
    counts = np.zeros((len(texts), len(words), len(COLUMNS)), np.float32)
    column = {name: number for number, name in enumerate(COLUMNS)}
    beginnings = _beginnings(words)
    likely = {text: _likely(text, beginnings) for columns in texts for text in columns}
    with _index() as connection:
        _fill(connection, [(likely[one], likely[two], likely[three]) for one, two, three in texts])
        for number, word in enumerate(words):
            found = connection.execute("SELECT doc, col, count(*) FROM places WHERE term = ? GROUP BY 1, 2", (word,))
            for text, name, count in found:
                counts[text, number, column[name]] = count
    return counts


def _beginnings(stems: Sequence[str]) -> re.Pattern[str]:
    """What words with these stems begin with, up to their ends, in small letters.

    Porter's rules change the end of a word, and what they put there instead ("happi", "file" of "filing") is one letter
    at most when they are done.
    """
    known = sorted({re.escape(stem[: max(len(stem) - 1, 2)]) for stem in stems if stem})
    return re.compile(rf"(?:{'|'.join(known)})[a-z0-9_]*" if known else r"(?!)")


def _likely(text: str, beginnings: re.Pattern[str]) -> str:
    """The lexical text of those words that can have one of the stems, or have a part that can.

    It is that of the whole where other letters than ASCII's stand in it, since those lose their accents only in the
    index.
    """
    if not text.isascii():
        text = text.translate(_PARTING)
        if not text.isascii():
            return lexical_text(text)
    words = []
    for found in beginnings.finditer(text.lower()):
        start, end = found.span()
        while start and text[start - 1] in _LETTERS:
            start -= 1
        words.append(text[start:end])
    return lexical_text(" ".join(words))


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
