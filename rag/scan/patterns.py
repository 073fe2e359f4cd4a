"""The patterns of .gitignore, with git's meaning.

Source: gitignore(5), and git's dir.c and wildmatch.c where the page is silent. Matching takes time linear in the name
for each pattern, whatever the pattern, because cloned folders bring their own. Characters are code points, where git
counts bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_CLASSES = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "blank": " \\t",
    "cntrl": "\\x00-\\x1f\\x7f",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": "!-/:-@\\[-`{-~",
    "space": " \\t-\\r",
    "upper": "A-Z",
    "xdigit": "0-9A-Fa-f",
}
_TRAILING_SPACES = re.compile(r"(?<!\\)((?:\\\\)*) +$")
_SPECIAL = re.compile(r"[*?\[\\]")


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of an ignore file. `segments` are None for any number of folders, a string, or an expression."""

    text: str
    line: int
    negated: bool
    folders_only: bool
    anchored: bool
    segments: tuple[str | re.Pattern[str] | None, ...]


def parse_rule(line: str, number: int = 0) -> Rule | None:
    """The rule of a line; None for blank lines, comments, and patterns that can match nothing."""
    text = _TRAILING_SPACES.sub(r"\1", line)
    if not text or text.startswith("#"):
        return None
    negated = text.startswith("!")
    pattern = text[negated:]
    folders_only = pattern.endswith("/")
    pattern = pattern.removesuffix("/")
    anchored = "/" in pattern
    pieces = _pieces(pattern.removeprefix("/"))
    if not pieces:
        return None
    return Rule(text, number, negated, folders_only, anchored, tuple(_segments(pieces)))


def rule_for(path: str) -> str:
    """A rule that names this path, with "/" and absolute in what it is for, and nothing else."""
    escaped = "".join(f"\\{letter}" if letter in "*?[]\\" else letter for letter in path.strip("/"))
    return f"/{escaped[:-1]}\\ " if escaped.endswith(" ") else f"/{escaped}"


def of_root(lines: Iterable[str], root: Path) -> list[str]:
    """The lines with those that begin with the absolute path of this root made relative to it."""
    above = rule_for(f"{root.as_posix()}/x").removesuffix("x")
    return [_below(line, above) for line in lines]


def _below(line: str, above: str) -> str:
    negated = "!" if line.startswith("!") else ""
    rest = line.removeprefix(negated).removeprefix(above)
    return line if rest == line.removeprefix(negated) else f"{negated}/{rest}"


def _pieces(pattern: str) -> list[str] | None:
    """Expressions of one character each, "*" for a run of stars ("**" for two or more), "/" for a slash."""
    found: list[str] = []
    at = 0
    while at < len(pattern):
        char = pattern[at]
        if char == "*":
            run = len(pattern) - at - len(pattern[at:].lstrip("*"))
            found.append("*" if run == 1 else "**")
            at += run
        elif char == "[":
            parsed = _class(pattern, at + 1)
            if parsed is None:
                return None
            found.append(parsed[0])
            at = parsed[1]
        elif char == "\\":
            if at + 1 == len(pattern):
                return None
            found.append("/" if pattern[at + 1] == "/" else re.escape(pattern[at + 1]))
            at += 2
        else:
            found.append("." if char == "?" else "/" if char == "/" else re.escape(char))
            at += 1
    return found


def _class(pattern: str, at: int) -> tuple[str, int] | None:
    """A bracket expression that begins at `at`, and where it ends; None when it does not end."""
    negated = pattern[at : at + 1] in ("!", "^")
    at += negated
    members: list[str] = []
    first = True
    while first or pattern[at : at + 1] != "]":
        first = False
        if pattern.startswith("[:", at):
            end = pattern.find("]", at + 2)
            if end < 0:
                return None
            if pattern[end - 1] == ":" and end - 1 >= at + 2:
                name = pattern[at + 2 : end - 1]
                if name not in _CLASSES:
                    return None
                members.append(_CLASSES[name])
                at = end + 1
                continue
        one, at = _member(pattern, at)
        if one is None:
            return None
        if pattern[at : at + 1] == "-" and pattern[at + 1 : at + 2] not in ("]", ""):
            two, at = _member(pattern, at + 1)
            if two is None:
                return None
            members.append(f"{re.escape(one)}-{re.escape(two)}" if one <= two else re.escape(one))
        else:
            members.append(re.escape(one))
    body = "".join(members)
    if negated:
        return f"[^/{body}]", at + 1
    return (f"(?!/)[{body}]" if body else "(?!)."), at + 1


def _member(pattern: str, at: int) -> tuple[str | None, int]:
    if pattern[at : at + 1] == "\\":
        at += 1
    return (pattern[at], at + 1) if at < len(pattern) else (None, at)


def _segments(pieces: Sequence[str]) -> Iterable[str | re.Pattern[str] | None]:
    part: list[str] = []
    for piece in (*pieces, "/"):
        if piece != "/":
            part.append(piece)
            continue
        yield None if part == ["**"] else _segment(part)
        part = []


def _segment(pieces: Sequence[str]) -> str | re.Pattern[str]:
    """One name's expression. What stands between two stars takes the first place it fits, and never looks back."""
    chunks = [""]
    for piece in pieces:
        if piece in ("*", "**"):
            chunks.append("")
        else:
            chunks[-1] += piece
    if len(chunks) == 1 and all(piece[-1:].isalnum() or piece[0] == "\\" or piece in "-_" for piece in pieces):
        return "".join(piece[-1] for piece in pieces)
    expression = chunks[0]
    if len(chunks) > 1:
        expression += "".join(f"(?>.*?{chunk})" for chunk in chunks[1:-1]) + f".*{chunks[-1]}"
    return re.compile(expression, re.DOTALL)


def _fits(segment: str | re.Pattern[str], name: str) -> bool:
    return segment == name if isinstance(segment, str) else segment.fullmatch(name) is not None


def _path_fits(segments: Sequence[str | re.Pattern[str] | None], names: Sequence[str]) -> bool:
    """Whether the names fit, None standing for any number of them (at the end for at least one)."""
    at = star = -1
    index = mark = 0
    at = 0
    while index < len(names):
        segment = segments[at] if at < len(segments) else ""
        if segment is None:
            if at + 1 == len(segments):
                return True
            star, mark = at, index
            at += 1
        elif at < len(segments) and _fits(segment, names[index]):
            at += 1
            index += 1
        elif star >= 0:
            mark += 1
            at, index = star + 1, mark
        else:
            return False
    return at == len(segments)


@dataclass(slots=True)
class Patterns:
    """The rules of one file, or of one list; the last that matches decides."""

    source: str
    rules: list[Rule] = field(default_factory=list)
    _names: dict[str, list[int]] = field(default_factory=dict)
    _endings: dict[str, list[tuple[str, int]]] = field(default_factory=dict)
    _others: list[int] = field(default_factory=list)

    @classmethod
    def parse(cls, lines: Iterable[str], source: str) -> Patterns:
        """Rules of the lines; those that can match nothing are left out."""
        patterns = cls(source)
        for number, line in enumerate(lines, 1):
            rule = parse_rule(line, number)
            if rule is not None:
                patterns._add(rule)
        return patterns

    def _add(self, rule: Rule) -> None:
        index = len(self.rules)
        self.rules.append(rule)
        segment = rule.segments[0]
        ending = rule.text[rule.negated :].rstrip("/")[1:]
        if rule.anchored:
            self._others.append(index)
        elif isinstance(segment, str):
            self._names.setdefault(segment, []).append(index)
        elif rule.text[rule.negated] == "*" and "." in ending and not _SPECIAL.search(ending):
            self._endings.setdefault(_suffix(ending), []).append((ending, index))
        else:
            self._others.append(index)

    def match(self, path: str, name: str, *, folder: bool) -> Rule | None:
        """The rule that decides about a path relative to where the patterns stand; `name` is its last part."""
        best = -1
        for index in self._names.get(name, ()):
            if index > best and (folder or not self.rules[index].folders_only):
                best = index
        for ending, index in self._endings.get(_suffix(name), ()):
            if index > best and name.endswith(ending) and (folder or not self.rules[index].folders_only):
                best = index
        names: list[str] | None = None
        for index in reversed(self._others):
            if index < best:
                break
            rule = self.rules[index]
            if rule.folders_only and not folder:
                continue
            if rule.anchored and names is None:
                names = path.split("/")
            if _path_fits(rule.segments, names if rule.anchored and names else (name,)):
                best = index
                break
        return self.rules[best] if best >= 0 else None

    def reaches(self, path: str) -> bool:
        """Whether something below this folder could match."""
        names = path.split("/")
        return any(not rule.anchored or _reaches(rule.segments, names) for rule in self.rules if not rule.negated)


def _reaches(segments: Sequence[str | re.Pattern[str] | None], names: Sequence[str]) -> bool:
    for index, name in enumerate(names):
        segment = segments[index] if index < len(segments) else ""
        if segment is None:
            return True
        if index >= len(segments) or not _fits(segment, name):
            return False
    return len(segments) > len(names)


def _suffix(name: str) -> str:
    return name[name.rfind(".") :] if "." in name else ""
