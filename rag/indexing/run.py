"""One run over the files of a collection: look, plan, read, write. Vectors are made beside it, by SpaceWork."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path

from rag.indexing.intake import Intake, chunks_of
from rag.indexing.looking import Unreadable, below, look_at, scan_rules
from rag.indexing.outcome import outcome
from rag.indexing.pace import Pace
from rag.indexing.plan import FoundFile, IndexPlan, plan, stat_of
from rag.indexing.progress import IndexReport, Tracker
from rag.reading.pool import ReaderPool
from rag.reading.types import Parsed
from rag.scan import reason_sentence
from rag.store.rows import (
    CollectionRow,
    FileChange,
    Kept,
    Moved,
    Removed,
    RootRow,
    Skipped,
    Waiting,
)
from rag.store.store import FileStore

APPLY_AT_ONCE = 1000  # changes without content in one transaction
SHOWN_WAITING = 8  # fewer new files than these are read before anybody could see them wait

Newest = Callable[[Sequence[FileChange]], list[FileChange]]


class Run:
    """What one run knows. `newest` sifts changes that a later run has overtaken.

    `roots_changed`: a root could be looked at and cannot any more, or the other way round.
    """

    def __init__(self, store: FileStore, readers: ReaderPool, collection: CollectionRow, newest: Newest) -> None:
        self._store = store
        self._readers = readers
        self._collection = collection
        self._roots = {root.id: Path(root.path) for root in collection.roots}
        self._newest = newest
        self.roots_changed = False
        self._count: Counter[str] = Counter()
        self._problems: list[str] = []

    async def look(self, paths: Sequence[Path] | None, full: bool, pace: Pace) -> IndexPlan:
        """Compare the index with the disk: with all roots, or with what lies at `paths`."""
        rules = scan_rules(self._collection.rules)
        looks = []
        for root in self._collection.roots:
            within = None if paths is None else below(root, paths)
            if within is None or within:
                seen = await look_at(self._store, root, rules, pace, within)
                problem = seen.problem if isinstance(seen, Unreadable) else ""
                await self._note(root, problem)
                if not isinstance(seen, Unreadable):
                    looks.append(seen)
        made = await asyncio.to_thread(plan, looks, full=full)
        self._count["unchanged"] = made.unchanged
        return made

    async def settle(self, made: IndexPlan) -> None:
        """Make the changes that need no reading, and show what waits to be read."""
        await self._apply(await asyncio.to_thread(_settled, made))
        self._count["moved"] += len(made.moved)
        if not made.read:  # otherwise what is read may turn out to be the same content: it is not embedded again then
            await self.remove(made)
        elif len(made.read) >= SHOWN_WAITING:
            await self._apply(await asyncio.to_thread(_waiting, made))

    async def remove(self, made: IndexPlan) -> None:
        """Take out of the index what is no longer there."""
        await self._apply([Removed(root, path) for root, path in made.vanished])
        self._count["removed"] += len(made.vanished)

    async def read(self, made: IndexPlan, pace: Pace, tracker: Tracker, written: Callable[[], None]) -> None:
        """Read the files of the plan and write them; `written` is called after each transaction.

        Raises Cancelled, with everything written that was read, and DiskFull.
        """
        tracker.planned((one.root_id, one.file.path, one.file.size) for one in made.read)
        intake = Intake()
        writing = asyncio.create_task(self._write(intake, pace, tracker, written))
        try:
            async with aclosing(self._changes(made, pace)) as changes:
                async for change in changes:
                    await intake.put(change)
                    if writing.done():  # it failed
                        break
        finally:
            await intake.close()
            await writing

    def report(self, embedded: int, seconds: float) -> IndexReport:
        """What was done until now."""
        count = self._count
        return IndexReport(
            collection_id=self._collection.id,
            read=count["read"],
            unchanged=count["unchanged"],
            moved=count["moved"],
            removed=count["removed"],
            skipped=count["skipped"],
            failed=count["failed"],
            kept=count["kept"],
            chunks=count["chunks"],
            embedded=embedded,
            seconds=seconds,
            problems=tuple(self._problems),
        )

    async def _changes(self, made: IndexPlan, pace: Pace) -> AsyncGenerator[FileChange, None]:
        wanted = await asyncio.to_thread(self._by_file, made)
        pairs = [(path, self._roots[ones[0].root_id]) for path, ones in wanted.items()]
        async with aclosing(self._readers.read_many(pairs)) as results:
            async for path, result in results:
                for one in wanted[path]:
                    yield outcome(one, path.name, result)
                    self._count["read"] += isinstance(result, Parsed)
                await pace.throttle.turn(pace.cancel)

    def _by_file(self, made: IndexPlan) -> Mapping[Path, Sequence[FoundFile]]:
        """What is to be read, by file: roots may lie in one another."""
        wanted: defaultdict[Path, list[FoundFile]] = defaultdict(list)
        for one in made.read:
            wanted[self._file(one)].append(one)
        return wanted

    async def _write(self, intake: Intake, pace: Pace, tracker: Tracker, written: Callable[[], None]) -> None:
        try:
            first = True  # what was saved is found by its words at once, though somebody is answered
            while batch := await intake.take():
                if not first:
                    await pace.throttle.make_way(pace.cancel)
                first = False
                changes = self._newest(batch)
                applied = await self._store.apply(changes)
                self._note_changes(changes)
                self._count["chunks"] += applied.chunks_added
                files = [(change.root_id, change.path, len(chunks_of(change))) for change in batch]
                tracker.written(files, applied.chunks_added)
                written()
        finally:
            await intake.close()

    async def _apply(self, changes: Sequence[FileChange]) -> None:
        for start in range(0, len(changes), APPLY_AT_ONCE):
            batch = self._newest(changes[start : start + APPLY_AT_ONCE])
            await self._store.apply(batch)
            self._note_changes(batch)

    def _note_changes(self, changes: Sequence[FileChange]) -> None:
        for change in changes:
            if isinstance(change, Skipped):
                self._count["failed" if change.failed else "skipped"] += 1
            elif isinstance(change, Kept):
                self._count["kept"] += 1

    async def _note(self, root: RootRow, problem: str) -> None:
        if problem:
            self._problems.append(problem)
        if problem != root.problem:
            self.roots_changed = True
            await self._store.set_root_problem(root.id, problem)

    def _file(self, one: FoundFile) -> Path:
        root = self._roots[one.root_id]
        return root / one.file.path if one.file.path else root


def _settled(made: IndexPlan) -> list[FileChange]:
    """The changes of a plan that need no reading, but for what vanished."""
    moves = [Moved(one.root_id, one.path, one.to_root_id, one.file.path, stat_of(one.file)) for one in made.moved]
    left = [
        Skipped(root, one.path, stat_of(one), one.reason, reason_sentence(one.reason, one.detail))
        for root, one in made.left_out
    ]
    return [*moves, *left]


def _waiting(made: IndexPlan) -> list[FileChange]:
    return [Waiting(one.root_id, one.file.path, stat_of(one.file)) for one in made.read]
