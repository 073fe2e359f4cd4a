"""jackdaw.db under everything that goes wrong with databases. Real files, real processes, no fixed waits."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest

from models import database_files as files
from models.database import Database, Migration, Tuning
from models.errors import DatabaseBusy, DatabaseCorrupt, DatabaseError, DatabaseTooNew

NOTES = Migration(1, "notes", "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE) STRICT;")
TAGS = Migration(
    2,
    "tags",
    """
    CREATE TABLE tags (note INTEGER NOT NULL REFERENCES notes (id), tag TEXT NOT NULL) STRICT;
    -- a trigger has semicolons inside
    CREATE TRIGGER tagged AFTER INSERT ON tags BEGIN
        UPDATE notes SET text = text || ' #' || new.tag WHERE id = new.note;
        UPDATE notes SET text = trim(text) WHERE id = new.note;
    END;
    INSERT INTO notes (text) VALUES ('a; b');
    """,
)
T = TypeVar("T")


def add(text: str) -> Callable[[sqlite3.Connection], int | None]:
    return lambda connection: connection.execute("INSERT INTO notes (text) VALUES (?)", [text]).lastrowid


def texts(connection: sqlite3.Connection) -> list[str]:
    return [row[0] for row in connection.execute("SELECT text FROM notes ORDER BY id")]


def pragma(name: str) -> Callable[[sqlite3.Connection], Any]:
    return lambda connection: connection.execute(f"PRAGMA {name}").fetchone()[0]


def opened(path: Path, use: Callable[[Database], Coroutine[Any, Any, T]], *migrations: Migration, busy: float = 5) -> T:
    """Open, use, close, in a loop of its own."""

    async def run() -> T:
        database = await Database.open(path, migrations or [NOTES], busy_timeout_s=busy)
        try:
            return await use(database)
        finally:
            await database.close()

    return asyncio.run(run())


async def nothing(_: Database) -> None: ...


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "jackdaw.db"


def integrity(path: Path) -> str:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return str(connection.execute("PRAGMA integrity_check").fetchone()[0])


def test_what_was_written_is_there_after_reopening(path: Path) -> None:
    assert opened(path, lambda database: database.write(add("hello"))) == 1
    assert opened(path, lambda database: database.read(texts)) == ["hello"]


def test_an_exception_undoes_the_whole_write(path: Path) -> None:
    def half(connection: sqlite3.Connection) -> None:
        add("first")(connection)
        add("first")(connection)

    async def use(database: Database) -> list[str]:
        with pytest.raises(sqlite3.IntegrityError):
            await database.write(half)
        await database.write(add("after"))
        return await database.read(texts)

    assert opened(path, use) == ["after"]


def test_writes_of_many_tasks_are_all_kept_in_order(path: Path) -> None:
    async def use(database: Database) -> list[str]:
        await asyncio.gather(*(database.write(add(f"{n:03d}")) for n in range(200)))
        return await database.read(texts)

    assert opened(path, use) == [f"{n:03d}" for n in range(200)]


def test_a_reader_sees_one_moment_and_cannot_write(path: Path) -> None:
    async def use(database: Database) -> tuple[int, int]:
        loop = asyncio.get_running_loop()

        def count_around_a_write(connection: sqlite3.Connection) -> tuple[int, int]:
            before = len(texts(connection))
            asyncio.run_coroutine_threadsafe(database.write(add("meanwhile")), loop).result(10)
            return before, len(texts(connection))

        counts = await database.read(count_around_a_write)
        with pytest.raises(DatabaseError, match="readonly"):
            await database.read(add("no"))
        assert await database.read(texts) == ["meanwhile"]
        return counts

    assert opened(path, use) == (0, 0)


@pytest.mark.parametrize(
    ("setting", "value"),
    [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1), ("trusted_schema", 0), ("busy_timeout", 5000)],
)
def test_every_connection_has_the_safe_settings(path: Path, setting: str, value: object) -> None:
    async def use(database: Database) -> tuple[object, object]:
        return await database.read(pragma(setting)), await database.write(pragma(setting))

    assert opened(path, use) == (value, value)


def test_files_are_the_owners_only_even_when_the_umask_is_open(path: Path) -> None:
    async def use(database: Database) -> dict[str, int]:
        await database.write(add("secret"))
        await database.backup()
        return {str(file): stat.S_IMODE(file.stat().st_mode) for file in path.parent.rglob("*")}

    before = os.umask(0)
    try:
        modes = opened(path, use)
    finally:
        os.umask(before)

    assert any(name.endswith("-wal") for name in modes) and any("backups/" in name for name in modes)
    assert {name for name, mode in modes.items() if mode != (0o700 if Path(name).is_dir() else 0o600)} == set()


def test_a_file_that_was_open_to_others_is_closed_to_them(path: Path) -> None:
    opened(path, nothing)
    path.chmod(0o644)
    opened(path, nothing)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_migrations_run_once_in_the_order_of_their_numbers(path: Path) -> None:
    opened(path, nothing, TAGS, NOTES)

    async def use(database: Database) -> tuple[list[str], int]:
        await database.write(lambda connection: connection.execute("INSERT INTO tags VALUES (1, 'x')"))
        return await database.read(texts), await database.read(pragma("user_version"))

    assert opened(path, use, NOTES, TAGS) == (["a; b #x"], 2)


def test_equal_migration_numbers_are_a_mistake_of_ours(path: Path) -> None:
    with pytest.raises(ValueError, match="different numbers"):
        opened(path, nothing, NOTES, Migration(1, "again", "SELECT 1;"))


def test_a_migration_that_fails_leaves_the_old_schema_and_says_why(path: Path) -> None:
    opened(path, lambda database: database.write(add("kept")))
    broken = Migration(2, "broken", "CREATE TABLE half (id INTEGER) STRICT; INSERT INTO missing VALUES (1);")

    with pytest.raises(sqlite3.OperationalError, match="missing"):
        opened(path, nothing, NOTES, broken)

    async def use(database: Database) -> tuple[list[str], int]:
        return await database.read(texts), await database.read(
            lambda connection: connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'half'").fetchone()[
                0
            ]
        )

    assert opened(path, use) == (["kept"], 0)


def test_a_migration_that_breaks_a_reference_is_undone(path: Path) -> None:
    opened(path, nothing, NOTES, TAGS)
    orphan = Migration(3, "orphan", "INSERT INTO tags VALUES (999, 'nobody');")
    with pytest.raises(sqlite3.IntegrityError, match="orphan"):
        opened(path, nothing, NOTES, TAGS, orphan)
    assert opened(path, lambda database: database.read(pragma("user_version")), NOTES, TAGS) == 2


def test_a_checked_backup_is_made_before_migrating_and_not_otherwise(path: Path) -> None:
    opened(path, lambda database: database.write(add("old")))
    opened(path, nothing)
    assert files.backups(path) == []

    opened(path, nothing, NOTES, TAGS)

    (backup,) = files.backups(path)
    assert files.schema_version(backup) == 1
    assert opened(backup, lambda database: database.read(texts)) == ["old"]


def test_a_newer_schema_is_refused_and_not_a_byte_changes(path: Path) -> None:
    opened(path, nothing, NOTES, TAGS)
    before = path.read_bytes()

    with pytest.raises(DatabaseTooNew, match="schema 2, this one knows 1"):
        opened(path, nothing, NOTES)

    assert path.read_bytes() == before
    assert files.backups(path) == []


MIGRATE_SLOWLY = """
import asyncio, sys
from pathlib import Path
from models.database import Database, Migration, Tuning
notes = Migration(1, "notes", "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE) STRICT;")
slow = Migration(2, "slow", '''
    CREATE TABLE copies (text TEXT NOT NULL) STRICT;
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000)
    INSERT INTO copies SELECT printf('%0200d', i) FROM n;
    UPDATE notes SET text = text || ' migrated';
''')
async def main():
    database = await Database.open(Path(sys.argv[1]), [notes, slow])
    await database.close()
print("go", flush=True)
asyncio.run(main())
"""


@pytest.mark.accept(34)
@pytest.mark.parametrize("wait_s", [n * 0.02 for n in range(20)])
def test_kill_9_inside_a_migration_leaves_the_old_schema_or_the_new_one(path: Path, wait_s: float) -> None:
    opened(path, lambda database: database.write(add("note")))
    child = subprocess.Popen([sys.executable, "-c", MIGRATE_SLOWLY, str(path)], stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    deadline = time.monotonic() + wait_s  # a different moment of the migration in each case
    while child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.001)
    child.send_signal(signal.SIGKILL)
    child.communicate()

    assert integrity(path) == "ok"
    version = files.schema_version(path)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        notes = texts(connection)
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        copies = connection.execute("SELECT count(*) FROM copies").fetchone()[0] if "copies" in tables else 0
    assert (version, notes, copies) in [(1, ["note"], 0), (2, ["note migrated"], 60000)]
    assert all(files.schema_version(backup) == 1 for backup in files.backups(path))


WRITE_AND_SAY = """
import asyncio, sys
from pathlib import Path
from models.database import Database, Migration, Tuning
notes = Migration(1, "notes", "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE) STRICT;")
async def main():
    database = await Database.open(Path(sys.argv[1]), [notes])
    for number in range(10**9):
        await database.write(lambda c: c.execute("INSERT INTO notes (text) VALUES (?)", [str(number)]))
        print(number, flush=True)
asyncio.run(main())
"""


def test_kill_9_while_writing_loses_nothing_that_was_acknowledged(path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", WRITE_AND_SAY, str(path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    for _ in range(50):
        child.stdout.readline()
    child.kill()
    acknowledged = 50 + len(child.communicate()[0].splitlines())

    kept = opened(path, lambda database: database.read(texts))

    assert len(kept) in (acknowledged, acknowledged + 1)  # the last one may have been written and not said
    assert integrity(path) == "ok"


@contextlib.contextmanager
def held_exclusively(path: Path) -> Any:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield other


def test_a_lock_held_too_long_means_busy_and_the_write_can_be_repeated(path: Path) -> None:
    async def use(database: Database) -> list[str]:
        with held_exclusively(path), pytest.raises(DatabaseBusy) as caught:
            await database.write(add("again"))
        assert caught.value.hint
        await database.write(add("again"))
        return await database.read(texts)

    started = time.monotonic()
    assert opened(path, use, busy=0.3) == ["again"]
    assert time.monotonic() - started >= 0.3


def test_a_lock_that_ends_in_time_only_delays_the_write(path: Path) -> None:
    async def use(database: Database) -> list[str]:
        with held_exclusively(path) as other:
            write = asyncio.create_task(database.write(add("late")))
            # Readers go on meanwhile; when this one has answered, the write waits.
            assert await database.read(texts) == []
            assert not write.done()
            other.execute("COMMIT")
            await write
        return await database.read(texts)

    assert opened(path, use) == ["late"]


def test_opening_a_file_that_another_program_keeps_locked_says_busy(path: Path) -> None:
    opened(path, nothing)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(DatabaseBusy):
            opened(path, nothing, busy=0.1)


def damage_page_1(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"\xa5" * 4096)


def damage_a_later_page(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * 4096)


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def with_backups(path: Path) -> None:
    async def use(database: Database) -> None:
        for number in range(300):
            await database.write(add(f"{number:040d}"))
        await database.backup()
        await database.write(add("newer than the backup"))

    opened(path, use)


@pytest.mark.parametrize("damage", [damage_page_1, damage_a_later_page, truncate])
def test_a_corrupt_file_is_set_aside_and_the_backup_is_offered(path: Path, damage: Callable[[Path], None]) -> None:
    with_backups(path)
    damage(path)
    damaged = path.read_bytes()

    for _ in range(2):  # a second start says the same and makes no second copy
        with pytest.raises(DatabaseCorrupt) as caught:
            opened(path, nothing)
        error = caught.value
        assert error.backup == files.backups(path)[0]
        assert error.corrupt_copy == path.with_name("jackdaw.db.corrupt-1")
        assert error.corrupt_copy.read_bytes() == damaged == path.read_bytes()
        assert str(error.backup) in error.hint
        assert stat.S_IMODE(error.corrupt_copy.stat().st_mode) == 0o600
    assert not path.with_name("jackdaw.db.corrupt-2").exists()


def test_restoring_brings_the_backup_back_and_keeps_the_damaged_file(path: Path) -> None:
    with_backups(path)
    damage_page_1(path)
    with pytest.raises(DatabaseCorrupt):
        opened(path, nothing)

    used = asyncio.run(Database.restore(path))

    assert used == files.backups(path)[0]
    assert len(opened(path, lambda database: database.read(texts))) == 300
    assert path.with_name("jackdaw.db.corrupt-1").exists()


def test_a_damaged_backup_is_passed_over(path: Path) -> None:
    with_backups(path)
    opened(path, lambda database: database.backup())
    damage_page_1(files.backups(path)[0])
    damage_page_1(path)

    with pytest.raises(DatabaseCorrupt) as caught:
        opened(path, nothing)

    assert caught.value.backup == files.backups(path)[1]


def test_without_a_good_backup_nothing_is_restored(path: Path) -> None:
    opened(path, nothing)
    damage_page_1(path)
    with pytest.raises(DatabaseCorrupt, match="no good backup"):
        opened(path, nothing)
    with pytest.raises(DatabaseCorrupt, match="no good backup"):
        asyncio.run(Database.restore(path))


def test_three_backups_are_kept_by_number_whatever_the_clock_said(path: Path) -> None:
    async def use(database: Database) -> list[Path]:
        made = []
        for number in range(5):
            await database.write(add(str(number)))
            made.append(await database.backup())
            os.utime(made[-1], (1e9 - number, 1e9 - number))
        return made

    made = opened(path, use)

    assert files.backups(path) == made[:1:-1]
    assert sorted(file.name for file in files.backup_folder(path).iterdir()) == sorted(file.name for file in made[2:])


def test_a_backup_while_writes_go_on_is_whole(path: Path) -> None:
    async def use(database: Database) -> Path:
        writes = [asyncio.create_task(database.write(add(str(number)))) for number in range(100)]
        backup = await database.backup()
        await asyncio.gather(*writes)
        return backup

    kept = opened(opened(path, use), lambda database: database.read(texts))
    assert kept == [str(number) for number in range(len(kept))]


def test_no_database_at_all_is_not_one_byte_of_text(path: Path) -> None:
    path.write_text("this is not a database, it only has its name" * 100)
    with pytest.raises(DatabaseCorrupt, match="not a database"):
        opened(path, nothing)
    assert path.read_text().startswith("this is not")


def test_a_folder_in_the_files_place_is_an_error_in_words(path: Path) -> None:
    path.mkdir()
    with pytest.raises(DatabaseError):
        opened(path, nothing)


def test_a_closed_database_is_not_used_by_mistake(path: Path) -> None:
    async def run() -> None:
        database = await Database.open(path, [NOTES])
        await database.close()
        await database.close()
        with pytest.raises(RuntimeError, match="closed"):
            await database.read(texts)

    asyncio.run(run())


def test_a_database_can_be_kept_for_speed_and_still_wait_for_the_disk_when_asked(tmp_path: Path) -> None:
    tuning = Tuning(durable=False, backups=False, secure_delete=True, page_bytes=8192)

    async def use() -> tuple[list[Any], list[str]]:
        first = await Database.open(tmp_path / "a.db", [NOTES], tuning=tuning)
        await first.write(add("one"))
        await first.close()
        database = await Database.open(tmp_path / "a.db", [NOTES, TAGS], tuning=tuning)
        try:
            seen = [await database.maintain(pragma(name)) for name in ("synchronous", "secure_delete", "page_size")]
            seen.append(await database.write(pragma("synchronous"), durable=True))
            seen.append(await database.maintain(pragma("synchronous")))
            await database.maintain(lambda connection: connection.execute("VACUUM"))
            return seen, await database.read(texts)
        finally:
            await database.close()

    seen, found = asyncio.run(use())
    assert seen == [1, 1, 8192, 2, 1]
    assert found == ["one", "a; b"]
    assert not (tmp_path / "backups").exists()
