"""Says of a name whether it is read. Knows rules and names; asks the disk nothing but what it is told."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path

from rag.scan import known
from rag.scan.ignore import IGNORE_FILES, Ignores
from rag.scan.patterns import Patterns, of_root
from rag.scan.rules import Left, ScanRules
from rag.types import SkipReason

DEEPEST = 64
_PACKAGES = frozenset({"node_modules", "site-packages", "dist-packages"})
_Why = tuple[SkipReason, str]
Names = Callable[[], Collection[str]]


@dataclass(frozen=True, slots=True)
class Place:
    """What holds in a folder: `path` is relative to the root, "" or ending in "/".

    `included`: a pattern of `include` names it or a folder above. `only_included`: it is left out, but patterns of
    `include` may name something below.
    """

    path: str
    ignores: Ignores
    depth: int = 0
    included: bool = False
    only_included: bool = False


class Judge:
    """Applies the rules of one walk."""

    def __init__(self, root: Path, rules: ScanRules) -> None:
        self._rules = rules
        self._include = Patterns.parse(of_root(rules.include, root), "include")
        self._exclude = Patterns.parse(of_root(rules.exclude, root), "exclude")
        # Somebody who adds such a folder itself wants what is in it.
        self._vendored = rules.generated or _within_vendored(root)

    def folder(self, place: Place, name: str, beside: Names, inside: Names) -> tuple[Left | None, Place | None]:
        """Why a folder in `place` is left out, if it is; and what holds in it, if it is to be entered all the same."""
        path = place.path + name
        below = replace(place, path=f"{path}/", depth=place.depth + 1)
        if name in known.VERSION_CONTROL:
            return Left(path, "ignored", f"{name} belongs to version control", folder=True), None
        if below.depth > DEEPEST:
            return Left(path, "too_deep", f"{DEEPEST} folders", folder=True), None
        if place.included or self._named(path, name, folder=True):
            return None, replace(below, included=True, only_included=False)
        why = None if place.only_included else self._folder_left(place, name, beside, inside)
        if why is None and not place.only_included:
            return None, below
        further = replace(below, only_included=True) if self._include.reaches(path) else None
        return (Left(path, *why, folder=True) if why else None), further

    def file(self, place: Place, name: str) -> Left | None:
        """Why a file in `place` is left out by its name; None when it is to be read."""
        path = place.path + name
        if place.included or self._named(path, name, folder=False):
            return None
        why = self._file_left(place, name)
        return Left(path, *why) if why else None

    def unnamed(self, place: Place, name: str) -> bool:
        """Whether a file is not worth a word: its folder was left out, and no pattern of `include` names it."""
        return place.only_included and not self._named(place.path + name, name, folder=False)

    def alone(self, name: str) -> Left | None:
        """As file(), for a root that is a file: only what it is can speak against it."""
        if self._named(name, name, folder=False):
            return None
        if known.secret(name) and not self._rules.secrets:
            return Left(name, "secret", name)
        return Left(name, "binary", known.suffix(name)) if known.binary(name) else None

    def target(self, path: str, parts: tuple[str, ...]) -> Left | None:
        """What speaks against the target of the link `path`, whose `parts` are relative to the root."""
        if not known.VERSION_CONTROL.isdisjoint(parts):
            return Left(path, "ignored", "a link into what belongs to version control")
        if not self._rules.secrets and (known.secret(parts[-1]) or any(map(known.secret_folder, parts))):
            return Left(path, "secret", f"a link to {'/'.join(parts)}")
        return Left(path, "binary", known.suffix(parts[-1])) if known.binary(parts[-1]) else None

    def _named(self, path: str, name: str, *, folder: bool) -> bool:
        rule = self._include.match(path, name, folder=folder)
        return rule is not None and not rule.negated

    def _folder_left(self, place: Place, name: str, beside: Names, inside: Names) -> _Why | None:
        rules = self._rules
        if known.secret_folder(name):
            return None if rules.secrets else ("secret", name)
        ignored, wanted = self._ignored(place, name, folder=True)
        if ignored or wanted:
            return ignored
        if not rules.generated and known.cache_folder(name):
            return "generated", f"{name} holds what tools make"
        if not self._vendored and known.vendored_folder(name, beside, inside):
            return "generated", f"{name} holds what others or tools made"
        if name.startswith(".") and not rules.hidden:
            return "ignored", f"{name} is hidden"
        return None

    def _file_left(self, place: Place, name: str) -> _Why | None:
        rules = self._rules
        secret = known.secret(name)
        if secret and not rules.secrets:
            return "secret", name
        ignored, wanted = self._ignored(place, name, folder=False)
        if ignored:
            return ignored
        if not wanted and not rules.generated and (made := known.generated(name)):
            return "generated", made
        if not wanted and name[0] == "." and not rules.hidden and not secret:
            return "ignored", f"{name} is hidden"
        return ("binary", known.suffix(name)) if known.binary(name) else None

    def _ignored(self, place: Place, name: str, *, folder: bool) -> tuple[_Why | None, bool]:
        """Why a rule leaves it out, or whether one asks for it that was written for searching, not for git."""
        path = place.path + name
        rule = self._exclude.match(path, name, folder=folder)
        if rule is not None:
            return (None, True) if rule.negated else (("ignored", f"{rule.text} of the collection"), False)
        decided = place.ignores.decide(path, name, folder=folder)
        if decided is None:
            return None, False
        source, rule = decided[0].source, decided[1]
        if rule.negated:
            return None, source.endswith(IGNORE_FILES[1:])
        return ("ignored", f"{rule.text} in {source}, line {rule.line}"), False


def _within_vendored(root: Path) -> bool:
    """Whether the root is a folder of others' files or of a build, or lies in an environment of packages."""
    if known.ambiguous_folder(root.name) or not {"node_modules", "site-packages", "dist-packages"}.isdisjoint(
        root.parts
    ):
        return True
    return any((folder / "pyvenv.cfg").exists() for folder in (root, *root.parents))
