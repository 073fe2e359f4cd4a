"""How fast text is being written right now, over all models."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

WINDOW_S = 3.0


class Speed:
    """Tokens of the last seconds. Each call of `add` is one entry; entries of one slice of 50 ms are joined."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._entries: deque[tuple[float, int]] = deque()

    def add(self, tokens: int) -> None:
        now = self._clock()
        if self._entries and now - self._entries[-1][0] < 0.05:
            self._entries[-1] = (self._entries[-1][0], self._entries[-1][1] + tokens)
        else:
            self._entries.append((now, tokens))
        self._trim(now)

    def per_second(self) -> float | None:
        """Tokens per second while text is being written, over the last three seconds at most; None once it is not.

        Writing has ended when three times the usual pause has passed without a token, and at least 0.75 s.
        """
        now = self._clock()
        self._trim(now)
        if len(self._entries) < 2:
            return None
        first, last = self._entries[0][0], self._entries[-1][0]
        usual_pause_s = (last - first) / (len(self._entries) - 1)
        if now - last > max(0.75, 3 * usual_pause_s):
            return None
        return (sum(tokens for _, tokens in self._entries) - self._entries[0][1]) / (last - first)

    def _trim(self, now: float) -> None:
        while self._entries and now - self._entries[0][0] > WINDOW_S:
            self._entries.popleft()
