"""Walks a root and says of each file whether it is read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from models.progress import Cancel
from rag.scan.rules import Found, Left, ScanRules


def walk(root: Path, rules: ScanRules, cancel: Cancel) -> Iterator[Found | Left]:
    """Every file below `root` (or the root itself, when it is a file), in a fixed order.

    Only lstat is asked; no file is opened but ignore files. Never leaves the root: links are followed when their target
    lies inside and is not read under its own name. Raises RootNotFound when there is no such file or folder, Cancelled.
    """
    raise NotImplementedError


def look(root: Path, paths: Iterable[str], rules: ScanRules) -> Iterator[Found | Left]:
    """What walk() would say of these paths (relative, with "/"), of all files below one that is a folder.

    For a watcher: a path that is gone gives Left with the reason "vanished".
    """
    raise NotImplementedError
