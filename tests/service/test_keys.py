"""Keys of the port: shown once, kept as hashes, revoked at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from desktop.service.errors import Conflict, NotFound
from desktop.service.keys import KEYS_MIGRATION, Keys
from models.database import Database


def with_keys(path: Path, run: Callable[[Keys], Awaitable[None]], clock: Callable[[], float] = lambda: 1000.0) -> None:
    async def whole() -> None:
        database = await Database.open(path, [KEYS_MIGRATION])
        try:
            keys = Keys(database, clock)
            await keys.load()
            await run(keys)
        finally:
            await database.close()

    asyncio.run(whole())


def test_a_key_opens_and_nothing_else_does(tmp_path: Path) -> None:
    async def run(keys: Keys) -> None:
        _, secret = await keys.create("editor")
        assert secret.startswith("jd-")
        assert len(secret) >= 3 + 43
        assert keys.verify(secret.encode()) == "editor"
        for wrong in (b"", b"jd-", secret.encode()[:-1], secret.encode() + b"x", secret.upper().encode(), b"\xff\xfe"):
            assert keys.verify(wrong) is None

    with_keys(tmp_path / "k.db", run)


def test_the_secret_is_nowhere_in_the_database(tmp_path: Path) -> None:
    made: list[str] = []

    async def run(keys: Keys) -> None:
        made.append((await keys.create("editor"))[1])

    with_keys(tmp_path / "k.db", run)
    for file in tmp_path.iterdir():
        assert made[0].encode() not in file.read_bytes()
        assert made[0].removeprefix("jd-").encode() not in file.read_bytes()


def test_a_revoked_key_is_refused_at_once_and_after_a_restart_and_its_name_is_free(tmp_path: Path) -> None:
    secrets: list[bytes] = []

    async def first(keys: Keys) -> None:
        secrets.append((await keys.create("editor"))[1].encode())
        revoked = await keys.revoke("editor")
        assert revoked.revoked_at == 1000.0
        assert keys.verify(secrets[0]) is None
        with pytest.raises(NotFound):
            await keys.revoke("editor")
        secrets.append((await keys.create("editor"))[1].encode())

    async def second(keys: Keys) -> None:
        assert keys.verify(secrets[0]) is None
        assert keys.verify(secrets[1]) == "editor"
        assert [record.revoked_at for record in keys.all()] == [1000.0, None]

    with_keys(tmp_path / "k.db", first)
    with_keys(tmp_path / "k.db", second)


def test_a_name_in_use_is_refused(tmp_path: Path) -> None:
    async def run(keys: Keys) -> None:
        await keys.create("editor")
        with pytest.raises(Conflict, match="editor"):
            await keys.create("editor")
        assert len(keys.all()) == 1

    with_keys(tmp_path / "k.db", run)


def test_use_is_kept_in_memory_until_it_is_saved(tmp_path: Path) -> None:
    now = [1000.0]

    async def first(keys: Keys) -> None:
        _, secret = await keys.create("editor")
        now[0] = 2000.0
        keys.verify(secret.encode())
        assert keys.used_within(60) == 1
        await keys.save_use()
        now[0] = 3000.0
        assert keys.used_within(60) == 0

    async def second(keys: Keys) -> None:
        assert [record.last_used_at for record in keys.all()] == [2000.0]

    with_keys(tmp_path / "k.db", first, lambda: now[0])
    with_keys(tmp_path / "k.db", second)
