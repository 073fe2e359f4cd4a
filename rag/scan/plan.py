"""What would be read of some paths, without reading any."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from models.progress import Cancel
from rag.scan.known import suffix
from rag.scan.rules import Found, Left, ScanRules
from rag.scan.walk import walk

_KINDS = 20
_EXAMPLES = 50
_EXAMPLES_EACH = 10
_LOOK_AT_CLOCK = 256


@dataclass(frozen=True, slots=True)
class FolderCount:
    """One of the paths asked about. A folder that is left out as a whole counts as one skipped."""

    path: Path
    files: int
    bytes: int
    skipped: int


@dataclass(frozen=True, slots=True)
class Plan:
    """Files and bytes to read, what is left out by reason, the 20 commonest suffixes, up to 50 examples left out.

    Examples stand with the path they lie under. `complete` is False when time ran out before all was counted.
    """

    files: int
    bytes: int
    reasons: dict[str, int]
    kinds: dict[str, int]
    folders: tuple[FolderCount, ...]
    examples: tuple[tuple[Path, Left], ...] = field(default=())
    complete: bool = True


def plan(paths: Sequence[Path], rules: ScanRules, cancel: Cancel, *, limit_s: float = 5.0) -> Plan:
    """Walk the paths and count, for at most limit_s seconds. Raises Cancelled, and RootNotFound for a missing path."""
    count = _Count(time.monotonic() + limit_s)
    folders = tuple(count.add(path, rules, cancel) for path in paths)
    return Plan(
        files=sum(folder.files for folder in folders),
        bytes=sum(folder.bytes for folder in folders),
        reasons=dict(count.reasons.most_common()),
        kinds=dict(count.kinds.most_common(_KINDS)),
        folders=folders,
        examples=tuple(count.examples[:_EXAMPLES]),
        complete=count.complete,
    )


class _Count:
    def __init__(self, end: float) -> None:
        self.reasons: Counter[str] = Counter()
        self.kinds: Counter[str] = Counter()
        self.examples: list[tuple[Path, Left]] = []
        self.complete = True
        self._end = end

    def add(self, path: Path, rules: ScanRules, cancel: Cancel) -> FolderCount:
        files = size = skipped = 0
        for number, word in enumerate(walk(path, rules, cancel)):
            if number % _LOOK_AT_CLOCK == 0 and time.monotonic() > self._end:
                self.complete = False
                break
            if isinstance(word, Found):
                files, size = files + 1, size + word.size
                self.kinds[suffix(word.path.rpartition("/")[2]).lower()] += 1
            else:
                skipped += 1
                self._left(path, word)
        return FolderCount(path, files, size, skipped)

    def _left(self, path: Path, left: Left) -> None:
        """Count it, and keep it as an example unless there are enough of its reason."""
        self.reasons[left.reason] += 1
        if self.reasons[left.reason] <= _EXAMPLES_EACH:
            self.examples.append((path, left))
