"""How far indexing is: figures for the window and words for the terminal."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Literal

from models.progress import Progress
from rag.indexing.throttle import PauseReason

WINDOW_S = 10.0  # rates are of the last seconds: what comes next is more like them than like the beginning
SHOWN_FILES = 8
Stage = Literal["scanning", "reading", "embedding", "finishing"]


@dataclass(frozen=True, slots=True)
class FileNow:
    """A file that is at work: relative path, and how much of it is embedded, 0..1."""

    root_id: int
    path: str
    state: Literal["reading", "embedding"]
    fraction: float | None = None


@dataclass(frozen=True, slots=True)
class IndexNow:
    """Where the indexing of one collection is. Rates are per second; `left_s` is None while nobody can tell.

    A file is done when it can be found by its words and by its meaning. `files` are some of those at work.
    """

    collection_id: int
    stage: Stage = "scanning"
    files_done: int = 0
    files_total: int = 0
    chunks_done: int = 0
    chunks_total: int = 0  # known only while all chunks are embedded anew
    bytes_done: int = 0
    bytes_total: int = 0
    files_per_s: float = 0.0
    chunks_per_s: float = 0.0
    left_s: float | None = None
    waits_for: PauseReason = ""
    files: tuple[FileNow, ...] = ()

    @property
    def progress(self) -> Progress:
        """The same as a job tells it: in files, or in chunks while all are embedded anew."""
        if self.chunks_total:
            return Progress(min(self.chunks_done, self.chunks_total), self.chunks_total, "chunks", self.sentence)
        return Progress(self.files_done, self.files_total, "files", self.sentence)

    @property
    def sentence(self) -> str:
        if self.waits_for:
            return _WAITING[self.waits_for]
        if self.stage == "scanning":
            return "Looking at the folders"
        chunks = f"{self.chunks_per_s:,.0f} chunks/s"
        rates = chunks if self.chunks_total else f"{self.files_per_s:,.0f} files/s, {chunks}"
        return f"{rates}, {_in_words(self.left_s)} left" if self.left_s is not None else rates


_WAITING = {
    "battery": "Waits until the machine is plugged in",
    "busy": "Waits for a model that is answering",
}


@dataclass(frozen=True, slots=True)
class IndexReport:
    """What one run did. `failed` and `kept` count files whose reading failed, without and with their old passages."""

    collection_id: int
    read: int = 0
    unchanged: int = 0
    moved: int = 0
    removed: int = 0
    skipped: int = 0
    failed: int = 0
    kept: int = 0
    chunks: int = 0
    embedded: int = 0
    seconds: float = 0.0
    problems: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        """Whether a search may find something else than before."""
        return bool(self.read or self.moved or self.removed or self.skipped or self.failed or self.embedded)


class Rate:
    """Things per second within the last WINDOW_S seconds."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, float]] = deque()

    def note(self, total: float, now: float) -> None:
        """Note that `total` things are done at `now`, seconds of the monotonic clock."""
        self._seen.append((now, total))
        while len(self._seen) > 2 and now - self._seen[1][0] > WINDOW_S:
            self._seen.popleft()

    def per_second(self) -> float:
        if len(self._seen) < 2:
            return 0.0
        (first_at, first), (last_at, last) = self._seen[0], self._seen[-1]
        return (last - first) / (last_at - first_at) if last_at > first_at else 0.0


@dataclass(slots=True)
class _Written:
    """A file whose chunks are in the database. They are embedded once `until` chunks of the run are."""

    root_id: int
    path: str
    bytes: int
    begins: int
    until: int


class Tracker:
    """Counts what one run does."""

    def __init__(self, collection_id: int) -> None:
        self._now = IndexNow(collection_id)
        self._unread: dict[tuple[int, str], int] = {}
        self._written: deque[_Written] = deque()
        self._until = 0
        self._placed = 0
        self._bytes, self._files, self._chunks = Rate(), Rate(), Rate()
        self.waits_for: PauseReason = ""

    @property
    def chunks_waiting(self) -> int:
        """Chunks that are written and not embedded yet."""
        return max(0, self._until - self._placed)

    def enter(self, stage: Stage) -> None:
        """Say what is being done now."""
        self._now = replace(self._now, stage=stage)

    def backlog(self, chunks: int) -> None:
        """So many chunks of earlier runs are embedded before those of this one."""
        self._until += chunks

    def planned(self, files: Iterable[tuple[int, str, int]]) -> None:
        """Files to be read: root, path, bytes."""
        self._unread = {(root, path): size for root, path, size in files}
        total = self._now.bytes_done + sum(self._unread.values())
        self._now = replace(self._now, files_total=self._now.files_done + len(self._unread), bytes_total=total)

    def again(self, chunks: int, done: int = 0) -> None:
        """So many chunks are to be embedded by another model, of which some are already; no file is read."""
        self._now = replace(self._now, stage="embedding", chunks_total=chunks)
        self._until, self._placed = chunks, done

    def written(self, files: Sequence[tuple[int, str, int]], chunks_added: int) -> None:
        """One transaction is on the disk: root, path and chunks of files that were read, or could not be.

        `chunks_added` of all these chunks are new; which of them does not matter here.
        """
        begins, added = self._until, 0
        total = sum(chunks for _, _, chunks in files) or 1
        for root, path, chunks in files:
            added += chunks
            until = begins + chunks_added * added // total
            size = self._unread.pop((root, path), 0)
            self._written.append(_Written(root, path, size, self._until, until))
            self._until = until
        self._settle()

    def placed(self, chunks: int) -> None:
        """So many more chunks can be found by their meaning."""
        self._placed += chunks
        self._settle()

    def finish(self) -> None:
        """All is done: chunks that needed no embedding were not counted one by one."""
        self._placed = max(self._placed, self._until)
        self._settle()

    def snapshot(self, now: float) -> IndexNow:
        """Where the run is; `now` in seconds of the monotonic clock."""
        done = replace(self._now, bytes_done=self._now.bytes_done + self._bytes_of_first())
        for rate, total in (
            (self._bytes, done.bytes_done),
            (self._files, done.files_done),
            (self._chunks, self._placed),
        ):
            rate.note(total, now)
        return replace(
            done,
            chunks_done=self._placed,
            files_per_s=self._files.per_second(),
            chunks_per_s=self._chunks.per_second(),
            left_s=self._left(done),
            waits_for=self.waits_for,
            files=(*self._embedding(), *self._reading()),
        )

    def _left(self, done: IndexNow) -> float | None:
        if done.chunks_total:
            return seconds_left(self._placed, done.chunks_total, self._chunks.per_second())
        return seconds_left(done.bytes_done, done.bytes_total, self._bytes.per_second())

    def _bytes_of_first(self) -> int:
        """What is done of the file that is being embedded."""
        return next((round(self._written[0].bytes * (now.fraction or 0)) for now in self._embedding()), 0)

    def _settle(self) -> None:
        files = size = 0
        while self._written and self._written[0].until <= self._placed:
            files, size = files + 1, size + self._written.popleft().bytes
        if files:
            done = self._now
            self._now = replace(done, files_done=done.files_done + files, bytes_done=done.bytes_done + size)

    def _embedding(self) -> Iterator[FileNow]:
        for file in islice(self._written, SHOWN_FILES // 2):
            share = (self._placed - file.begins) / max(1, file.until - file.begins)
            yield FileNow(file.root_id, file.path, "embedding", min(1.0, max(0.0, share)))

    def _reading(self) -> Iterator[FileNow]:
        for root, path in islice(self._unread, SHOWN_FILES // 2):
            yield FileNow(root, path, "reading")


def seconds_left(done: int, total: int, per_s: float) -> float | None:
    """Of work that is measured in bytes of files, or in chunks; None before anything is known."""
    return max(0, total - done) / per_s if per_s > 0 else None


def _in_words(seconds: float | None) -> str:
    if seconds is None or seconds < 60:
        return f"{max(1, round(seconds or 0))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes / 60:.1f} h"
