"""The generation speed in the status bar: true while text is written, gone when it is not."""

from __future__ import annotations

import pytest

from desktop.service.speed import Speed


class Clock:
    """Time that a test moves by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def written(speed: Speed, clock: Clock, *, count: int, every_s: float, tokens: int = 1) -> None:
    for _ in range(count):
        clock.now += every_s
        speed.add(tokens)


@pytest.mark.parametrize(("every_s", "expected"), [(0.02, 50.0), (0.1, 10.0), (1.0, 1.0)])
def test_the_speed_is_that_of_the_writing(every_s: float, expected: float) -> None:
    clock = Clock()
    speed = Speed(clock)
    written(speed, clock, count=round(10 / every_s), every_s=every_s)
    assert speed.per_second() == pytest.approx(expected, rel=0.05)


def test_it_does_not_fade_after_the_end_but_is_gone() -> None:
    clock = Clock()
    speed = Speed(clock)
    written(speed, clock, count=40, every_s=0.05, tokens=10)
    before = speed.per_second()
    clock.now += 0.5
    assert speed.per_second() == before
    clock.now += 0.5
    assert speed.per_second() is None


def test_a_slow_model_is_not_taken_for_an_idle_one() -> None:
    clock = Clock()
    speed = Speed(clock)
    written(speed, clock, count=4, every_s=0.9)
    clock.now += 0.85
    assert speed.per_second() == pytest.approx(1 / 0.9)


def test_nothing_written_has_no_speed() -> None:
    assert Speed(Clock()).per_second() is None
