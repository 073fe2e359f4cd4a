"""Every write, fsync, rename and truncate of an upgrade fails once, one after the other, until a run passes untouched.

The kernel's answers are changed by strace, so SQLite and our code are as they ship. After each fault: nothing that was
acknowledged is missing, the schema is the old or the new one, and the next start needs no help.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from models import database_files as files
from models.database import Database
from tests.models import upgrade
from tests.models.upgrade import NOTES, TAGS


def can_trace() -> bool:
    if shutil.which("strace") is None:
        return False
    return (
        subprocess.run(["strace", "-qq", "-e", "trace=none", "true"], capture_output=True, check=False).returncode == 0
    )


@pytest.fixture(scope="module")
def old_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Schema 1 with three notes."""
    path = tmp_path_factory.mktemp("old") / "jackdaw.db"

    def add_three(connection: sqlite3.Connection) -> None:
        connection.executemany("INSERT INTO notes (text) VALUES (?)", [(f"old {number}",) for number in range(3)])

    async def make() -> None:
        database = await Database.open(path, [NOTES])
        await database.write(add_three)
        await database.close()

    asyncio.run(make())
    return path


def upgrade_with_a_fault(path: Path, call: str, error: str, number: int) -> tuple[list[str], bool]:
    """What the upgrading process said, and whether the fault happened."""
    trace = path.with_name("trace")
    argv = ["strace", "-f", "-qq", "-o", str(trace), "-e", f"trace={call}"]
    argv += ["-e", f"inject={call}:error={error}:when={number}", sys.executable, "-m", upgrade.__name__, str(path)]
    ran = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.splitlines(), "INJECTED" in trace.read_text()


@pytest.mark.slow
@pytest.mark.skipif(not can_trace(), reason="strace is not there or may not trace")
@pytest.mark.parametrize(
    ("call", "error"),
    [
        ("pwrite64", "ENOSPC"),
        ("fsync", "EIO"),
        ("fdatasync", "EIO"),
        ("rename", "ENOSPC"),
        ("ftruncate", "ENOSPC"),
        ("mkdir", "ENOSPC"),
        ("unlink", "EIO"),
    ],
)
def test_a_failing_call_loses_nothing(tmp_path: Path, old_database: Path, call: str, error: str) -> None:
    old = [f"old {number}" for number in range(3)]
    happened, number = True, 0
    while happened:
        number += 1
        path = tmp_path / str(number) / "jackdaw.db"
        path.parent.mkdir()
        shutil.copyfile(old_database, path)

        said, happened = upgrade_with_a_fault(path, call, error, number)

        acknowledged = [line for line in said if line.startswith("new ")]
        assert said[-1] == "done" or said[-1].startswith("refused: "), said
        with contextlib.closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            assert connection.execute("PRAGMA user_version").fetchone()[0] in (1, 2)
            kept = [row[0] for row in connection.execute("SELECT text FROM notes ORDER BY id")]
        assert kept[: 3 + len(acknowledged)] == old + acknowledged
        assert len(kept) <= 3 + len(acknowledged) + 1  # the one that failed may have reached the disk all the same
        assert all(files.schema_version(backup) in (1, 2) for backup in files.backups(path))
        assert asyncio.run(reopened(path)) == 2
        shutil.rmtree(path.parent)
    assert said[-1] == "done"
    assert number > 1, f"{call} was never made to fail"


async def reopened(path: Path) -> int:
    """The schema after a start without faults."""
    database = await Database.open(path, [NOTES, TAGS])
    try:
        version = await database.read(lambda connection: connection.execute("PRAGMA user_version").fetchone()[0])
        assert await database.read(lambda connection: connection.execute("SELECT tag FROM tags").fetchall()) == [
            ("new",)
        ]
        return int(version)
    finally:
        await database.close()
