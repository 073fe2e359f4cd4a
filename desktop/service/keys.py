"""The keys of the port: one per client, shown once, kept as hashes.

Only sha256 of a key is kept. A slow password hash would add nothing: it makes guessing people's passwords dear, but
nobody guesses 256 random bits, and verifying must be quick because every request does it.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from desktop.service.errors import Conflict, NotFound
from models.database import Database, Migration

PREFIX = "jd-"
RANDOM_BYTES = 32

KEYS_MIGRATION = Migration(
    3,
    "keys",
    """
    CREATE TABLE keys (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        hash BLOB NOT NULL UNIQUE,
        created_at REAL NOT NULL,
        last_used_at REAL,
        revoked_at REAL
    ) STRICT;
    CREATE UNIQUE INDEX keys_name_in_use ON keys (name) WHERE revoked_at IS NULL;
    """,
)


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A key as it is known after it was shown; times are seconds since 1970."""

    id: str
    name: str
    hash: bytes
    created_at: float
    last_used_at: float | None = None
    revoked_at: float | None = None


class Keys:
    """All keys, in memory and in the database; `verify` touches the memory only."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock
        self._records: dict[str, KeyRecord] = {}
        self._used_since_save: set[str] = set()

    async def load(self) -> None:
        """Read the keys; called once before the port opens."""
        self._records = {record.id: record for record in await self._database.read(_select_all)}

    def verify(self, secret: bytes) -> str | None:
        """The name of the key, or None. Every key is compared, in constant time each, so timing tells nothing."""
        wanted = hashlib.sha256(secret).digest()
        found: KeyRecord | None = None
        for record in self._records.values():
            if hmac.compare_digest(record.hash, wanted) and record.revoked_at is None:
                found = record
        if found is None:
            return None
        self._records[found.id] = replace(found, last_used_at=self._clock())
        self._used_since_save.add(found.id)
        return found.name

    async def create(self, name: str) -> tuple[KeyRecord, str]:
        """A new key and its secret, which is told here and never again. Raises Conflict when the name is in use."""
        secret = PREFIX + secrets.token_urlsafe(RANDOM_BYTES)
        record = KeyRecord(
            id=secrets.token_hex(8),
            name=name,
            hash=hashlib.sha256(secret.encode("ascii")).digest(),
            created_at=self._clock(),
        )
        try:
            await self._database.write(lambda connection: _insert(connection, record))
        except sqlite3.IntegrityError as error:
            raise Conflict(
                "key_exists",
                f"There is a key named {name!r} already.",
                hint="Choose another name, or revoke the old key first.",
            ) from error
        self._records[record.id] = record
        return record, secret

    async def revoke(self, name: str) -> KeyRecord:
        """End the key of that name at once. Raises NotFound when no key in use has it."""
        in_use = [record for record in self._records.values() if record.name == name and record.revoked_at is None]
        if not in_use:
            raise NotFound("key_not_found", f"There is no key named {name!r}.", hint="jackdaw key list shows all keys.")
        revoked = replace(in_use[0], revoked_at=self._clock())
        # first in memory: from this moment the port refuses it, however long the disk takes
        self._records[revoked.id] = revoked
        await self._database.write(lambda connection: _update(connection, [revoked]))
        return revoked

    def all(self) -> list[KeyRecord]:
        """All keys, revoked ones too, oldest first."""
        return sorted(self._records.values(), key=lambda record: record.created_at)

    def used_within(self, seconds: float) -> int:
        """How many keys were used in the last `seconds`."""
        since = self._clock() - seconds
        return sum(1 for record in self._records.values() if (record.last_used_at or 0) >= since)

    async def save_use(self) -> None:
        """Write when keys were last used; called once a minute and at the end, not with every request."""
        used, self._used_since_save = self._used_since_save, set()
        records = [self._records[key_id] for key_id in used]
        if records:
            await self._database.write(lambda connection: _update(connection, records))


def _select_all(connection: sqlite3.Connection) -> list[KeyRecord]:
    rows = connection.execute("SELECT id, name, hash, created_at, last_used_at, revoked_at FROM keys")
    return [KeyRecord(*row) for row in rows]


def _insert(connection: sqlite3.Connection, record: KeyRecord) -> None:
    connection.execute(
        "INSERT INTO keys (id, name, hash, created_at) VALUES (?, ?, ?, ?)",
        (record.id, record.name, record.hash, record.created_at),
    )


def _update(connection: sqlite3.Connection, records: Sequence[KeyRecord]) -> None:
    connection.executemany(
        "UPDATE keys SET last_used_at = ?, revoked_at = ? WHERE id = ?",
        [(record.last_used_at, record.revoked_at, record.id) for record in records],
    )
