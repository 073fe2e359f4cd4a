"""Walks a root and says of each file whether it is read."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from models.progress import Cancel
from rag.errors import RootNotFound
from rag.scan.ignore import IGNORE_FILES, Ignores, above
from rag.scan.judge import Judge, Place
from rag.scan.rules import Found, Left, ScanRules

_Said = Iterator[Found | Left]


def walk(root: Path, rules: ScanRules, cancel: Cancel) -> Iterator[Found | Left]:
    """Every file below `root` (or the root itself, when it is a file), in a fixed order.

    Only lstat is asked; no file is opened but ignore files. Never leaves the root: links are followed when their target
    lies inside and is not read under its own name. Folders that are left out come as one Left; nothing below them is
    looked at unless a pattern of `include` may name it. Raises RootNotFound when there is no such file or folder, and
    Cancelled.
    """
    walker = _Walker(root, rules, cancel)
    if not walker.is_folder:
        yield from walker.alone()
        return
    yield from walker.below(walker.start)
    yield from walker.links()


def look(root: Path, paths: Iterable[str], rules: ScanRules) -> Iterator[Found | Left]:
    """What walk() would say of these paths (relative, with "/"), and of all files below one that is a folder.

    For a watcher: a path that is gone gives Left with the reason "vanished". A folder above that is left out is what is
    said of all paths in it, once. Whether a link's target is read under its own name is not known here: links inside
    the root are followed. An ignore file that changed concerns everything beside and below it: walk() again.
    """
    walker = _Walker(root, rules, Cancel())
    if not walker.is_folder:
        yield from walker.alone()
        return
    said: set[str] = set()
    for path in dict.fromkeys(paths):
        for word in walker.one(path):
            if word.path not in said:
                said.add(word.path)
                yield word
    for word in walker.links():
        if word.path not in said:
            said.add(word.path)
            yield word


class _Walker:
    def __init__(self, root: Path, rules: ScanRules, cancel: Cancel) -> None:
        self._root = root.absolute()
        try:
            facts = self._root.stat()
        except OSError as error:
            raise RootNotFound(f"{root} is not there.", hint="Choose a folder or file that exists.") from error
        self.is_folder = stat.S_ISDIR(facts.st_mode)
        self._facts = facts
        self._real = self._root.resolve()
        self._rules = rules
        self.start = Place("", above(self._real) if rules.ignore_files and self.is_folder else Ignores())
        self._judge = Judge(self._root, rules)
        self._cancel = cancel
        self._links: list[tuple[Place, str]] = []
        self._seen: set[tuple[int, int]] = set()
        self._never = set(_identities(rules.never))
        self._steps: dict[str, tuple[Left | None, Place | None]] = {}

    def alone(self) -> _Said:
        """The root, which is a file."""
        name = self._root.name
        if not stat.S_ISREG(self._facts.st_mode):
            yield Left(name, "not_a_file")
            return
        yield self._judge.alone(name) or self._by_size(name, self._facts, link=self._root.is_symlink())

    # Folders

    def below(self, place: Place) -> _Said:
        """All of a folder: its files first, then its folders, by name."""
        waiting = [place]
        while waiting:
            self._cancel.check()
            here = waiting.pop()
            further: list[Place] = []
            yield from self._folder(here, further)
            waiting.extend(reversed(further))

    def _folder(self, place: Place, further: list[Place]) -> _Said:
        try:
            with os.scandir(self._root / place.path) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            yield Left(place.path.rstrip("/") or self._root.name, "unreadable", error.strerror or "", folder=True)
            return
        names = {entry.name for entry in entries}
        place = self._entered(place, names)
        for entry in entries:
            if not _printable(entry.name):
                yield Left(place.path + _shown(entry.name), "unsupported", "its name is not valid UTF-8")
            elif entry.is_symlink():
                self._links.append((place, entry.name))
            elif entry.is_dir(follow_symlinks=False):
                yield from self._subfolder(place, entry, names, further)
            else:
                yield from self._entry(place, entry)

    def _subfolder(self, place: Place, entry: os.DirEntry[str], beside: set[str], further: list[Place]) -> _Said:
        left, below = self._judge.folder(place, entry.name, lambda: beside, lambda: _names(entry.path))
        if left is not None:
            yield left
        if below is None:
            return
        try:
            facts = entry.stat(follow_symlinks=False)
        except OSError:
            yield Left(place.path + entry.name, "vanished", folder=True)
            return
        if own := self._own(below, facts):
            yield own
        elif self._first_time(facts):
            further.append(below)

    def _own(self, below: Place, facts: os.stat_result) -> Left | None:
        """What is said of a folder that is never read, by whatever way it is reached."""
        if (facts.st_dev, facts.st_ino) not in self._never:
            return None
        return Left(below.path.rstrip("/"), "ignored", "Jackdaw keeps its own data there", folder=True)

    def _entered(self, place: Place, names: set[str]) -> Place:
        if not self._rules.ignore_files or names.isdisjoint(IGNORE_FILES):
            return place
        path = place.path.rstrip("/")
        return replace(place, ignores=place.ignores.entered(self._root / path, path, names))

    def _first_time(self, facts: os.stat_result) -> bool:
        key = (facts.st_dev, facts.st_ino)
        if key in self._seen:
            return False
        self._seen.add(key)
        return True

    # Files

    def _entry(self, place: Place, entry: os.DirEntry[str]) -> _Said:
        if self._judge.unnamed(place, entry.name):
            return
        try:
            facts = entry.stat(follow_symlinks=False)
        except OSError:
            yield Left(place.path + entry.name, "vanished")
            return
        yield self._file(place, entry.name, facts)

    def _file(self, place: Place, name: str, facts: os.stat_result) -> Found | Left:
        return self._regular(place.path + name, facts, self._judge.file(place, name))

    def _regular(self, path: str, facts: os.stat_result, left: Left | None, *, link: bool = False) -> Found | Left:
        if not stat.S_ISREG(facts.st_mode):
            return Left(path, "not_a_file")
        if left is not None:
            return replace(left, size=facts.st_size)
        return self._by_size(path, facts, link=link)

    def _by_size(self, path: str, facts: os.stat_result, *, link: bool) -> Found | Left:
        size = facts.st_size
        if size == 0:
            return Left(path, "empty")
        if size > self._rules.max_file_bytes:
            return Left(path, "too_large", f"{size / 2**20:.1f} MiB", size=size)
        self._seen.add((facts.st_dev, facts.st_ino))
        return Found(path, size, facts.st_mtime_ns, facts.st_ino, facts.st_dev, link)

    # Links

    def links(self) -> _Said:
        """The links that were met, after everything that is no link; those below linked folders too."""
        while self._links:
            place, name = self._links.pop(0)
            self._cancel.check()
            yield from self._link(place, name)

    def _link(self, place: Place, name: str) -> _Said:
        if self._judge.unnamed(place, name):
            return
        path = place.path + name
        try:
            target = (self._root / path).resolve(strict=True)
            facts = target.stat()
        except (OSError, RuntimeError):
            yield Left(path, "vanished", "a link that leads nowhere, or in a circle")
            return
        if not target.is_relative_to(self._real):
            yield Left(path, "link_outside", str(target))
            return
        inside = target.relative_to(self._real)
        if (facts.st_dev, facts.st_ino) in self._seen or target == self._real:
            yield Left(path, "ignored", f"a link to {inside}, which is read itself")
        elif stat.S_ISDIR(facts.st_mode):
            yield from self._linked_folder(place, name, target, facts)
        else:
            left = self._judge.file(place, name) or self._judge.target(path, inside.parts)
            yield self._regular(path, facts, left, link=True)

    def _linked_folder(self, place: Place, name: str, target: Path, facts: os.stat_result) -> _Said:
        path = place.path + name
        refused = self._judge.target(path, target.relative_to(self._real).parts)
        if refused is not None:
            yield replace(refused, folder=True)
            return
        left, below = self._step(place, name)
        if left is not None:
            yield left
        if below is None:
            return
        if own := self._own(below, facts):
            yield own
        elif self._first_time(facts):
            yield from self.below(below)

    # Single paths

    def one(self, path: str) -> _Said:
        """One path below the root, with what holds on the way to it."""
        parts = [part for part in path.split("/") if part not in ("", ".")]
        if not parts:
            yield from self.below(self.start)
        if ".." in parts:
            return
        place = self._entered(self.start, set(IGNORE_FILES))
        for depth, name in enumerate(parts):
            last = depth + 1 == len(parts)
            try:
                facts = (self._root / place.path / name).lstat()
            except OSError:
                yield Left(path, "vanished")
                return
            if stat.S_ISLNK(facts.st_mode):
                self._links.append((place, name))
                return
            if not stat.S_ISDIR(facts.st_mode):
                yield self._file(place, name, facts) if last else Left(path, "vanished")
                return
            left, below = self._remembered(place, name)
            if left is not None:
                yield left
            if below is None:
                return
            if own := self._own(below, facts):
                yield own
                return
            if last:
                yield from self.below(below)
            place = self._entered(below, set(IGNORE_FILES))

    def _remembered(self, place: Place, name: str) -> tuple[Left | None, Place | None]:
        path = place.path + name
        if path not in self._steps:
            self._steps[path] = self._step(place, name)
        return self._steps[path]

    def _step(self, place: Place, name: str) -> tuple[Left | None, Place | None]:
        folder = self._root / place.path
        return self._judge.folder(place, name, lambda: _names(folder), lambda: _names(folder / name))


def _identities(folders: Iterable[Path]) -> Iterator[tuple[int, int]]:
    for folder in folders:
        with contextlib.suppress(OSError):
            facts = folder.stat()
            yield facts.st_dev, facts.st_ino


def _names(folder: str | Path) -> set[str]:
    try:
        with os.scandir(folder) as listing:
            return {entry.name for entry in listing}
    except OSError:
        return set()


def _printable(name: str) -> bool:
    return name.isascii() or not any("\ud800" <= char <= "\udfff" for char in name)


def _shown(name: str) -> str:
    return os.fsencode(name).decode("utf-8", "backslashreplace")
