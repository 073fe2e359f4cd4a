"""A start that meets a database it cannot use: what a person reads, and the two ways on, in real processes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from desktop.client import Client, ServiceUnreachable
from desktop.launch import ensure_service
from desktop.paths import Paths
from desktop.refusal import read_refusal, refusal_text
from desktop.wire import NewChat
from models import database_files as files
from tests.service.running import CHECKOUT, running

CORRUPT = "jackdaw.db.corrupt-1"


def jackdaw(home: Paths, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "desktop", "--home", str(home.data), *arguments],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=90,
    )


@pytest.fixture
def engine(engine_environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in engine_environ.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def damaged(home: Paths, engine: None) -> Paths:
    """Two chats, a backup of the first one that is three days old, then damage."""
    for title in ("in the backup", "newer than the backup"):
        with running(home) as service:
            service.use(lambda client, title=title: client.new_chat(NewChat(title=title)))  # type: ignore[misc]
    backup = files.backups(home.database)[0]
    with contextlib.closing(sqlite3.connect(backup)) as connection:
        assert connection.execute("SELECT title FROM chats").fetchall() == [("in the backup",)]
    three_days_ago = time.time() - 3 * 86400 - 60
    os.utime(backup, (three_days_ago, three_days_ago))
    home.settings.write_text("port = 0\n")
    damage(home.database)
    return home


def damage(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"\xa5" * 4096)


def contents(home: Paths) -> dict[str, bytes]:
    """The database and everything saved beside it; reading alone makes SQLite add an empty log and an index of it."""
    found = [*home.data.glob("jackdaw.db*"), *files.backup_folder(home.database).iterdir()]
    saved = {path.name: path.read_bytes() for path in found if not path.name.endswith("-shm")}
    return {name: content for name, content in saved.items() if content or not name.endswith("-wal")}


def titles(home: Paths) -> list[str]:
    """The chats, as a service that was started from outside tells them; it is stopped afterwards."""

    async def whole() -> list[str]:
        async with Client(home.control_socket) as client:
            found = [chat.title for chat in await client.chats()]
            await client.stop()
            return found

    return asyncio.run(whole())


def test_serve_names_the_copy_the_backup_and_both_ways_on_and_changes_nothing(damaged: Paths) -> None:
    before = contents(damaged)

    for _ in range(2):
        ended = jackdaw(damaged, "serve")
        assert ended.returncode == 1
        message, hint = ended.stderr.splitlines()
        assert message.startswith("jackdaw: jackdaw.db is damaged")
        assert CORRUPT in message
        assert "The newest good backup is of " in message
        assert "3 days ago (jackdaw-000001.db)" in hint
        assert f"`jackdaw serve --home {damaged.data} --restore-backup`" in hint
        assert f"`jackdaw serve --home {damaged.data} --start-empty`" in hint

    assert contents(damaged) == before | {CORRUPT: before["jackdaw.db"]}
    assert "is damaged" in (damaged.logs / "service.log").read_text()


def test_whoever_starts_the_service_unseen_is_told_the_same(damaged: Paths) -> None:
    """The command line prints the error of ensure_service, the window shows it."""

    async def start() -> ServiceUnreachable:
        with pytest.raises(ServiceUnreachable) as caught:
            await ensure_service(damaged)
        return caught.value

    error = asyncio.run(start())
    assert "\n" not in error.message
    assert error.message.startswith("The Jackdaw service did not start: jackdaw.db is damaged")
    assert "--restore-backup" in error.hint

    ended = jackdaw(damaged, "models", "list")
    assert ended.returncode == 4
    assert ended.stderr == f"jackdaw: {error.message}\n  {error.hint}\n"


def test_restoring_goes_on_with_the_backup_and_keeps_the_damaged_file(damaged: Paths) -> None:
    wreck = damaged.database.read_bytes()

    ended = jackdaw(damaged, "serve", "--restore-backup", "--background", "--port", "0")

    assert ended.returncode == 0, ended.stderr
    assert "3 days old (jackdaw-000001.db)" in ended.stdout
    assert titles(damaged) == ["in the backup"]
    assert damaged.database.with_name(CORRUPT).read_bytes() == wreck


def test_starting_empty_moves_the_damaged_file_and_keeps_the_backup(damaged: Paths) -> None:
    before = contents(damaged)

    ended = jackdaw(damaged, "serve", "--start-empty", "--background", "--port", "0")

    assert ended.returncode == 0, ended.stderr
    assert CORRUPT in ended.stdout
    assert titles(damaged) == []
    after = contents(damaged)
    assert after[CORRUPT] == before["jackdaw.db"]
    assert after["jackdaw-000001.db"] == before["jackdaw-000001.db"]


@pytest.mark.parametrize("way", ["--restore-backup", "--start-empty"])
def test_a_database_that_is_whole_is_left_alone_by_both(home: Paths, engine: None, way: str) -> None:
    for title in ("old", "new"):
        with running(home) as service:
            service.use(lambda client, title=title: client.new_chat(NewChat(title=title)))  # type: ignore[misc]
    with running(home, way) as service:
        assert "not damaged" in service.said
        assert {chat.title for chat in service.use(lambda client: client.chats())} == {"old", "new"}
    assert not list(home.data.glob("*.corrupt-*"))


def test_without_a_good_backup_only_the_empty_start_is_offered(home: Paths, engine: None) -> None:
    home.database.write_bytes(b"no database" * 1000)
    told = jackdaw(home, "serve")
    assert told.returncode == 1
    assert "There is no good backup." in told.stderr
    assert "--start-empty" in told.stderr
    assert "--restore-backup" not in told.stderr

    refused = jackdaw(home, "serve", "--restore-backup")
    assert refused.returncode == 1
    assert "There is no good backup" in refused.stderr
    assert "--start-empty" in refused.stderr
    assert home.database.read_bytes() == b"no database" * 1000


def test_a_database_that_lost_all_its_bytes_is_not_taken_for_a_new_one(damaged: Paths) -> None:
    os.truncate(damaged.database, 0)
    told = jackdaw(damaged, "serve")
    assert told.returncode == 1
    assert "it is empty, though there are backups" in told.stderr
    assert "--restore-backup" in told.stderr


def test_a_newer_schema_is_refused_in_words_and_untouched(home: Paths, engine: None) -> None:
    with running(home):
        pass
    with contextlib.closing(sqlite3.connect(home.database)) as connection:
        connection.execute("PRAGMA user_version = 99")
    before = contents(home)
    for way in ([], ["--restore-backup"], ["--start-empty"]):
        told = jackdaw(home, "serve", *way)
        assert told.returncode == 1
        message, hint = told.stderr.splitlines()
        assert "newer Jackdaw" in message
        assert "Update Jackdaw" in hint
        assert contents(home) == before


@contextlib.contextmanager
def held(path: Path) -> Iterator[None]:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        yield


def test_a_database_that_another_program_holds_is_said_to_be_busy_and_untouched(home: Paths, engine: None) -> None:
    with running(home):
        pass
    before = contents(home)
    with held(home.database):
        told = jackdaw(home, "serve")
    assert told.returncode == 1
    message, hint = told.stderr.splitlines()
    assert "Another program holds jackdaw.db" in message
    assert "Close the program" in hint
    assert contents(home) == before


def test_a_refusal_is_read_back_as_it_was_told() -> None:
    noise = "2026-01-01 WARNING desktop: something\n"
    assert read_refusal(noise + refusal_text("It\nbroke.", "Mend  it.")) == ("It broke.", "Mend it.")
    assert read_refusal(refusal_text("Only a sentence.")) == ("Only a sentence.", "")
    assert read_refusal("Traceback (most recent call last):\n  File …\n") is None
