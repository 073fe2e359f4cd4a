"""What a query is taken for, and what is asked for it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.search.analysis import analyse


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        ("how do I bleed a radiator", "question"),
        ("Which wind stops the ferry?", "question"),
        ("bleed radiator air", "keywords"),
        ("fetch_with_retry", "identifier"),
        ("Session.get()", "identifier"),
        ("getHTTPReply", "identifier"),
        ("ValueError: could not convert string to float", "error message"),
        ("Traceback (most recent call last)", "error message"),
        ('"two sleeping cars"', "exact phrase"),
        ("It fails since the update.\n" + "The log says nothing of use. " * 20, "long text"),
        ("Wie entlüftet man einen Heizkörper", "question"),
    ],
)
def test_kinds(query: str, kind: str) -> None:
    assert analyse(query).kind == kind


def test_words_that_ask_nothing_are_left_out() -> None:
    assert analyse("how do I sort a list in Python").words == ("sort", "list", "python")


def test_a_query_of_stop_words_alone_keeps_them() -> None:
    assert analyse("to be or not to be").words == ("to", "be", "or", "not")


def test_stop_words_of_another_language_are_words_here() -> None:
    assert "die" in analyse("how to die with the MIT licence").words
    assert analyse("wie wird die Heizung entlüftet").words == ("heizung", "entlüftet")


def test_an_identifier_is_asked_for_whole_and_in_parts() -> None:
    found = analyse("where is getHTTPReply used")
    assert found.words == ("gethttpreply", "http", "reply")
    assert "gethttpreply" in found.identifiers


def test_an_identifier_that_is_a_stop_word_is_kept() -> None:
    assert "get" in analyse("what does session.get() return").words


def test_phrases_in_quotes_are_kept_as_they_stand() -> None:
    assert analyse('who wrote "the sea the sea" and “under milk wood”').phrases == (
        "the sea the sea",
        "under milk wood",
    )


def test_what_is_quoted_in_passing_is_no_phrase_that_must_be_found() -> None:
    text = 'The dialog "Insert rows" of the table page should remember its size after the browser was closed'
    assert analyse(text).phrases == ()


def test_a_long_text_is_read_in_pieces() -> None:
    text = "Crash when saving\n\n" + "It happens each time. " * 200
    pieces = analyse(text).pieces
    assert len(pieces) == 3
    assert pieces[0].startswith("Crash when saving It happens")
    assert all(len(piece) <= 1000 for piece in pieces)


def test_half_a_surrogate_pair_does_no_harm() -> None:
    assert analyse("a \ud800 radiator").words == ("radiator",)


def test_a_short_query_is_read_as_it_is() -> None:
    assert analyse("  bleed a radiator ").pieces == ("bleed a radiator",)


@given(st.text(max_size=3000))
def test_any_text_can_be_taken_apart(text: str) -> None:
    found = analyse(text)
    assert len(found.words) == len(found.counts) == len(set(found.words))
    assert all(count >= 1 for count in found.counts)
    assert found.identifiers <= set(found.words)
    assert bool(found.pieces) == bool(found.query)
