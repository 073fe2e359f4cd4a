"""What both sides say becomes one score."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from rag.search.dense import NEIGHBOURS, crowding_of
from rag.search.fusion import LEAST, MOST, Evidence, dense_share, fuse, lexical_share, predicted_weight

NAN = float("nan")


def evidence(
    lexical: Sequence[float],
    cosine: Sequence[float],
    *,
    words: int = 12,
    coverage: Sequence[float] | None = None,
    listed: Sequence[int] | None = None,
    group: Sequence[int] | None = None,
    paged: bool = False,
    code: bool = False,
    crowding: Sequence[float] | None = None,
) -> Evidence:
    """Candidates with these scores; those with a cosine are in the dense list unless `listed` says otherwise."""
    count = len(lexical)
    ranks = [int(not np.isnan(value)) for value in cosine] if listed is None else listed
    return Evidence(
        kind="question",
        words=words,
        lexical=np.asarray(lexical, np.float32),
        lexical_rank=np.asarray([int(value > 0) for value in lexical], np.int32),
        cosine=np.asarray(cosine, np.float32),
        crowding=np.asarray(crowding or [0.0] * count, np.float32),
        dense_rank=np.asarray(ranks, np.int32),
        group=np.asarray(group or [0] * count, np.int32),
        coverage=np.asarray(coverage or [0.0] * count, np.float32),
        paged=np.full(count, paged),
        code=np.full(count, code),
        document=np.arange(count, dtype=np.int64),
    )


def test_the_best_of_both_sides_has_one() -> None:
    assert fuse(evidence([10, 5, 0], [0.8, 0.5, 0.2])).scores == pytest.approx([1.0, 0.5, 0.0], abs=1e-6)


@pytest.mark.parametrize(("weight", "best"), [(0.0, 0), (1.0, 2)])
def test_a_given_weight_decides_which_side_is_heard(weight: float, best: int) -> None:
    found = fuse(evidence([10, 5, 1], [0.1, 0.2, 0.9]), weight)
    assert int(found.scores.argmax()) == best
    assert found.dense_weight == weight


def test_the_more_words_a_query_has_the_less_the_dense_side_weighs() -> None:
    weights = [predicted_weight(evidence([1, 0], [0.5, 0.4], words=words)) for words in (1, 3, 5, 10, 40, 400)]
    assert weights == sorted(weights, reverse=True)
    assert weights[0] > 0.6 > 0.5 > weights[-1]
    assert all(LEAST <= weight <= MOST for weight in weights)


def test_the_dense_side_weighs_more_among_pages() -> None:
    assert predicted_weight(evidence([1, 0], [0.5, 0.4], paged=True)) > predicted_weight(evidence([1, 0], [0.5, 0.4]))


def test_a_side_that_says_nothing_has_no_weight() -> None:
    assert predicted_weight(evidence([3, 1], [NAN, NAN])) == 0.0
    assert predicted_weight(evidence([0, 0], [0.5, 0.1])) == 1.0


def test_without_any_candidate_nothing_is_scored() -> None:
    assert fuse(evidence([], [])).scores.shape == (0,)


def test_cosines_are_stretched_from_the_last_that_was_listed() -> None:
    found = dense_share(evidence([0, 0, 9], [0.9, 0.5, 0.1], listed=[1, 2, 0]))
    assert found == pytest.approx([1.0, 0.0, 0.0])


def test_cosines_of_different_embedders_are_not_compared() -> None:
    found = dense_share(evidence([0] * 4, [0.9, 0.8, 0.3, 0.1], group=[0, 0, 1, 1]))
    assert found == pytest.approx([1.0, 0.0, 1.0, 0.0])


def test_a_chunk_without_a_vector_is_ranked_by_its_words() -> None:
    found = fuse(evidence([10, 5], [NAN, 0.4])).scores
    assert found[0] > 0
    assert not np.isnan(found).any()


def test_of_a_short_query_the_presence_of_its_words_counts() -> None:
    repeated, present = evidence([10, 8], [0.5, 0.5], words=3, coverage=[0.4, 1.0], code=True), (0, 1)
    assert np.argsort(-lexical_share(repeated)).tolist() == list(reversed(present))
    assert int(lexical_share(evidence([10, 8], [0.5, 0.5], words=20, coverage=[0.4, 1.0], code=True)).argmax()) == 0


def test_code_in_a_crowd_is_held_further_away() -> None:
    crowded = evidence([0, 0, 0], [0.6, 0.59, 0.2], code=True, crowding=[0.9, 0.5, 0.5])
    assert np.argsort(-dense_share(crowded)).tolist() == [1, 0, 2]
    prose = evidence([0, 0, 0], [0.6, 0.59, 0.2], crowding=[0.9, 0.5, 0.5])
    assert int(dense_share(prose).argmax()) == 0


def test_code_alike_crowded_keeps_its_cosines() -> None:
    alike = evidence([0, 0, 0], [0.6, 0.4, 0.2], code=True, crowding=[0.7, 0.7, 0.7])
    assert dense_share(alike) == pytest.approx([1.0, 0.5, 0.0], abs=1e-6)


def test_crowding_is_the_mean_cosine_to_the_nearest() -> None:
    angles = np.deg2rad([0.0, 1.0, 2.0, 90.0])
    rows = np.column_stack((np.cos(angles), np.sin(angles))).astype(np.float32)
    expected = [np.mean([np.cos(one - other) for other in angles if other != one]) for one in angles]
    assert crowding_of(rows) == pytest.approx(expected, abs=1e-6)
    assert crowding_of(rows[:1]).tolist() == [0.0]
    many = np.vstack((rows, np.repeat(rows[:1], NEIGHBOURS, axis=0)))
    assert crowding_of(many)[0] == pytest.approx(1.0)
