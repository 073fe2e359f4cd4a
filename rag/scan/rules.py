"""What of a folder is read, and what a walk says about each file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rag.types import SkipReason

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ScanRules:
    """The rules of a collection. Patterns are those of .gitignore; `include` wins over every rule but the size cap.

    They hold below every root; one that begins with the absolute path of a root, in that root alone.
    `ignore_files`: obey .gitignore, .ignore and .jackdawignore. `secrets`, `generated` and `hidden`: read those too.
    `never` are folders that nothing brings in, not even `include`: where Jackdaw keeps what it has made of the files.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    ignore_files: bool = True
    secrets: bool = False
    generated: bool = False
    hidden: bool = False
    max_file_bytes: int = 50 * MIB
    never: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """A regular file to read. `path` is relative to the root with "/" ("" never); for a root that is a file, its name.

    Size, time, inode and device are those of the file itself, or of the target when `link`.
    """

    path: str
    size: int
    mtime_ns: int
    inode: int
    device: int
    link: bool = False


@dataclass(frozen=True, slots=True)
class Left:
    """A file that is not read, or with `folder` a whole folder, whose content was not looked at.

    `detail` says more in a few words (the rule and where it stands); reason_sentence() makes a sentence of both.
    """

    path: str
    reason: SkipReason
    detail: str = ""
    folder: bool = False
    size: int = 0
