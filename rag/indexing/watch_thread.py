"""One thread that waits for notices of the system about some folders; watchfiles brings them.

Its Rust part is used by itself (watchfiles.helpmanual.io/api/rust_backend), because it tells when watching has begun:
what changed before has to be looked for.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from watchfiles._rust_notify import RustNotify

STEP_MS = 50  # a burst of notices ends when nothing comes for so long …
GROUP_MS = 200  # … or has gone on for so long
WAIT_MS = 5000  # then it is only asked again


@dataclass(frozen=True, slots=True)
class Ready:
    """From now on the system tells of changes."""


@dataclass(frozen=True, slots=True)
class Lost:
    """Watching has ended by itself, or never began; `problem` says why."""

    problem: str


Notice = frozenset[str] | Ready | Lost


class WatchThread:
    """Watches `paths` until `stop`. `notice` is called on the loop: Ready first, then paths that changed, or Lost."""

    def __init__(self, paths: Sequence[str], notice: Callable[[Notice], None]) -> None:
        self._paths = list(paths)
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
        try:
            self._watch()
        except Exception as error:  # the edge of a thread: whatever it was, the folders are looked at from time to time
            self._tell(Lost(str(error)))

    def _watch(self) -> None:
        with _watching(self._paths) as watcher:
            self._tell(Ready())
            while not self._stopping.is_set():
                found = watcher.watch(GROUP_MS, STEP_MS, WAIT_MS, self._stopping)
                if isinstance(found, set):
                    self._tell(frozenset(path for _, path in found))

    def _tell(self, what: Notice) -> None:
        if not self._stopping.is_set() and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._give, what)

    def _give(self, what: Notice) -> None:
        if not self._stopping.is_set():
            self._notice(what)


def _watching(paths: list[str]) -> RustNotify:
    """Watch with all subfolders, without polling. Raises OSError where a limit of the system is reached."""
    from watchfiles._rust_notify import RustNotify  # only where somebody watches

    try:
        return RustNotify(paths, False, False, 0, True, False)
    except PermissionError:
        # Passes over folders that may not be read, but (in 1.3) over every other failure as well.
        return RustNotify(paths, False, False, 0, True, True)
