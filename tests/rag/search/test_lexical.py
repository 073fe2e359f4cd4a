"""Chunks by their words, in a database of the real kind."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import pytest

from rag.search import lexical
from rag.search.lexical import candidates, quoted, statistics, with_phrases
from rag.search.matching import match, stems, varints
from rag.store import lexical as rows
from rag.store.schema import MIGRATIONS

COLLECTION = 1


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    """A lexical index with 200 rows: "common" is in all, "half" in each second, "rare7" in the seventh alone."""
    made = sqlite3.connect(":memory:", isolation_level=None)
    made.executescript(MIGRATIONS[0].sql)
    rows.create(made, COLLECTION)
    texts = [f"common {'half' if n % 2 == 0 else 'other'} rare{n} sorted getHTTPReply" for n in range(1, 201)]
    found = [(number, text, "Some header") for number, text in enumerate(texts, 1)]
    rows.insert(made, COLLECTION, found, "notes/some_file.txt")
    yield made
    made.close()


def ask(connection: sqlite3.Connection, *words: str, limit: int = 100) -> list[int]:
    known = statistics(connection, COLLECTION, words)
    return candidates(connection, COLLECTION, words, known.frequencies, limit=limit)


def test_statistics(connection: sqlite3.Connection) -> None:
    found = statistics(connection, COLLECTION, ["common", "half", "rare7", "absent"])
    assert found.rows == 200
    assert found.frequencies == (200, 100, 1, 0)
    assert found.mean_lengths[0] > 5


def test_statistics_of_an_empty_collection(connection: sqlite3.Connection) -> None:
    rows.create(connection, 2)
    assert statistics(connection, 2, ["common"]).rows == 0
    assert candidates(connection, 2, ["common"], [0.0], limit=5) == []


def test_the_frequency_of_common_words_is_estimated(
    connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lexical, "COUNTED", 20)
    common, half, rare = statistics(connection, COLLECTION, ["common", "half", "rare7"]).frequencies
    assert common == 200
    assert 90 <= half <= 110
    assert rare == 1


def test_words_are_found_by_their_stem_and_identifiers_by_their_parts(connection: sqlite3.Connection) -> None:
    assert len(ask(connection, "sorting")) == 100
    assert len(ask(connection, "http")) == 100
    assert len(ask(connection, "headers")) == 100
    assert len(ask(connection, "file")) == 100


def test_the_rarest_word_comes_first(connection: sqlite3.Connection) -> None:
    assert ask(connection, "half", "rare7")[0] == 7


def test_common_words_are_not_asked_for_when_they_cost_too_much(
    connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lexical, "ROWS", 50)
    assert ask(connection, "common", "rare7", "half") == [7]


def test_of_common_words_alone_those_rows_are_taken_that_hold_several(
    connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lexical, "ROWS", 30)
    found = ask(connection, "common", "half", limit=40)
    assert len(found) == 40
    assert all(number % 2 == 0 for number in found)


def test_no_more_than_the_limit(connection: sqlite3.Connection) -> None:
    assert len(ask(connection, "common", limit=7)) == 7


def test_a_search_can_be_confined_to_documents(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA foreign_keys = OFF")
    connection.executemany(
        "INSERT INTO chunks VALUES (?, ?, 0, 0, 0, 0, 0, 1, 1, NULL, NULL, 'prose', '', '', x'00', '')",
        [(5, 77), (6, 77), (7, 78)],
    )
    assert sorted(candidates(connection, COLLECTION, ["common"], [200.0], limit=9, documents="[77]")) == [5, 6]


def test_phrases(connection: sqlite3.Connection) -> None:
    assert with_phrases(connection, COLLECTION, ["half rare8"], limit=9, documents=None) == [8]
    assert with_phrases(connection, COLLECTION, ["rare8 half"], limit=9, documents=None) == []


@pytest.mark.parametrize("word", ['a"b', "*", "NEAR", "col:x", "-x", "^y"])
def test_quoted_words_are_no_operators(connection: sqlite3.Connection, word: str) -> None:
    assert ask(connection, word) == []
    assert quoted(word).startswith('"')


def test_counts_of_stems_in_texts() -> None:
    found = match([("sorted sorts a list", "Sorting", ""), ("nothing", "", "src/sort.py")], stems(["sort", "lists"]))
    assert found[:, :, 0].tolist() == [[2, 1], [0, 0]]
    assert found[:, 0, 1].tolist() == [1, 0]
    assert found[:, 0, 2].tolist() == [0, 1]


def test_words_of_a_stem_are_counted_whatever_their_endings() -> None:
    roots = (
        "relat",
        "happ",
        "fil",
        "hop",
        "sens",
        "valenc",
        "conform",
        "oper",
        "organ",
        "siz",
        "activ",
        "formal",
        "fall",
    )
    endings = (
        *(
            "",
            "e",
            "s",
            "es",
            "ies",
            "y",
            "ed",
            "ing",
            "eed",
            "ion",
            "ions",
            "ation",
            "ations",
            "ational",
            "ator",
            "ate",
        ),
        *("ated", "ating", "izer", "ization", "ize", "izing", "ably", "able", "ability", "ibility", "ible", "ically"),
        *("icate", "ical", "icity", "fulness", "ful", "ness", "ousness", "ously", "iveness", "ivity", "ive", "alism"),
        *("ality", "alize", "al", "ment", "ement", "ent", "ently", "ence", "ency", "ance", "ogy", "li", "ll", "ling"),
    )
    words = [root + ending for root in roots for ending in endings]
    for word, stem in zip(words, stems(words), strict=True):
        assert match([(f"Before {word.upper()}, and.{word}", "", "")], [stem]).tolist() == [[[2.0, 0.0, 0.0]]], word


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("a “cafe” – cafe…", 2),
        ("Café, CAFÉ and cafe", 3),
        ("cafe\u0301 and cafe\u200bcafe", 3),
        ("日本語cafe cafe", 1),
        ("pre_cafe cafe_post cafe-post", 3),
    ],
)
def test_words_among_other_letters_and_in_identifiers_are_counted(text: str, count: int) -> None:
    assert match([(text, "", "")], stems(["cafe"])).tolist() == [[[count, 0.0, 0.0]]]


def test_what_is_not_one_token_has_no_stem() -> None:
    assert stems(["running", "c++", "a-b", "user_names", ""]) == ["run", "c", "", "user_nam", ""]


@pytest.mark.parametrize(
    ("blob", "values"), [(b"\x05", [5]), (b"\x81\x00\x7f", [128, 127]), (b"\xff" * 9, [2**64 - 1])]
)
def test_integers_of_variable_length(blob: bytes, values: list[int]) -> None:
    assert varints(blob) == values
