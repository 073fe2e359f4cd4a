"""Ignore files: which rules hold in a folder, and which of them decides about a path."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from rag.scan.patterns import Patterns, Rule

# The strongest last. A rule of a stronger kind wins wherever it stands; within a kind the deepest folder's does.
IGNORE_FILES = (".gitignore", ".ignore", ".jackdawignore")
_LARGEST = 1024 * 1024
_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)


@dataclass(frozen=True, slots=True)
class _Level:
    """Patterns that stand in a folder. A path relative to the root becomes `before + path[cut:]` there."""

    patterns: Patterns
    before: str
    cut: int


@dataclass(frozen=True, slots=True)
class Ignores:
    """The rules that hold in one folder, by kind, the deepest first."""

    levels: tuple[tuple[_Level, ...], ...] = ((), (), ())

    def decide(self, path: str, name: str, *, folder: bool) -> tuple[Patterns, Rule] | None:
        """The rule that says whether a path relative to the root is ignored; None when none says anything."""
        for kind in reversed(self.levels):
            for level in kind:
                rule = level.patterns.match(level.before + path[level.cut :], name, folder=folder)
                if rule is not None:
                    return level.patterns, rule
        return None

    def entered(self, folder: Path, path: str, names: set[str]) -> Ignores:
        """The rules in a folder below: these, and those of its own ignore files. `names` is what lies in it."""
        if names.isdisjoint(IGNORE_FILES):
            return self
        cut = len(path) + 1 if path else 0
        return Ignores(
            tuple(
                _with(kind, folder / name, f"{path}/{name}" if path else name, "", cut) if name in names else kind
                for name, kind in zip(IGNORE_FILES, self.levels, strict=True)
            )
        )


def above(root: Path) -> Ignores:
    """What holds in the root from the repository it lies in: ignore files of the folders above, and info/exclude.

    Empty when there is no repository, or when these very rules ignore the root: then somebody wants it all the same.
    """
    top = next((folder for folder in (root, *root.parents) if (folder / ".git").exists()), None)
    if top is None:
        return Ignores()
    parts = root.relative_to(top).parts
    exclude = _with((), top / ".git/info/exclude", ".git/info/exclude", "".join(f"{part}/" for part in parts), 0)
    levels: list[tuple[_Level, ...]] = [exclude, (), ()]
    for depth in range(len(parts)):
        folder = top.joinpath(*parts[:depth])
        before = "".join(f"{part}/" for part in parts[depth:])
        for kind, name in enumerate(IGNORE_FILES):
            levels[kind] = _with(levels[kind], folder / name, str(folder / name), before, 0)
        if _ignored(levels, parts[depth], sum(len(part) + 1 for part in parts[depth + 1 :])):
            return Ignores()
    return Ignores(tuple(levels))


def _ignored(levels: list[tuple[_Level, ...]], name: str, remainder: int) -> bool:
    """Whether the folder `name` on the way to the root is; `remainder` characters of `before` stand below it."""
    for level in (level for kind in reversed(levels) for level in kind):
        path = level.before[: len(level.before) - remainder - 1]
        rule = level.patterns.match(path, name, folder=True)
        if rule is not None:
            return not rule.negated
    return False


def _with(kind: tuple[_Level, ...], file: Path, source: str, before: str, cut: int) -> tuple[_Level, ...]:
    lines = _lines(file)
    if not lines:
        return kind
    patterns = Patterns.parse(lines, source)
    return (_Level(patterns, before, cut), *kind) if patterns.rules else kind


def _lines(file: Path) -> list[str]:
    """The lines of an ignore file; none of one that is a link, as in git, that is too large or cannot be read."""
    try:
        handle = os.open(file, _FLAGS)
    except OSError:
        return []
    with os.fdopen(handle, "rb") as stream:
        facts = os.fstat(handle)
        if not stat.S_ISREG(facts.st_mode) or facts.st_size > _LARGEST:
            return []
        text = os.fsdecode(stream.read(_LARGEST).removeprefix(b"\xef\xbb\xbf"))
    return [line.removesuffix("\r") for line in text.split("\n")]
