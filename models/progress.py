"""Progress and cancellation: the two small types every layer needs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from models.errors import Cancelled


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a piece of work is. `total` 0 means not known; `unit` is "bytes", "files", "tensors", …"""

    done: int
    total: int
    unit: str
    message: str = ""

    @property
    def fraction(self) -> float | None:
        """Share done in 0..1, or None while the total is unknown."""
        return min(1.0, self.done / self.total) if self.total > 0 else None


Report = Callable[[Progress], None]
StopReason = Literal["cancel", "pause", "end"]


class Cancel:
    """A request to stop, set from any thread and checked between small pieces of work.

    `reason` tells work that can go on later what to leave behind: everything it has after "pause" and "end" (of the
    service), nothing after "cancel". The last one that was set counts.
    """

    def __init__(self) -> None:
        self._event = threading.Event()
        self.reason: StopReason = "cancel"

    def set(self, reason: StopReason = "cancel") -> None:
        self.reason = reason
        self._event.set()

    @property
    def is_set(self) -> bool:
        return self._event.is_set()

    def check(self) -> None:
        """Raise Cancelled when somebody asked to stop."""
        if self._event.is_set():
            raise Cancelled
