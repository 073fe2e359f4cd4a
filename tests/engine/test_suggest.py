"""Suggestions: what fits and is fast enough, strongest first, with reasons that hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from engine.devices import MemoryNow
from engine.machine import Machine
from engine.machine_speed import MachineSpeed
from engine.suggest import TASKS, Judged, estimate, suggest

GIB = 1024**3
LAPTOP = MachineSpeed(40e9, 200e9, 30e9, 60e9, 2e-5, "laptop")
OLD = MachineSpeed(10e9, 50e9, 10e9, 20e9, 4e-5, "old")


@dataclass(frozen=True)
class Row:
    name: str
    params: int
    file_bytes: int
    tasks: Sequence[str] = ("chat",)
    active_params: int | None = None
    context_length: int = 32_768
    family: str = "test"

    @property
    def repo(self) -> str:
        return f"author/{self.name}"


ROWS = (
    Row("half", 494_000_000, 400_000_000),
    Row("three", 3_000_000_000, 2_000_000_000, ("chat", "code")),
    Row("eight", 8_000_000_000, 4_900_000_000),
    Row("mixture", 30_500_000_000, 18_600_000_000, ("chat", "code"), active_params=3_300_000_000),
    Row("seventy", 70_000_000_000, 42_500_000_000),
    Row("embed", 300_000_000, 320_000_000, ("embedding",)),
    Row("large-embed", 8_000_000_000, 4_900_000_000, ("embedding",)),
)


def machine(free_gib: float, speed: MachineSpeed | None = LAPTOP) -> Machine:
    return Machine(MemoryNow(int(2 * free_gib * GIB), int(free_gib * GIB)), processors=8, speed=speed)


def names(free_gib: float, task: str, speed: MachineSpeed | None = LAPTOP) -> list[str]:
    here = machine(free_gib, speed)
    return [pick.judged.row.name for pick in suggest([estimate(row, here) for row in ROWS], here, (task,))]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("free_gib", "best"), [(1.0, "half"), (4, "three"), (10, "eight"), (32, "mixture"), (100, "mixture")]
)
def test_the_strongest_that_fits_and_is_fast_enough_comes_first(free_gib: float, best: str) -> None:
    assert names(free_gib, "chat")[0] == best


def test_without_a_measurement_memory_alone_decides() -> None:
    assert names(100, "chat", None)[0] == "seventy"


def test_when_all_are_slow_the_quickest_is_named_and_said_to_be_slow() -> None:
    here = machine(32, OLD)
    rows = [estimate(row, here) for row in ROWS if row.name in ("eight", "seventy")]
    pick = suggest(rows, here, ("chat",))[0]
    assert pick.judged.row.name == "eight"
    assert "only about" in pick.reason


def test_nothing_is_suggested_that_does_not_fit() -> None:
    assert names(0.2, "chat") == []
    assert names(100, "rerank") == []


def test_the_reason_names_room_and_speed() -> None:
    here = machine(10)
    pick = suggest([estimate(row, here) for row in ROWS], here, ("chat",))[0]
    assert pick.reason == "The strongest chat model that leaves 4.6 GB free and should write about 8.1 tokens/s here."


def test_a_faster_and_a_smaller_one_follow() -> None:
    here = machine(10)
    picks = suggest([estimate(row, here) for row in ROWS], here, ("chat",))
    assert [pick.judged.row.name for pick in picks] == ["eight", "three", "half"]
    assert all(pick.judged.needed_bytes < picks[0].judged.needed_bytes for pick in picks[1:])
    assert len({pick.judged.row.repo for pick in picks}) == len(picks)


def test_tight_ones_only_when_nothing_fits_well() -> None:
    here = machine(10)
    tight = Judged(ROWS[2], "tight", int(9.5 * GIB), 10.0)
    roomy = Judged(ROWS[1], "fits", 3 * GIB, 20.0)
    assert suggest([tight, roomy], here, ("chat",))[0].judged is roomy
    assert suggest([tight], here, ("chat",))[0].reason.startswith("The strongest chat model that just fits")


def test_every_task_has_words_of_its_own() -> None:
    here = machine(64)
    row = Row("all", 300_000_000, 200_000_000, TASKS)
    picks = suggest([estimate(row, here)], here)
    assert [pick.task for pick in picks] == list(TASKS)
    assert len({pick.reason for pick in picks}) == len(TASKS)


def test_none_is_suggested_that_is_too_slow_to_use_while_another_is_not() -> None:
    """A small pick was one that wrote 1.3 tokens/s, and an embedding model one that reads 5."""
    here = machine(32, OLD)
    picks = suggest([estimate(row, here) for row in ROWS], here)
    assert all(pick.judged.row.name not in ("eight", "seventy", "large-embed") for pick in picks)
    embedding = next(
        pick for pick in suggest([estimate(row, machine(32)) for row in ROWS], machine(32)) if pick.task == "embedding"
    )
    assert embedding.judged.row.name == "embed"
    assert embedding.reason.endswith("and should read about 330 tokens/s here.")
