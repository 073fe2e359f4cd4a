"""Jobs in jackdaw.db: one row per job, rewritten with every change of its state: none is lost with the service."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from desktop.wire import JobState
from models.database import Database, Migration

JOBS_MIGRATION = Migration(
    5,
    "jobs",
    """
    CREATE TABLE jobs (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        kind TEXT NOT NULL,
        title TEXT NOT NULL,
        subject TEXT NOT NULL,
        key TEXT NOT NULL,
        options TEXT NOT NULL,
        memory TEXT NOT NULL,
        state TEXT NOT NULL CHECK (
            state IN ('pending', 'running', 'paused', 'interrupted', 'done', 'failed', 'cancelled')
        ),
        done INTEGER NOT NULL,
        total INTEGER NOT NULL,
        unit TEXT NOT NULL,
        message TEXT NOT NULL,
        error TEXT NOT NULL,
        hint TEXT NOT NULL,
        details TEXT NOT NULL,
        result TEXT,
        created_at REAL NOT NULL
    ) STRICT;
    """,
)
KEPT_JOBS = 200
FINAL: frozenset[JobState] = frozenset({"done", "failed", "cancelled"})
_IN_JSON = ("options", "memory", "details", "result")


@dataclass
class JobRow:
    """One job as it is stored. Times are seconds since 1970."""

    id: str
    kind: str
    title: str
    subject: str
    key: str
    options: Mapping[str, Any]
    created_at: float
    memory: dict[str, Any] = field(default_factory=dict)
    state: JobState = "pending"
    done: int = 0
    total: int = 0
    unit: str = ""
    message: str = ""
    error: str = ""
    hint: str = ""
    details: dict[str, Any] = field(default_factory=dict)
    result: dict[str, Any] | None = None


COLUMNS = tuple(JobRow.__dataclass_fields__)


class JobStore:
    """The table of jobs: all that are not over, and the newest `kept` that are."""

    def __init__(self, database: Database, kept: int = KEPT_JOBS) -> None:
        self.kept = kept
        self._database = database

    async def all(self) -> list[JobRow]:
        """In the order they came."""
        return await self._database.read(_select_all)

    async def save(self, row: JobRow) -> None:
        """On the disk when this returns. Raises DatabaseBusy, DiskFull."""
        values = [_column(row, name) for name in COLUMNS]  # taken now: the row may change while this waits
        await self._database.write(lambda connection: _upsert(connection, values, self.kept))


def _column(row: JobRow, name: str) -> Any:
    value = getattr(row, name)
    return json.dumps(value, ensure_ascii=False) if name in _IN_JSON and value is not None else value


def _upsert(connection: sqlite3.Connection, values: list[Any], kept: int) -> None:
    names, marks = ", ".join(COLUMNS), ", ".join("?" * len(COLUMNS))
    changes = ", ".join(f"{name} = excluded.{name}" for name in COLUMNS if name != "id")
    connection.execute(
        f"INSERT INTO jobs ({names}) VALUES ({marks}) ON CONFLICT (id) DO UPDATE SET {changes}",  # noqa: S608 - our names
        values,
    )
    over = ", ".join(f"'{state}'" for state in sorted(FINAL))
    connection.execute(
        f"DELETE FROM jobs WHERE state IN ({over}) AND number NOT IN"  # noqa: S608 - our words
        f" (SELECT number FROM jobs WHERE state IN ({over}) ORDER BY number DESC LIMIT ?)",
        [kept],
    )


def _select_all(connection: sqlite3.Connection) -> list[JobRow]:
    rows = connection.execute(f"SELECT {', '.join(COLUMNS)} FROM jobs ORDER BY number")  # noqa: S608 - our names
    return [_row(dict(zip(COLUMNS, row, strict=True))) for row in rows]


def _row(columns: dict[str, Any]) -> JobRow:
    for name in _IN_JSON:
        if columns[name] is not None:
            columns[name] = json.loads(columns[name])
    return JobRow(**columns)
