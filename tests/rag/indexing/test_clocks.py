"""Whether the machine has slept."""

from __future__ import annotations

from rag.indexing.clocks import Clocks, has_slept, read_clocks


def test_a_night_is_noticed_and_a_busy_second_is_not() -> None:
    assert has_slept(Clocks(10, 10), Clocks(11, 30_000))
    assert not has_slept(Clocks(10, 10), Clocks(25, 26))  # everything stood still, but nobody slept


def test_the_clocks_go_on_together_while_the_machine_is_awake() -> None:
    before = read_clocks()
    assert not has_slept(before, read_clocks())
