"""When indexing may go on: not on battery when so wished, not while somebody waits for an answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from models.progress import Cancel

PauseReason = Literal["", "battery", "busy"]

BATTERY_EVERY_S = 15.0
LOOK_EVERY_S = 0.1
# After the last word of an answer: whoever reads it may soon ask again, and a pause between two costs little.
QUIET_S = 0.5
# Chat goes before, but an index that never moves on is none: with nobody idle for so long, one piece is done.
AT_MOST_S = 20.0


@dataclass(frozen=True, slots=True)
class Moment:
    """What a decision knows: all times are seconds of one monotonic clock."""

    now: float
    busy_at: float  # when somebody was last seen waiting, -inf for never
    waits_since: float  # when the piece of work that waits began to
    on_battery: bool = False
    battery_pauses: bool = True


def reason_to_wait(moment: Moment) -> PauseReason:
    """Why the next piece of work has to wait now, "" when it may begin."""
    if moment.on_battery and moment.battery_pauses:
        return "battery"
    waited = moment.now - moment.waits_since
    if moment.now - moment.busy_at < QUIET_S and waited < AT_MOST_S:
        return "busy"
    return ""


class Throttle:
    """Asked before each piece of work. `reason` is why the last one waits, for the window."""

    def __init__(
        self,
        busy: Callable[[], bool],
        *,
        on_battery: Callable[[], bool | None] | None = None,
        battery_pauses: Callable[[], bool] = lambda: True,
    ) -> None:
        self._busy = busy
        self._read_battery = on_battery or battery_in_use
        self._battery_pauses = battery_pauses
        self._battery: bool | None = None
        self._battery_at = self._busy_at = float("-inf")
        self._waits_since: float | None = None
        self.reason: PauseReason = ""

    @property
    def on_battery(self) -> bool | None:
        """Whether this machine runs on its battery; None where that is not known."""
        now = time.monotonic()
        if now - self._battery_at >= BATTERY_EVERY_S:
            self._battery, self._battery_at = self._read_battery(), now
        return self._battery

    def on_any_power(self) -> Throttle:
        """The same for work that is too small to be put off because of the battery."""
        return Throttle(self._busy, on_battery=lambda: None)

    def at_once(self) -> Throttle:
        """The same for work so little that who waits for an answer does not notice it: a saved file."""
        return Throttle(lambda: False, on_battery=lambda: None)

    def look(self) -> PauseReason:
        """Why work has to wait at this moment; "" when it need not."""
        now = time.monotonic()
        if self._busy():
            self._busy_at = now
        since = now if self._waits_since is None else self._waits_since
        self.reason = reason_to_wait(Moment(now, self._busy_at, since, bool(self.on_battery), self._battery_pauses()))
        self._waits_since = since if self.reason else None
        return self.reason

    @property
    def busy(self) -> bool:
        """Whether somebody waits for a model's answer now, or did a moment ago."""
        now = time.monotonic()
        if self._busy():
            self._busy_at = now
        return now - self._busy_at < QUIET_S

    async def turn(self, cancel: Cancel) -> None:
        """Return when the next piece of work may begin. Raises Cancelled."""
        cancel.check()
        while self.look():
            await asyncio.sleep(LOOK_EVERY_S)
            cancel.check()

    def turn_in_thread(self, cancel: Cancel) -> None:
        """The same for work in a thread, which waits for answers alone: looking at names needs little power."""
        cancel.check()
        began = time.monotonic()
        while self._busy() and time.monotonic() - began < AT_MOST_S:
            self.reason = "busy"
            time.sleep(LOOK_EVERY_S)
            cancel.check()

    async def make_way(self, cancel: Cancel) -> None:
        """Return when nobody waits for an answer any more, or all is broken off: for what has to be done even then."""
        for _ in range(round(AT_MOST_S / LOOK_EVERY_S)):
            if cancel.is_set or not self.busy:
                return
            await asyncio.sleep(LOOK_EVERY_S)


def battery_in_use() -> bool | None:
    """Whether the machine runs on its battery, None without one or where nobody can tell (psutil)."""
    import psutil

    try:
        battery = psutil.sensors_battery()
    except (AttributeError, OSError, RuntimeError):  # not on every system
        return None
    return None if battery is None or battery.power_plugged is None else not battery.power_plugged
