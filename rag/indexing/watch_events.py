"""What a burst of notices about files means: which paths to look at, or that a whole root is to be scanned.

Editors replace a file by writing another and renaming it, a change of branch touches thousands of files within a
second, a build writes what nobody wants. One look after the burst is enough for all of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import PurePath

IGNORE_FILES = frozenset({".gitignore", ".ignore", ".jackdawignore"})
QUIET_S = 0.25  # a burst is over when nothing has come for so long …
LONGEST_S = 1.0  # … or has gone on for so long: a saved file is to be found within two seconds
MANY = 400  # more paths than these, and one scan of the root costs less than looking at each
# Written by editors beside the file that is saved; gone within the second.
_PASSING_ENDS = ("~", ".swp", ".swx", ".swo", "___jb_tmp___", "___jb_old___")
_PASSING_STARTS = (".#", ".goutputstream-", ".~lock.", "~$")
# Written all the time by tools, and never read into an index.
_NOISY = frozenset({".git", ".hg", ".svn", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache"})


@dataclass(frozen=True, slots=True)
class Look:
    """What to do after a burst: scan everything, or look at `paths` (absolute, sorted)."""

    rescan: bool = False
    paths: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        return not (self.rescan or self.paths)


@dataclass(slots=True)
class Burst:
    """Notices of one root that came in short order. Times are seconds of one monotonic clock.

    `hidden`: files and folders whose names begin with a dot may be wanted.
    """

    root: str
    hidden: bool = False
    paths: set[str] = field(default_factory=set)
    rescan: bool = False
    began: float = 0.0
    last: float = 0.0

    def add(self, paths: Iterable[str], now: float) -> None:
        """Note what has changed, at `now`."""
        told = [path for path in paths if concerns(self.root, path, hidden=self.hidden)]
        if not told:
            return
        self.began = self.began if self.is_open else now
        self.last = now
        self.rescan = self.rescan or any(PurePath(path).name in IGNORE_FILES for path in told)
        if not self.rescan:
            self.paths.update(told)
            self.rescan = len(self.paths) > MANY or self.root in self.paths
        if self.rescan:
            self.paths.clear()

    def ask_rescan(self, now: float) -> None:
        """Note that notices may have been missed."""
        self.began = self.began if self.is_open else now
        self.last, self.rescan = now, True
        self.paths.clear()

    @property
    def is_open(self) -> bool:
        return self.rescan or bool(self.paths)

    def due_in(self, now: float) -> float | None:
        """Seconds until `take`, 0 for now, None when there is nothing to take."""
        if not self.is_open:
            return None
        return max(0.0, min(self.last + QUIET_S, self.began + LONGEST_S) - now)

    def take(self) -> Look:
        """What to do now; the burst is empty afterwards."""
        look = Look(self.rescan, tuple(sorted(_outermost(self.paths))))
        self.paths.clear()
        self.rescan = False
        return look


def concerns(root: str, path: str, *, hidden: bool = False) -> bool:
    """Whether a notice about `path` can matter to an index of `root`: it is no file that a tool keeps to itself."""
    *folders, name = PurePath(path).parts[len(PurePath(root).parts) :] or [""]
    if any(part in _NOISY or (part.startswith(".") and not hidden) for part in folders):
        return False
    if name in IGNORE_FILES:
        return True
    if name in _NOISY or (name.startswith(".") and not hidden):
        return False
    return not (name.endswith(_PASSING_ENDS) or name.startswith(_PASSING_STARTS))


def _outermost(paths: set[str]) -> list[str]:
    """`paths` without those that lie inside another of them."""
    found: list[str] = []
    for path in sorted(paths, key=lambda path: path.replace("/", "\0")):  # what is inside comes right behind
        if not (found and path.startswith(found[-1] + "/")):
            found.append(path)
    return found
