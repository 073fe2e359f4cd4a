"""What every stage of a run is given: when it may go on, when it has to stop, whom it tells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from models.progress import Cancel
from rag.indexing.throttle import Throttle


@dataclass(frozen=True, slots=True)
class Pace:
    """`told` is called after each step, on the loop."""

    throttle: Throttle
    cancel: Cancel
    told: Callable[[], None] = lambda: None
