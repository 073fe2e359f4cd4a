"""Restart limits: waits of 1, 2, 4, 8 seconds; the sixth crash within ten minutes is the last."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.crashes import CRASH_WINDOW_S, gives_up_for_s, recent, wait_s


def test_each_crash_makes_the_next_start_wait_longer() -> None:
    crashes: list[float] = []
    waits = []
    for at in (100.0, 110.0, 120.0, 130.0, 140.0):
        crashes.append(at)
        waits.append(wait_s(crashes, at))
    assert waits == [1, 2, 4, 8, 8]


def test_time_that_passed_anyway_counts() -> None:
    assert wait_s([100.0], 100.4) == pytest.approx(0.6)
    assert wait_s([100.0], 130.0) == 0
    assert wait_s([], 5.0) == 0


@pytest.mark.accept(37)
def test_the_sixth_crash_in_ten_minutes_stops_the_attempts() -> None:
    crashes = [0.0, 10.0, 20.0, 30.0, 40.0]
    assert gives_up_for_s(crashes, 41.0) == 0
    assert gives_up_for_s([*crashes, 50.0], 51.0) == pytest.approx(CRASH_WINDOW_S - 51.0)
    assert gives_up_for_s([*crashes, 50.0], CRASH_WINDOW_S) == 0


@given(st.lists(st.floats(0, 1e5), max_size=30).map(sorted), st.floats(0, 1e4))
def test_waiting_as_told_is_enough(crashes: list[float], later: float) -> None:
    now = (crashes[-1] if crashes else 0.0) + later
    stop_s = gives_up_for_s(crashes, now)
    assert 0 <= stop_s <= CRASH_WINDOW_S
    assert gives_up_for_s(crashes, now + stop_s + 1e-3) == 0
    assert wait_s(crashes, now) <= 8
    assert set(recent(crashes, now)) <= set(crashes)
