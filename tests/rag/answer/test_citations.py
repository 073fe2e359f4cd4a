"""Citations: what is one, which are taken out, and that a stream cut anywhere gives the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.answer.citations import CitationFilter, checked_text, citations_in, without_citations

CASES = [
    ("Use pip [1].", "Use pip [1].", (1,), ()),
    ("Use pip [7].", "Use pip.", (), (7,)),
    ("Both [1, 2] and [2][9].", "Both [1][2] and [2].", (1, 2), (9,)),
    ("From [1-3] on", "From [1][2][3] on", (1, 2, 3), ()),
    ("Wide [2–4].", "Wide [2][3].", (2, 3), (4,)),
    ("Yes【2】.", "Yes[2].", (2,), ()),
    ("Yes【9†source】.", "Yes.", (), (9,)),
    ("Right here[1].", "Right here[1].", (1,), ()),
    ("arr[7] stays, so does f(x)[12]", "arr[7] stays, so does f(x)[12]", (), ()),
    ("`a [7]` is code", "`a [7]` is code", (), ()),
    ("```py\nx = [9]\n```\nso [9]", "```py\nx = [9]\n```\nso", (), (9,)),
    ("~~~\n[9]\n", "~~~\n[9]\n", (), ()),
    ("[7](https://example.org) and [7]: note", "[7](https://example.org) and [7]: note", (), ()),
    ("A list [] and [x] and [1.5]", "A list [] and [x] and [1.5]", (), ()),
    ("an open ` tick [9]\n\nthen [9]", "an open ` tick [9]\n\nthen", (), (9,)),
    ("[9] at the start, [1]", " at the start, [1]", (1,), (9,)),
]


@pytest.mark.parametrize(("text", "kept", "cited", "removed"), CASES)
def test_a_citation_that_names_no_passage_is_removed(
    text: str, kept: str, cited: tuple[int, ...], removed: tuple[int, ...]
) -> None:
    assert checked_text(text, (1, 2, 3)) == (kept, cited, removed)


PIECES = st.sampled_from(
    [
        "[1]",
        "[9]",
        "[",
        "]",
        "1",
        "9",
        "`",
        "``",
        "```",
        "\n",
        "\n\n",
        " ",
        "a",
        "arr",
        "(",
        ":",
        "【2】",
        "~~~",
        ", ",
        "-",
    ]
)


@given(st.lists(PIECES, max_size=30).map("".join), st.lists(st.integers(0, 60), max_size=8))
def test_however_a_stream_is_cut_the_text_is_the_same(text: str, cuts: list[int]) -> None:
    whole = checked_text(text, (1, 2, 3))
    citations, kept, at = CitationFilter((1, 2, 3)), "", 0
    for cut in [*sorted(min(cut, len(text)) for cut in cuts), len(text)]:
        kept += citations.feed(text[at:cut])
        at = cut
    kept += citations.end()
    assert (kept, tuple(citations.cited), tuple(citations.removed)) == whole


def test_text_comes_out_of_the_stream_as_soon_as_it_is_decided() -> None:
    citations = CitationFilter((1,))
    assert citations.feed("Run pip ") == "Run pip"
    assert citations.feed("[") == ""
    assert citations.feed("1") == ""
    assert citations.feed("] first") == " [1] first"
    assert citations.feed(", then [5") == ", then"
    assert citations.feed("]") == ""
    assert citations.feed(". Done") == ". Done"
    assert citations.end() == ""
    assert (citations.cited, citations.removed) == ([1], [5])


def test_a_long_answer_costs_no_more_per_word_than_a_short_one() -> None:
    """What is done with is forgotten, so the text that is looked at again stays short."""
    citations = CitationFilter((1,))
    for _ in range(2_000):
        citations.feed("A paragraph of some words [1].\n\n")
    assert len(citations._text) < 200


def test_earlier_answers_lose_their_citations() -> None:
    assert without_citations("Pip [1], then conda [2].") == "Pip, then conda."


def test_places_of_citations_are_those_of_the_text() -> None:
    text = "Pip [1], conda [2, 3]."
    found = list(citations_in(text))
    assert [text[citation.start : citation.end] for citation in found] == ["[1]", "[2, 3]"]
    assert [citation.numbers for citation in found] == [(1,), (2, 3)]
