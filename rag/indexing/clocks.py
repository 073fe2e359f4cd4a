"""Notices that the machine has slept: whoever watches files was told of nothing meanwhile."""

from __future__ import annotations

import time
from dataclasses import dataclass

SLEPT_S = 20.0


@dataclass(frozen=True, slots=True)
class Clocks:
    """Seconds of a clock that stands still while the machine sleeps, and of one that goes on."""

    awake: float
    always: float


def read_clocks() -> Clocks:
    """Both clocks now. Linux has a monotonic one that goes on; elsewhere it is the clock on the wall."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return Clocks(time.monotonic(), time.clock_gettime(time.CLOCK_BOOTTIME))
    return Clocks(time.monotonic(), time.time())


def has_slept(before: Clocks, now: Clocks) -> bool:
    """Whether so much more time has gone by than was lived through."""
    return (now.always - before.always) - (now.awake - before.awake) > SLEPT_S
