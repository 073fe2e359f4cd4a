"""What would be read of some paths, without reading any."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from models.progress import Cancel
from rag.scan.rules import Left, ScanRules


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

    `complete` is False when time ran out before all was counted.
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
    raise NotImplementedError
