"""How fast a job is lately, and how long it will still take: pure arithmetic on samples of its progress."""

from __future__ import annotations

from collections import deque

from models.progress import Progress

WINDOW_S = 5.0
SHORTEST_S = 0.5  # less says more about the moment than about the work


class Rate:
    """Units per second over the last five seconds. Times are those of a monotonic clock."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque()
        self._unit = ""

    def note(self, now: float, progress: Progress) -> None:
        """Take a sample. Work that turns to another unit, or starts over, is measured anew."""
        if progress.unit != self._unit or (self._samples and progress.done < self._samples[-1][1]):
            self._samples.clear()
            self._unit = progress.unit
        self._samples.append((now, progress.done))
        while len(self._samples) > 1 and self._samples[1][0] <= now - WINDOW_S:
            self._samples.popleft()

    def per_second(self) -> float | None:
        """None as long as too little was seen."""
        if not self._samples:
            return None
        (first, before), (last, after) = self._samples[0], self._samples[-1]
        return (after - before) / (last - first) if last - first >= SHORTEST_S else None


def seconds_left(progress: Progress, rate: float | None) -> float | None:
    """None when the end or the speed is not known, or nothing moves."""
    if not rate or progress.total <= 0:
        return None
    return max(0, progress.total - progress.done) / rate
