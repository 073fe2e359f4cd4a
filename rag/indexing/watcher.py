"""Watches the folders of collections, and asks for a look at what has changed in them.

The system tells of changes (inotify, FSEvents, ReadDirectoryChangesW). Where it does not, because a limit is reached, a
root was away, or the machine has slept, the whole root is looked at again: that costs a second for 20,000 files.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import stat
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from models.errors import Cancelled, ModelsError
from rag.errors import RagError
from rag.indexing.clocks import has_slept, read_clocks
from rag.indexing.watch_events import Burst
from rag.indexing.watch_thread import Lost, Notice, Ready, WatchThread
from rag.store.rows import CollectionRow
from rag.store.store import FileStore

log = logging.getLogger(__name__)

TICK_S = 1.0
POLL_EVERY_S = 30.0  # where the system does not tell
RETRY_AT_MOST_S = 600.0  # what fails for long is tried less and less often
ANYWAY_EVERY_S = 3600.0  # network drives tell of nothing that another machine does

# Asked for a collection with the paths that changed, folders or files.
Reindex = Callable[[int, Sequence[Path]], Awaitable[None]]


# What tells that a root is another one than before. A folder is known by its device and inode, the rest the system
# tells; a file is looked at itself, because it is another file whenever an editor saves it.
_Mark = tuple[int, ...]


class Watcher:
    """Watches from `start` to `close`. `reindex` is awaited once per burst of changes, one at a time for a collection.

    What it raises of RagError and ModelsError is logged. `on_change` gets the id of a collection whose `problems` have
    changed.
    """

    def __init__(
        self,
        store: FileStore,
        reindex: Reindex,
        on_change: Callable[[int], None],
        *,
        poll_every_s: float = POLL_EVERY_S,
    ) -> None:
        self._store = store
        self._reindex = reindex
        self._on_change = on_change
        self._poll_every_s = poll_every_s
        self._watched: dict[int, _Watched] = {}
        self._ticking: asyncio.Task[None] | None = None
        self._refreshing = asyncio.Lock()

    @property
    def problems(self) -> dict[int, str]:
        """By root id, in words, why changes of a root are not noticed at once."""
        return {root: problem for one in self._watched.values() for root, problem in one.problems.items()}

    @property
    def watched(self) -> frozenset[int]:
        """Ids of the roots whose changes are noticed within a second or two."""
        return frozenset(root for one in self._watched.values() for root in one.told_of)

    async def start(self) -> None:
        """Begin to watch. Whenever that begins everything is looked at: much may have changed meanwhile."""
        await self.refresh()
        self._ticking = asyncio.create_task(self._tick(), name="watcher")

    async def refresh(self) -> None:
        """Look again at which roots are to be watched: collections, roots or their wishes have changed."""
        async with self._refreshing:
            wanted = {one.id: one for one in await self._store.collections(None) if one.watch and not one.paused}
            for number in [*self._watched]:
                if number not in wanted or self._watched[number].wish != _wish(wanted[number]):
                    await self._watched.pop(number).close()
            for number, collection in wanted.items():
                if number not in self._watched:
                    ours = self._store.database.path.parent
                    self._watched[number] = _Watched(
                        collection, self._reindex, self._on_change, ours=str(ours), poll_every_s=self._poll_every_s
                    )

    async def close(self) -> None:
        """Stop watching; a run that was asked for is let go of."""
        if self._ticking is not None:
            self._ticking.cancel()
            await asyncio.gather(self._ticking, return_exceptions=True)
        async with self._refreshing:
            for one in self._watched.values():
                await one.close()
            self._watched.clear()

    async def _tick(self) -> None:
        clocks = read_clocks()
        while True:
            await asyncio.sleep(TICK_S)
            now, watched = read_clocks(), list(self._watched.values())
            marks = await asyncio.to_thread(_all_marks, [one.roots for one in watched])
            for one, found in zip(watched, marks, strict=True):
                if has_slept(clocks, now):
                    one.rescan()
                await one.tick(found)
            clocks = now


class _Watched:
    """One collection: a thread that is told, a burst per root, a task that asks for looks."""

    def __init__(
        self,
        collection: CollectionRow,
        reindex: Reindex,
        on_change: Callable[[int], None],
        *,
        ours: str,
        poll_every_s: float,
    ) -> None:
        self.wish = _wish(collection)
        self.roots = {root.id: root.path for root in collection.roots}
        self.problems: dict[int, str] = {}
        self.told_of: frozenset[int] = frozenset()
        self._id = collection.id
        self._reindex = reindex
        self._on_change = on_change
        self._poll_every_s = poll_every_s
        self._ours = ours  # where the index itself lies: it is written whenever something was indexed
        hidden = bool(collection.rules.get("hidden") or collection.rules.get("include"))
        self._bursts = {root.id: Burst(root.path, hidden) for root in collection.roots}
        self._marks: dict[int, _Mark] = {}
        self._thread: WatchThread | None = None
        self._looked_at = time.monotonic()
        self._again_s = ANYWAY_EVERY_S
        self._changed = asyncio.Event()
        self._open(_marks(self.roots))
        self._task = asyncio.create_task(self._ask(), name=f"watch {collection.id}")

    def rescan(self) -> None:
        """Have all roots looked at as a whole."""
        self._looked_at = time.monotonic()
        for burst in self._bursts.values():
            burst.ask_rescan(time.monotonic())
        self._changed.set()

    async def tick(self, marks: dict[int, _Mark]) -> None:
        """Notice what the system does not tell: a root that went or came back; look from time to time."""
        before, now = self._marks, time.monotonic()
        changed = [root for root in self.roots if marks.get(root) != before.get(root)]
        self._marks = marks
        for root in changed:
            self._bursts[root].ask_rescan(now)
            self._changed.set()
        self.told_of &= marks.keys()
        if any(_is_folder(marks.get(root)) or _is_folder(before.get(root)) for root in changed):
            await self._close_thread()
            self._open(marks)
        every = self._poll_every_s if self.problems else self._again_s
        if now - self._looked_at >= every:
            self.rescan()

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._close_thread()

    def _open(self, marks: dict[int, _Mark]) -> None:
        self._marks = marks
        self.problems = {}
        folders = [self.roots[root] for root, mark in marks.items() if _is_folder(mark)]
        self.told_of = frozenset() if folders else frozenset(marks)
        self._thread = WatchThread(folders, self._notice) if folders else None
        if not folders:
            self.rescan()

    async def _close_thread(self) -> None:
        if self._thread is not None:
            await self._thread.stop()
            self._thread = None

    def _notice(self, what: Notice) -> None:
        if isinstance(what, Ready):
            self.told_of = frozenset(self._marks)
            self.rescan()
        elif isinstance(what, Lost):
            self._lose(what.problem)
        else:
            told = [path for path in what if not _is_in(path, self._ours)]
            for burst in self._bursts.values():
                burst.add([path for path in told if _is_in(path, burst.root)], time.monotonic())
            self._changed.set()

    def _lose(self, problem: str) -> None:
        log.warning("collection %d is not told of changes: %s", self._id, problem)
        sentence = f"Changes are noticed only every {self._poll_every_s:.0f} seconds: {problem.rstrip('.')}."
        self.problems = dict.fromkeys(self._marks, sentence)
        self.told_of = frozenset()
        self.rescan()
        self._on_change(self._id)

    async def _ask(self) -> None:
        while True:
            await self._until_due()
            paths: list[Path] = []
            for burst in self._bursts.values():  # of all roots together: a file may have moved from one to another
                look = burst.take()
                paths += [Path(burst.root)] if look.rescan else map(Path, look.paths)
            if paths:
                await self._look(paths)

    async def _look(self, paths: Sequence[Path]) -> None:
        # What an embedding server could not do is tried again: it may come back without a word.
        self._again_s = (
            self._poll_every_s if self._again_s > RETRY_AT_MOST_S else min(2 * self._again_s, RETRY_AT_MOST_S)
        )
        try:
            await self._reindex(self._id, paths)
            self._again_s = ANYWAY_EVERY_S
        except Cancelled:
            self._again_s = ANYWAY_EVERY_S
        except (RagError, ModelsError) as error:
            log.warning("collection %d could not be brought up to date: %s", self._id, error)
        except Exception:  # the edge of a background task: the next change is noticed all the same
            log.exception("collection %d could not be brought up to date", self._id)

    async def _until_due(self) -> None:
        while True:
            self._changed.clear()
            due = [
                seconds for burst in self._bursts.values() if (seconds := burst.due_in(time.monotonic())) is not None
            ]
            if due and min(due) <= 0:
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), min(due, default=None))


def _all_marks(collections: Sequence[Mapping[int, str]]) -> list[dict[int, _Mark]]:
    return [_marks(roots) for roots in collections]


def _marks(roots: Mapping[int, str]) -> dict[int, _Mark]:
    """The marks of those roots that are there."""
    found: dict[int, _Mark] = {}
    for root, path in roots.items():
        try:
            status = Path(path).stat()
        except OSError:
            continue
        if stat.S_ISDIR(status.st_mode):
            found[root] = (status.st_dev, status.st_ino)
        else:
            found[root] = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
    return found


def _is_folder(mark: _Mark | None) -> bool:
    """Whether a mark is a folder's."""
    return mark is not None and len(mark) == 2


def _wish(collection: CollectionRow) -> tuple[object, ...]:
    """What decides how a collection is watched."""
    return tuple((root.id, root.path) for root in collection.roots), dict(collection.rules)


def _is_in(path: str, root: str) -> bool:
    return path == root or path.startswith(root if root.endswith("/") else f"{root}/")
