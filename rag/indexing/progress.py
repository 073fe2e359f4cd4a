"""How far indexing is: figures for the window and words for the terminal."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from typing import Literal

from models.progress import Progress
from rag.indexing.throttle import PauseReason

WINDOW_S = 10.0  # rates are of the last seconds: what comes next is more like them than like the beginning
SHOWN_FILES = 8
NowState = Literal["waiting", "reading", "embedding"]


@dataclass(frozen=True, slots=True)
class FileNow:
    """A file that is at work: relative path, and how much of it is embedded, 0..1."""

    root_id: int
    path: str
    state: NowState
    fraction: float | None = None


@dataclass(frozen=True, slots=True)
class IndexNow:
    """Where the indexing of one collection is. Rates are per second; `left_s` is None while nobody can tell.

    A file is done when it can be found by its words and by its meaning. `files` are some of those at work.
    """

    collection_id: int
    stage: Literal["scanning", "reading", "embedding", "finishing"] = "scanning"
    files_done: int = 0
    files_total: int = 0
    chunks_done: int = 0
    bytes_done: int = 0
    bytes_total: int = 0
    files_per_s: float = 0.0
    chunks_per_s: float = 0.0
    left_s: float | None = None
    waits_for: PauseReason = ""
    files: tuple[FileNow, ...] = ()

    @property
    def progress(self) -> Progress:
        """The same as a job tells it."""
        return Progress(self.files_done, self.files_total, "files", self.sentence)

    @property
    def sentence(self) -> str:
        if self.waits_for:
            return _WAITING[self.waits_for]
        if self.stage == "scanning":
            return "Looking at the folders"
        rates = f"{self.files_per_s:,.0f} files/s, {self.chunks_per_s:,.0f} chunks/s"
        return f"{rates}, {_in_words(self.left_s)} left" if self.left_s is not None else rates


_WAITING = {
    "asked": "Paused",
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


@dataclass(slots=True)
class Rate:
    """Things per second within the last WINDOW_S seconds."""

    _seen: deque[tuple[float, float]] = field(default_factory=deque)

    def note(self, total: float, now: float | None = None) -> None:
        """Note that `total` things are done at `now`, seconds of the monotonic clock."""
        now = time.monotonic() if now is None else now
        self._seen.append((now, total))
        while len(self._seen) > 2 and now - self._seen[1][0] > WINDOW_S:
            self._seen.popleft()

    def per_second(self) -> float:
        if len(self._seen) < 2:
            return 0.0
        (first_at, first), (last_at, last) = self._seen[0], self._seen[-1]
        return (last - first) / (last_at - first_at) if last_at > first_at else 0.0


def seconds_left(bytes_done: int, bytes_total: int, bytes_per_s: float) -> float | None:
    """Of work that is measured in bytes of files; None before anything is known."""
    return (bytes_total - bytes_done) / bytes_per_s if bytes_per_s > 0 else None


def _in_words(seconds: float | None) -> str:
    if seconds is None or seconds < 60:
        return f"{max(1, round(seconds or 0))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes / 60:.1f} h"
