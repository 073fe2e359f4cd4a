"""Which quantization to take: the rule, on figures chosen by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.measure.pareto import Point, frontier, pick

GB = 1_000_000_000
SOURCE = Point("f16", "F16", 16 * GB, 0.0, is_source=True)
Q8 = Point("q8", "Q8_0", int(8.5 * GB), 0.001)
Q5 = Point("q5", "Q5_K_M", int(5.7 * GB), 0.010)
Q4 = Point("q4", "Q4_K_M", int(4.9 * GB), 0.030)
Q4_OLD = Point("q4_1", "Q4_1", int(5.1 * GB), 0.040)
Q3 = Point("q3", "Q3_K_M", 4 * GB, 0.090)
ALL = (SOURCE, Q8, Q5, Q4, Q4_OLD, Q3)


def test_the_frontier_leaves_out_what_something_smaller_beats() -> None:
    assert frontier(ALL) == [Q3, Q4, Q5, Q8, SOURCE]


def test_the_smallest_below_the_limit_is_picked_and_the_reason_names_numbers() -> None:
    chosen = pick(ALL)

    assert chosen is not None
    assert chosen.id == "q4"
    assert chosen.reason == (
        "Q4_K_M loses 0.03 nats per token at 4.9 GB, 31 % of F16: nothing smaller stays below 0.05 nats "
        "(Q3_K_M: 0.09 nats per token). Q5_K_M would lose 67 % less for 800 MB more."
    )


def test_with_nothing_good_the_least_loss_is_picked() -> None:
    chosen = pick([SOURCE, Q3, Point("q2", "Q2_K", 3 * GB, 0.4)])

    assert chosen is not None
    assert chosen.id == "q3"
    assert "nothing measured stays below 0.05 nats, and it comes nearest" in chosen.reason
    assert "Q2_K would save 1.0 GB and lose 4.4 times as much." in chosen.reason


def test_what_does_not_fit_is_never_picked() -> None:
    chosen = pick(ALL, limit_nats=0.005, largest_bytes=6 * GB)

    assert chosen is not None
    assert chosen.id == "q5"
    assert chosen.reason.endswith("Larger ones than 6.0 GB do not fit this machine.")


@pytest.mark.parametrize("points", [(), (SOURCE,)])
def test_nothing_measured_picks_nothing(points: tuple[Point, ...]) -> None:
    assert pick(points) is None


def test_one_alone_is_picked() -> None:
    chosen = pick([SOURCE, Q4])

    assert chosen is not None
    assert chosen.reason == (
        "Q4_K_M loses 0.03 nats per token at 4.9 GB, 31 % of F16: it is the smallest measured, and stays below "
        "0.05 nats."
    )


points = st.builds(
    Point, st.uuids().map(str), st.just("Q"), st.integers(1, 100), st.integers(0, 50).map(lambda n: n / 100)
)


@given(st.lists(points, max_size=12))
def test_nothing_beats_the_frontier_and_the_frontier_beats_the_rest(found: list[Point]) -> None:
    line = frontier(found)

    for point in line:
        assert not any(
            other.bytes <= point.bytes
            and other.loss <= point.loss
            and (other.bytes, other.loss) != (point.bytes, point.loss)
            for other in found
        )
    for point in found:
        assert any(best.bytes <= point.bytes and best.loss <= point.loss for best in line)


@given(st.lists(points, min_size=1, max_size=12), st.integers(1, 100))
def test_the_pick_is_on_the_frontier_of_what_fits(found: list[Point], largest: int) -> None:
    chosen = pick(found, largest_bytes=largest)
    fitting = [point for point in found if point.bytes <= largest]

    assert (chosen is None) == (not fitting)
    if chosen is not None:
        assert chosen.id in {point.id for point in frontier(fitting)}
