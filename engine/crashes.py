"""When may a model that crashed be started again? Pure.

After a crash the next start waits 1, 2, 4, 8, 8 seconds; the sixth crash within ten minutes ends the attempts until the
oldest of them is ten minutes old.
"""

from __future__ import annotations

from collections.abc import Sequence

CRASH_WINDOW_S = 600.0
RESTARTS = 5
LONGEST_WAIT_S = 8.0


def recent(crashes: Sequence[float], now: float) -> tuple[float, ...]:
    """The crashes that still count, on the monotonic clock."""
    return tuple(at for at in crashes if now - at < CRASH_WINDOW_S)


def gives_up_for_s(crashes: Sequence[float], now: float) -> float:
    """Seconds until a start may be tried again after too many crashes; 0 when it may."""
    counting = recent(crashes, now)
    return max(0.0, counting[-RESTARTS - 1] + CRASH_WINDOW_S - now) if len(counting) > RESTARTS else 0.0


def wait_s(crashes: Sequence[float], now: float, first_wait_s: float = 1.0) -> float:
    """Seconds to wait before the next start; 0 without recent crashes."""
    counting = recent(crashes, now)
    if not counting:
        return 0.0
    pause = min(LONGEST_WAIT_S * first_wait_s, first_wait_s * 2.0 ** (len(counting) - 1))
    return max(0.0, counting[-1] + pause - now)
