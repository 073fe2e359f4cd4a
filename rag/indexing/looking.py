"""Looks at the roots of a collection: what the index knows of them, and what is there now."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rag.errors import RootNotFound
from rag.indexing.pace import Pace
from rag.indexing.plan import Look
from rag.reading.version import PARSER_VERSION
from rag.scan import Found, Left, ScanRules, look, walk
from rag.store.rows import KnownFile, RootRow
from rag.store.store import FileStore
from rag.store.stored_text import real_path

_LOOK_EVERY = 256  # entries between two looks at the clock and at who waits


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A root that cannot be looked at now; what the index has of it stays. `problem` says why, in words."""

    root: RootRow
    problem: str


def scan_rules(rules: Mapping[str, Any]) -> ScanRules:
    """The rules of a collection as they are stored: fields of ScanRules by name, as JSON values."""
    usual = ScanRules()
    return ScanRules(
        include=tuple(rules.get("include", ())),
        exclude=tuple(rules.get("exclude", ())),
        ignore_files=bool(rules.get("ignore_files", usual.ignore_files)),
        secrets=bool(rules.get("secrets", usual.secrets)),
        generated=bool(rules.get("generated", usual.generated)),
        hidden=bool(rules.get("hidden", usual.hidden)),
        max_file_bytes=int(rules.get("max_file_bytes", usual.max_file_bytes)),
    )


async def look_at(
    store: FileStore, root: RootRow, rules: ScanRules, pace: Pace, within: Sequence[Path] | None = None
) -> Look | Unreadable:
    """Look at a whole root, or at what lies at the paths `within` (absolute, below it). Raises Cancelled."""
    known = await store.known_files(root.id)
    stale = await store.database.read(lambda connection: _stale(connection, root.id))
    place = Path(root.path)
    inner = None if within is None or place in within else [path.relative_to(place).as_posix() for path in within]
    try:
        seen = await asyncio.to_thread(_see, place, replace(rules, never=(store.database.path.parent,)), pace, inner)
    except (RootNotFound, OSError) as error:
        return Unreadable(root, _problem(place, error))
    if inner is None and not seen and _may_be_unmounted(place, known):
        return Unreadable(root, f"{place} is empty, and was on another disk: it may not be mounted.")
    return Look(root.id, known, seen, stale, inner)


def _problem(place: Path, error: RootNotFound | OSError) -> str:
    if isinstance(error, RootNotFound):
        return error.message
    return f"{place} is not there." if isinstance(error, FileNotFoundError) else f"{place}: {error.strerror}."


def below(root: RootRow, paths: Iterable[Path]) -> list[Path]:
    """Those of `paths` that lie in a root, or hold it: then the root itself."""
    place = Path(root.path)
    inner = [path for path in paths if path.is_relative_to(place)]
    return [place] if any(place.is_relative_to(path) for path in paths) else inner


def _see(place: Path, rules: ScanRules, pace: Pace, inner: list[str] | None) -> list[Found | Left]:
    # A root that is a file has no name below itself.
    alone = stat.S_ISREG(place.stat().st_mode)
    entries = walk(place, rules, pace.cancel) if inner is None or alone else look(place, inner, rules)
    return [_nameless(one) if alone else one for one in _gently(entries, pace)]


def _gently(entries: Iterable[Found | Left], pace: Pace) -> Iterator[Found | Left]:
    for number, one in enumerate(entries):
        if number and number % _LOOK_EVERY == 0:  # a saved file alone is looked at at once
            pace.throttle.turn_in_thread(pace.cancel)
        yield one


def _nameless(one: Found | Left) -> Found | Left:
    if isinstance(one, Found):
        return Found("", one.size, one.mtime_ns, one.inode, one.device, one.link)
    return Left("", one.reason, one.detail, one.folder, one.size)


def _may_be_unmounted(place: Path, known: Mapping[str, KnownFile]) -> bool:
    device = place.stat().st_dev
    return any(file.document_id is not None and file.stat.device != device for file in known.values())


def _stale(connection: sqlite3.Connection, root_id: int) -> frozenset[str]:
    found = connection.execute(
        """SELECT f.path FROM files f JOIN documents d ON d.id = f.document_id
           WHERE f.root_id = ? AND d.parser_version <> ?""",
        (root_id, PARSER_VERSION),
    )
    return frozenset(real_path(path) for (path,) in found)
