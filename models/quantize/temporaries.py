"""Files on their way into a models folder: a name of their own until they are whole, checked and on the disk.

A temporary of ours is `.NAME.quantize.part` beside its target. What a kill leaves behind has such a name, is never
taken for a model, and is removed by `sweep_temporaries`, which the service calls before it starts any job.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from models.durable import sync
from models.errors import BadGguf, QuantizeFailed
from models.gguf import GgufHeader, read_header

SUFFIX = ".quantize.part"


def temporary_of(target: Path) -> Path:
    """The name `target` has while it is made."""
    return target.with_name(f".{target.name}{SUFFIX}")


def sweep_temporaries(folder: Path, *, recursive: bool = True) -> list[Path]:
    """Remove what killed jobs left in `folder`, and return what it was. Blocks; no job may run there meanwhile."""
    pattern = f".*{SUFFIX}"
    found = sorted(folder.rglob(pattern) if recursive else folder.glob(pattern))
    for path in found:
        _remove(path)
    return found


@contextmanager
def temporary_file(target: Path) -> Iterator[Path]:
    """An empty file of ours to be made into `target`; gone at the end unless `keep` has renamed it.

    Raises QuantizeFailed when the folder cannot be written or `target` is there already.
    """
    _refuse_existing(target)
    path = temporary_of(target)
    try:
        _remove(path)
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o600))
    except OSError as error:
        raise _unwritable(target.parent, error) from error
    try:
        yield path
    finally:
        _remove(path)


@contextmanager
def temporary_folder(target: Path) -> Iterator[Path]:
    """The same for a tool that makes several files: an empty folder of ours beside `target`."""
    path = temporary_of(target)
    try:
        _remove(path)
        path.mkdir(0o700)
    except OSError as error:
        raise _unwritable(target.parent, error) from error
    try:
        yield path
    finally:
        _remove(path)


def keep(made: Path, target: Path) -> GgufHeader:
    """Put a finished file in its place: its header is checked, its bytes are on the disk, then it gets its name.

    Raises QuantizeFailed when the file is no whole GGUF or `target` appeared meanwhile. Blocks on the disk.
    """
    try:
        header = read_header(made)
    except BadGguf as error:
        raise QuantizeFailed(
            f"{target.name} did not come out whole: {error.message}", hint="Try again; if it repeats, report it."
        ) from error
    _refuse_existing(target)
    try:
        sync(made)
        made.rename(target)
        sync(target.parent)
    except OSError as error:
        raise _unwritable(target.parent, error) from error
    return header


def _refuse_existing(target: Path) -> None:
    if os.path.lexists(target):
        raise QuantizeFailed(
            f"{target.name} is in {target.parent} already.", hint="Delete or rename it, or choose another folder."
        )


def _unwritable(folder: Path, error: OSError) -> QuantizeFailed:
    return QuantizeFailed(f"Nothing can be written to {folder}: {error.strerror}.", hint="Choose a folder of your own.")


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
