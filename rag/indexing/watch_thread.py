"""One thread that waits for notices of the system about some folders; watchfiles brings them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

STEP_MS = 50  # a burst of notices ends when nothing comes for so long …
GROUP_MS = 200  # … or has gone on for so long


@dataclass(frozen=True, slots=True)
class Lost:
    """Watching has ended by itself; `problem` says why."""

    problem: str


class WatchThread:
    """Watches `paths` until `stop`. `notice` is called on the loop with the paths that changed, or with Lost."""

    def __init__(self, paths: Sequence[str], notice: Callable[[frozenset[str] | Lost], None]) -> None:
        self._paths = tuple(paths)
        self._notice = notice
        self._loop = asyncio.get_running_loop()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._thread.start()

    async def stop(self) -> None:
        """Stop watching; nothing is noticed once this returns."""
        self._stopping.set()
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        from watchfiles import watch  # its own threads and descriptors: only where somebody watches

        try:
            for changes in watch(
                *self._paths,
                watch_filter=None,
                debounce=GROUP_MS,
                step=STEP_MS,
                stop_event=self._stopping,
                raise_interrupt=False,
                ignore_permission_denied=True,
            ):
                self._tell(frozenset(path for _, path in changes))
        except Exception as error:  # the edge of a thread: whatever it was, the folders are looked at from time to time
            self._tell(Lost(str(error)))
        else:
            self._tell(Lost("the system has stopped telling of changes"))

    def _tell(self, what: frozenset[str] | Lost) -> None:
        if not self._stopping.is_set() and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._give, what)

    def _give(self, what: frozenset[str] | Lost) -> None:
        if not self._stopping.is_set():
            self._notice(what)
