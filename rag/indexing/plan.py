"""What has to be done so that an index says what the disk says; nothing here touches either of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import PurePosixPath

from rag.scan.rules import Found, Left
from rag.store.rows import FileStat, KnownFile

# What the same file may not meet a second time: tried again at every run.
PASSING = frozenset({"unreadable", "changing", "vanished"})


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at one root gave, beside what the index knows of it.

    `stale` are paths whose content was read by other readers than today's. `within` are the paths that were looked at,
    files or folders: what is known elsewhere is left alone. None means the whole root.
    """

    root_id: int
    known: Mapping[str, KnownFile]
    seen: Sequence[Found | Left]
    stale: AbstractSet[str] = frozenset()
    within: Sequence[str] | None = None


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file of a root; `known` when the index has its path."""

    root_id: int
    file: Found
    known: KnownFile | None = None


@dataclass(frozen=True, slots=True)
class Move:
    """A file whose bytes are known under another path, maybe of another root of the collection."""

    root_id: int
    path: str
    to_root_id: int
    file: Found


@dataclass(frozen=True, slots=True)
class IndexPlan:
    """`read` are new and changed files, `vanished` pairs of a root and a path.

    `left_out` is what a rule keeps out now and did not before.
    """

    read: tuple[FoundFile, ...] = ()
    moved: tuple[Move, ...] = ()
    vanished: tuple[tuple[int, str], ...] = ()
    left_out: tuple[tuple[int, Left], ...] = ()
    unchanged: int = 0

    @property
    def is_empty(self) -> bool:
        return not (self.read or self.moved or self.vanished or self.left_out)


def plan(looks: Iterable[Look], *, full: bool = False) -> IndexPlan:
    """Compare what the index knows with what is there, over all roots of a collection; `full` reads all again."""
    read: list[FoundFile] = []
    gone: list[tuple[Look, str]] = []
    left_out: list[tuple[int, Left]] = []
    unchanged = 0
    for look in looks:
        found, left = _apart(look.seen)
        gone += [(look, path) for path in look.known if path not in found and path not in left and _inside(path, look)]
        left_out += [(look.root_id, one) for one in left.values() if _newly_left(look.known.get(one.path), one)]
        for path, file in found.items():
            known = look.known.get(path)
            if known is None or full or path in look.stale or differs(known, file):
                read.append(FoundFile(look.root_id, file, known))
            else:
                unchanged += 1
    moved = [] if full else _moves(gone, read)
    to = {(move.to_root_id, move.file.path) for move in moved}
    away = {(move.root_id, move.path) for move in moved}
    return IndexPlan(
        read=tuple(one for one in read if (one.root_id, one.file.path) not in to),
        moved=tuple(moved),
        vanished=tuple((look.root_id, path) for look, path in gone if (look.root_id, path) not in away),
        left_out=tuple(left_out),
        unchanged=unchanged,
    )


def differs(known: KnownFile, found: Found) -> bool:
    """Whether a file must be read again: it is another by its status, or was not read to an end."""
    if known.state == "waiting" or known.reason in PASSING:
        return True
    if (known.stat.size, known.stat.mtime_ns) != (found.size, found.mtime_ns):
        return True
    # Another file in its place may have been given the time of the old one: cp -p, rsync --times, tar. The number of
    # a device may be another after each mount, so it tells nothing here.
    return bool(known.stat.inode and found.inode and known.stat.inode != found.inode)


def stat_of(file: Found | Left) -> FileStat:
    """What the store keeps of a file's status. A file that a rule left out has no time, so it differs once it is in."""
    if isinstance(file, Left):
        return FileStat(file.size, 0, 0, 0)
    return FileStat(file.size, file.mtime_ns, file.inode, file.device)


def variant(path: str) -> str:
    """What of a file's name decides how it is read: its suffix, or the name of one without (Makefile)."""
    name = PurePosixPath(path)
    return (name.suffix or name.name).lower()


def _apart(seen: Iterable[Found | Left]) -> tuple[dict[str, Found], dict[str, Left]]:
    found: dict[str, Found] = {}
    left: dict[str, Left] = {}
    for one in seen:
        if isinstance(one, Found):
            found[one.path] = one
        elif one.reason != "vanished":
            left[one.path] = one
    return found, left


def _moves(gone: Iterable[tuple[Look, str]], read: Iterable[FoundFile]) -> list[Move]:
    """The same file by device, inode, size and time under another name that says the same of how to read it."""
    lost = {
        (look.known[path].stat, variant(path)): (look.root_id, path)
        for look, path in gone
        if look.known[path].stat.inode and look.known[path].document_id is not None and path not in look.stale
    }
    if not lost:
        return []
    moves = []
    for one in read:
        old = lost.pop((stat_of(one.file), variant(one.file.path)), None) if one.known is None else None
        if old is not None:
            moves.append(Move(*old, one.root_id, one.file))
    return moves


def _newly_left(known: KnownFile | None, left: Left) -> bool:
    return known is None or known.state != "skipped" or known.reason != left.reason


def _inside(path: str, look: Look) -> bool:
    if look.within is None:
        return True
    return any(path == place or place in ("", ".") or path.startswith(f"{place}/") for place in look.within)
