"""What has to be done so that an index says what the disk says; nothing here touches either of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from rag.types import SkipReason

# What the same bytes would meet again only by chance: tried again at every run.
PASSING: frozenset[SkipReason] = frozenset({"unreadable", "changing", "vanished"})


class Stat(Protocol):
    """What a file's status tells of it without reading it; `inode` 0 where there are none."""

    @property
    def size(self) -> int: ...
    @property
    def mtime_ns(self) -> int: ...
    @property
    def device(self) -> int: ...
    @property
    def inode(self) -> int: ...


class Known(Stat, Protocol):
    """A file of the index. `reason` is why it was left out, "" when it was read; `current` whether today's readers
    would make the same of it."""

    @property
    def reason(self) -> SkipReason | str: ...
    @property
    def current(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class IndexPlan:
    """Paths are relative to one root. `moved` are pairs of an old and a new path of a file whose bytes are the same.

    `read` are new and changed files, `left_out` those that a rule keeps out now and did not before, with the reason.
    """

    read: tuple[str, ...] = ()
    moved: tuple[tuple[str, str], ...] = ()
    vanished: tuple[str, ...] = ()
    left_out: tuple[tuple[str, SkipReason], ...] = ()
    unchanged: int = 0
    new: int = 0
    changed: int = field(default=0)

    @property
    def is_empty(self) -> bool:
        return not (self.read or self.moved or self.vanished or self.left_out)


def plan(
    known: Mapping[str, Known],
    found: Mapping[str, Stat],
    left: Mapping[str, SkipReason],
    *,
    full: bool = False,
    within: Sequence[str] | None = None,
) -> IndexPlan:
    """Compare what the index knows of a root with what a scan found there and with what its rules left out.

    `full` reads every file again. `within` names the paths that were looked at, files or folders; what is known
    elsewhere is left alone. None means the whole root.
    """
    gone = [path for path in known if path not in found and path not in left and _inside(path, within)]
    moved = _moves(known, gone, found)
    moved_to = {new for _, new in moved}
    moved_from = {old for old, _ in moved}
    new = [path for path in found if path not in known and path not in moved_to]
    changed = [path for path, stat in found.items() if path in known and (full or differs(known[path], stat))]
    return IndexPlan(
        read=tuple(sorted((*new, *changed))),
        moved=tuple(moved),
        vanished=tuple(path for path in gone if path not in moved_from),
        left_out=tuple((path, why) for path, why in left.items() if path not in known or known[path].reason != why),
        unchanged=len(found) - len(new) - len(changed) - len(moved),
        new=len(new),
        changed=len(changed),
    )


def differs(known: Known, stat: Stat) -> bool:
    """Whether a file must be read again."""
    if not known.current or known.reason in PASSING:
        return True
    return (known.size, known.mtime_ns) != (stat.size, stat.mtime_ns) or _replaced(known, stat)


def _replaced(known: Stat, stat: Stat) -> bool:
    # Another file in its place may have been given the time of the old one: cp -p, rsync --times, tar.
    # The number of a device may be another after each mount, so it tells nothing here.
    return bool(known.inode and stat.inode and known.inode != stat.inode)


def _moves(known: Mapping[str, Known], gone: Iterable[str], found: Mapping[str, Stat]) -> list[tuple[str, str]]:
    """Pairs (old, new): the same file by device, inode, size and time under another name."""
    lost = {_identity(known[path]): path for path in gone if known[path].inode and not known[path].reason}
    if not lost:
        return []
    pairs = []
    for path, stat in found.items():
        if path not in known and (old := lost.pop(_identity(stat), None)) is not None and known[old].current:
            pairs.append((old, path))
    return pairs


def _identity(stat: Stat) -> tuple[int, int, int, int]:
    return stat.device, stat.inode, stat.size, stat.mtime_ns


def _inside(path: str, within: Sequence[str] | None) -> bool:
    if within is None:
        return True
    return any(path == place or place in ("", ".") or path.startswith(f"{place}/") for place in within)
