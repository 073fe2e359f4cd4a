"""Ranked chunks become passages: what says the same is shown once, neighbours together, within a budget."""

from __future__ import annotations

import numpy as np

from rag.search.passages import Left, Passage, Scored, fold, join, limit, text_of
from rag.search.pool import Entry
from rag.store.rows import FileRef, StoredChunk
from rag.types import Chunk

TEXTS = (
    "The night train to Vienna leaves at 21:40 from platform seven and has two sleeping cars.",
    "Granite is harder than limestone, and that is why the old steps are made of it.",
    "The library closes at noon on Saturdays; books can be given back through the flap.",
    "A violin's strings are tuned in fifths, those of a guitar mostly in fourths.",
)


def scored(
    position: int, score: float, *, document: int = 1, ordinal: int = 0, text: str = "", page: int | None = None
) -> Scored:
    """A candidate whose chunk stands behind `ordinal` chunks of 100 characters and a line end each."""
    text = text or TEXTS[position % len(TEXTS)]
    start = ordinal * 101
    chunk = Chunk(
        ordinal, start, start + len(text), start, start + len(text), ordinal + 1, ordinal + 1, text, "prose", page=page
    )
    file = FileRef(1, 1, "/home/me", f"{document}.txt")
    stored = StoredChunk(position + 100, document, chunk, "", "", (file,))
    return Scored(position, Entry(1, stored, np.zeros((0, 3), np.float32), np.zeros(3, np.float32)), score)


def fold_all(ranked: list[Scored]) -> tuple[list[Passage], dict[int, Left]]:
    return fold(ranked, len(ranked))


def positions(passages: list[Passage]) -> list[list[int]]:
    return [[member.position for member in passage.members] for passage in passages]


def test_what_says_the_same_is_shown_once_with_its_copies() -> None:
    text = " ".join(f"word{number}" for number in range(120))
    almost = text.replace("word119", "another")
    passages, left = fold_all(
        [scored(0, 0.9, text=text), scored(1, 0.8, document=2), scored(2, 0.7, document=3, text=almost)]
    )
    assert positions(passages) == [[0], [1]]
    assert [entry.stored.document_id for entry in passages[0].copies] == [3]
    assert left[2].rule == "duplicate"
    assert left[2].into is passages[0]


def test_what_shares_half_of_its_words_is_not_the_same() -> None:
    text = " ".join(f"word{number}" for number in range(120))
    other = " ".join(f"word{number}" for number in range(60, 180))
    passages, left = fold_all([scored(0, 0.9, text=text), scored(1, 0.8, document=2, text=other)])
    assert positions(passages) == [[0], [1]]
    assert not left


def test_neighbours_of_about_equal_worth_are_shown_together_in_their_order() -> None:
    found, _ = fold_all(
        [scored(0, 0.9, ordinal=4), scored(1, 0.85, ordinal=3), scored(2, 0.8, document=2), scored(3, 0.8, ordinal=5)]
    )
    passages, left = join(found)
    assert positions(passages) == [[1, 0, 3], [2]]
    assert passages[0].score == 0.9
    assert {position: gone.rule for position, gone in left.items()} == {1: "merged", 3: "merged"}


def test_a_poor_neighbour_stays_apart() -> None:
    found, _ = fold_all([scored(0, 0.9, ordinal=4), scored(1, 0.1, ordinal=5)])
    assert positions(join(found)[0]) == [[0], [1]]


def test_neighbours_on_another_page_stay_apart() -> None:
    found, _ = fold_all([scored(0, 0.9, ordinal=4, page=1), scored(1, 0.9, ordinal=5, page=2)])
    assert positions(join(found)[0]) == [[0], [1]]


def test_the_text_between_neighbours_is_as_long_as_it_was() -> None:
    found, _ = fold_all([scored(0, 0.9, ordinal=1), scored(1, 0.9, ordinal=2)])
    (passage,), _ = join(found)
    first, second = passage.chunks
    text = text_of(passage)
    assert len(text) == second.end - first.start
    assert text.startswith(first.text + "\n")
    assert text.endswith(second.text)


def test_no_more_than_k() -> None:
    found, _ = fold_all([scored(number, 1 - number / 10, document=number) for number in range(4)])
    passages, left = limit(found, 2, None)
    assert positions(passages) == [[0], [1]]
    assert {gone.rule for gone in left.values()} == {"below_k"}


def test_what_does_not_fit_the_budget_makes_way_for_what_does() -> None:
    found, _ = fold_all(
        [
            scored(0, 0.9, text="a " * 60),
            scored(1, 0.8, document=2, text="b " * 600),
            scored(2, 0.7, document=3, text="c " * 60),
        ]
    )
    passages, left = limit(found, 10, 100)
    assert positions(passages) == [[0], [2]]
    assert left[1].rule == "budget"
    assert "343 tokens" in left[1].why
