"""The files around jackdaw.db: integrity check, backups (three are kept), copies of a corrupt file.

Blocking code for a thread. Backups are made with SQLite's backup API only, since a copy of a live file can be corrupt
(sqlite.org/howtocorrupt.html, 1.3), and are checked before they count. Nothing here deletes a database.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from models.durable import sync
from models.errors import DatabaseBusy, DatabaseCorrupt, DatabaseError, DiskFull
from models.progress import Cancel

BACKUPS_KEPT = 3
BACKUP_STEP_PAGES = 1024  # a cancellation waits for no more than 4 MiB
COMPANIONS = ("", "-wal")  # -shm can always be made anew
_DISK_HINT = "Check the disk with the data folder, then start Jackdaw again."


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn what SQLite says about the world (busy, full, corrupt, unreadable) into our errors.

    What it says about the statements (a constraint, a syntax error) passes unchanged: that is for the caller, or a bug.
    """
    try:
        yield
    except sqlite3.Error as error:
        if (known := world_error(error, path)) is None:
            raise
        raise known from error


@contextmanager
def explained_with_files(path: Path) -> Iterator[None]:
    """The same where we work on the files ourselves: OSError too."""
    try:
        with explained(path):
            yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _disk_full(path) from error
        raise DatabaseError(f"{error.filename or path}: {error.strerror}.", hint=_DISK_HINT) from error


def world_error(error: sqlite3.Error, path: Path) -> DatabaseError | DiskFull | None:
    """Our error for an SQLite error that the world caused, None for all others."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return DatabaseBusy(
            f"Another program holds {path.name}; nothing was written.",
            hint="Close the program that has it open, then try again.",
        )
    if code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and _free_bytes(path) < 1 << 20):
        return _disk_full(path)
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return DatabaseCorrupt(
            f"{path.name} is damaged: {error}.", hint="Start Jackdaw again: it checks the file and looks for a backup."
        )
    if code in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
        return DatabaseError(f"{path} cannot be used: {error}.", hint=_DISK_HINT)
    return None


def read_only(path: Path, busy_timeout_s: float = 5.0) -> sqlite3.Connection:
    """A connection that changes nothing, not even the file's write-ahead log when it closes."""
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=busy_timeout_s, isolation_level=None
    )


def schema_version(path: Path, busy_timeout_s: float = 5.0, *, check: bool = True) -> int:
    """PRAGMA user_version, after the whole file passed SQLite's quick_check (which `check` False leaves out).

    Raises DatabaseCorrupt when it did not pass, DatabaseBusy when somebody holds it exclusively. A file of no bytes
    passes with version 0.
    """
    with explained(path), contextlib.closing(read_only(path, busy_timeout_s)) as connection:
        findings = [str(row[0]) for row in connection.execute("PRAGMA quick_check(3)")] if check else ["ok"]
        if findings != ["ok"]:
            # SQLite's findings can have several lines; one says enough.
            raise DatabaseCorrupt(f"{path.name} is damaged: {findings[0].splitlines()[-1]}.")
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


def refuse_emptied(path: Path) -> None:
    """Raise DatabaseCorrupt for a file of no bytes that has backups: SQLite would take it for a new database."""
    if path.exists() and path.stat().st_size == 0 and backups(path):
        raise DatabaseCorrupt(f"{path.name} is damaged: it is empty, though there are backups of it.")


def backup_folder(path: Path) -> Path:
    return path.parent / "backups"


def backups(path: Path) -> list[Path]:
    """Backups of this database, newest first. They are numbered, since clocks jump."""
    found = backup_folder(path).glob(f"{path.stem}-[0-9]*{path.suffix}")
    numbered = [(number, file) for file in found if (number := _backup_number(file)) is not None]
    return [file for _, file in sorted(numbered, reverse=True)]


def newest_good_backup(path: Path) -> Path | None:
    """The newest backup that passes its check."""
    for file in backups(path):
        with contextlib.suppress(DatabaseError, sqlite3.Error):
            if schema_version(file) > 0:  # a file that lost all its bytes passes SQLite's check
                return file
    return None


def make_backup(path: Path, source: sqlite3.Connection, cancel: Cancel | None = None) -> Path:
    """A checked copy of the database `source` is connected to, as it is at one moment; keeps the newest three.

    Writers of other connections go on meanwhile. It gets its final name only after it passed quick_check and is on the
    disk. Raises DiskFull, DatabaseCorrupt or Cancelled, and then leaves nothing.
    """
    cancel = cancel or Cancel()
    folder = backup_folder(path)
    newest = next(iter(backups(path)), None)
    number = (_backup_number(newest) or 0) + 1 if newest else 1
    made = folder / f"{path.stem}-{number:06d}{path.suffix}"
    part = made.with_suffix(".part")
    try:
        with explained_with_files(made):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            part.unlink(missing_ok=True)
            _create_private(part)
            with contextlib.closing(sqlite3.connect(part, isolation_level=None)) as target:
                _copy_one_moment(source, target, cancel)
                target.execute("PRAGMA journal_mode = DELETE")  # one file, no log beside it
            schema_version(part)
            cancel.check()
            sync(part)
            part.replace(made)
            sync(folder)
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
    for old in backups(path)[BACKUPS_KEPT:]:
        with contextlib.suppress(OSError):  # one too many does no harm, and the next backup tries again
            old.unlink()
    return made


def set_aside(path: Path) -> Path | None:
    """Copy a corrupt database and its log to `….corrupt-N`, once; None when the disk has no room for it."""
    copy = _corrupt_name(path)
    if copy.exists():
        return copy
    try:
        for companion in reversed(COMPANIONS):  # the log first: the copy under its main name means "complete"
            source = Path(f"{path}{companion}")
            if source.exists():
                _copy_whole(source, Path(f"{copy}{companion}"))
    except OSError:
        return None
    return copy


def restore(path: Path, backup: Path) -> None:
    """Put a backup in the database's place; what was there is set aside first. Nobody may have it open."""
    with explained_with_files(path):
        if path.exists() and set_aside(path) is None:
            raise _disk_full(path)
        part = path.with_name(f".{path.name}.part")
        _copy_whole(backup, part)
        for companion in ("-wal", "-shm"):  # belongs to the damaged file; it would be replayed into the backup
            Path(f"{path}{companion}").unlink(missing_ok=True)
        part.replace(path)
        sync(path.parent)


def move_aside(path: Path) -> Path:
    """Leave no database in this place: what is there becomes `….corrupt-N`, whose name is returned. Needs no room.

    Where a copy was set aside before, the moved file takes the copy's place. Nobody may have it open.
    """
    with explained_with_files(path):
        kept = _corrupt_name(path)
        wal = Path(f"{path}-wal")
        if wal.exists():  # the log first: after a kill in between, the next call moves the rest to the same name
            wal.replace(Path(f"{kept}-wal"))
        path.replace(kept)
        Path(f"{path}-shm").unlink(missing_ok=True)
        sync(path.parent)
    return kept


def create_private(path: Path) -> None:
    """Make the file 0600 before SQLite does it by the umask; its log takes the same mode."""
    with explained_with_files(path):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            with contextlib.suppress(FileExistsError):  # somebody was faster
                _create_private(path)
        elif os.name == "posix" and path.stat().st_mode & 0o077:
            path.chmod(0o600)


def date_of(path: Path) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(path.stat().st_mtime))


def _corrupt_name(path: Path) -> Path:
    """`….corrupt-N` of the copy that holds these very bytes, else the first that is free."""
    number = 1
    while (copy := path.with_name(f"{path.name}.corrupt-{number}")).exists():
        if _digest(copy) == _digest(path):
            break
        number += 1
    return copy


def _copy_one_moment(source: sqlite3.Connection, target: sqlite3.Connection, cancel: Cancel) -> None:
    """Copy in steps. Without the transaction a write in between makes SQLite start over (sqlite.org/backup.html)."""
    source.execute("BEGIN")
    try:
        source.execute("SELECT 1 FROM sqlite_master").fetchone()
        source.backup(target, pages=BACKUP_STEP_PAGES, progress=lambda *_: cancel.check())
    finally:
        source.execute("ROLLBACK")


def _create_private(path: Path) -> None:
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def _copy_whole(source: Path, target: Path) -> None:
    """Copy through a temp name, so that `target` is the whole file or is not there."""
    part = target.with_name(f"{target.name}.part")
    part.unlink(missing_ok=True)
    try:
        _create_private(part)
        shutil.copyfile(source, part)
        sync(part)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _backup_number(path: Path) -> int | None:
    digits = path.stem.rpartition("-")[2]
    return int(digits) if digits.isascii() and digits.isdigit() else None


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _free_bytes(path: Path) -> int:
    folder = next((folder for folder in path.parents if folder.is_dir()), Path.cwd())
    return shutil.disk_usage(folder).free


def _disk_full(path: Path) -> DiskFull:
    free = _free_bytes(path)
    return DiskFull(
        f"The disk with {path.parent} is full: {free / 1e6:.1f} MB are free. What was saved before is intact.",
        free_bytes=free,
        hint="Make room on that disk, then try again.",
    )
