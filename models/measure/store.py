"""Measurements in jackdaw.db: every finished step at once, so that a killed job goes on where it was.

A row goes with its model: when the model leaves the library or its file is replaced, so do its numbers. The source may
be gone; what was measured against it stays true.
"""

from __future__ import annotations

import dataclasses
import sqlite3
import time
from collections.abc import Callable
from typing import Any

from models.database import Database, Migration
from models.measure.types import Answer, Divergence, Measurement, Memory, Place, Speed, State, Subject

MEASUREMENTS_MIGRATION = Migration(
    7,
    "measurements",
    """
    CREATE TABLE measurements (
        model_id TEXT NOT NULL REFERENCES models (id) ON DELETE CASCADE,
        source_id TEXT NOT NULL,
        quant TEXT NOT NULL,
        bytes INTEGER NOT NULL,
        machine TEXT NOT NULL,
        engine TEXT NOT NULL,
        text TEXT NOT NULL DEFAULT '',
        text_key TEXT NOT NULL DEFAULT '',
        tokens_measured INTEGER NOT NULL DEFAULT 0,
        kl_divergence REAL,
        kl_divergence_error REAL,
        kl_divergence_p99 REAL,
        same_top_percent REAL,
        perplexity REAL,
        perplexity_error REAL,
        source_perplexity REAL,
        prompt_tokens_per_s REAL,
        tokens_per_s REAL,
        prompt_tokens INTEGER,
        generated_tokens INTEGER,
        peak_bytes INTEGER,
        context INTEGER,
        measured_at REAL NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('running', 'done', 'failed')),
        error TEXT NOT NULL DEFAULT '',
        PRIMARY KEY (model_id, source_id)
    ) STRICT;
    CREATE INDEX measurements_source ON measurements (source_id);
    CREATE TABLE measured_answers (
        model_id TEXT NOT NULL REFERENCES models (id) ON DELETE CASCADE,
        source_id TEXT NOT NULL,
        prompt TEXT NOT NULL,
        answer TEXT NOT NULL,
        same_words INTEGER,
        measured_at REAL NOT NULL,
        PRIMARY KEY (model_id, source_id, prompt)
    ) STRICT;
    CREATE INDEX measured_answers_source ON measured_answers (source_id);
    """,
)

STOPPED = "It was stopped before all was measured."

_DIVERGENCE = tuple(field.name for field in dataclasses.fields(Divergence))
_SPEED = tuple(field.name for field in dataclasses.fields(Speed))
_MEMORY = tuple(field.name for field in dataclasses.fields(Memory))
_COLUMNS = ("model_id", "source_id", "quant", "bytes", "machine", "engine", "text", "text_key", "tokens_measured")
_REST = ("measured_at", "state", "error")
_ALL = (*_COLUMNS, *_DIVERGENCE, *_SPEED, *_MEMORY, *_REST)


Rows = list[Measurement]  # inside Measurements the name `list` is the method's
Answers = list[Answer]


class Measurements:
    """All measurements, in jackdaw.db; `clock` gives seconds since 1970."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    async def list(self, source_id: str, here: Place | None = None) -> Rows:
        """Everything measured against that source, smallest file first; `here` marks what is stale."""
        rows = await self._database.read(lambda connection: _select(connection, "source_id = ?", source_id))
        return sorted((_marked(row, here) for row in rows), key=lambda row: (row.bytes, row.model_id))

    async def get(self, model_id: str, here: Place | None = None) -> Measurement | None:
        """What was measured last of that model, against whatever source; None when nothing was."""
        rows = await self._database.read(lambda connection: _select(connection, "model_id = ?", model_id))
        newest = max(rows, key=lambda row: row.measured_at, default=None)
        return _marked(newest, here) if newest is not None else None

    async def source_of(self, model_id: str) -> str:
        """The source the model was measured against last; the model itself when others were measured against it."""
        rows = await self._database.read(
            lambda connection: _select(connection, "model_id = ? AND source_id != model_id", model_id)
        )
        newest = max(rows, key=lambda row: row.measured_at, default=None)
        return newest.source_id if newest is not None else model_id

    async def answers(self, source_id: str) -> Answers:
        """All answers to prompts in a comparison with that source, in the order they came."""
        return await self._database.read(lambda connection: _select_answers(connection, source_id))

    async def begin(self, subject: Subject, source_id: str, place: Place, text: str, text_key: str) -> Measurement:
        """The row of a model to be measured, with what is finished of it already.

        Numbers stay when they were measured at the same place on the same file; the loss when on the same text too
        (`text_key` names its bytes and how it is read). The rest is dropped.
        """
        return await self._database.write(
            lambda connection: _begin(connection, subject, source_id, place, (text, text_key, self._clock()))
        )

    async def note(
        self, model_id: str, source_id: str, step: Divergence | Speed | Memory, *, tokens_measured: int | None = None
    ) -> None:
        """Keep one finished step."""
        values: dict[str, Any] = {**dataclasses.asdict(step), "measured_at": self._clock()}
        if tokens_measured is not None:
            values["tokens_measured"] = tokens_measured
        await self._update(model_id, source_id, values)

    async def end(self, model_id: str, source_id: str, state: State, error: str = "") -> None:
        """Say how the measuring of a model ended."""
        await self._update(model_id, source_id, {"state": state, "error": error})

    async def interrupted(self, source_id: str | None = None) -> None:
        """Say of what is still running (for one source, or all after a kill) that it was stopped; its numbers stay."""
        stopped = "UPDATE measurements SET state = 'failed', error = ? WHERE state = 'running'"
        one, values = (" AND source_id = ?", [source_id]) if source_id is not None else ("", [])
        await self._database.write(lambda connection: connection.execute(stopped + one, [STOPPED, *values]))

    async def note_answer(self, answer: Answer) -> None:
        """Keep one answer; an older one to the same prompt is replaced."""
        values = dataclasses.asdict(answer) | {"measured_at": self._clock()}
        await self._database.write(lambda connection: _insert(connection, "measured_answers", values))

    async def forget(self, model_id: str) -> None:
        """Drop all numbers and answers of one model."""
        await self._database.write(lambda connection: _forget(connection, model_id))

    async def _update(self, model_id: str, source_id: str, values: dict[str, Any]) -> None:
        names = ", ".join(f"{name} = ?" for name in values)
        sql = f"UPDATE measurements SET {names} WHERE model_id = ? AND source_id = ?"  # noqa: S608 - our own names
        await self._database.write(lambda connection: connection.execute(sql, [*values.values(), model_id, source_id]))


def _begin(
    connection: sqlite3.Connection, subject: Subject, source_id: str, place: Place, of: tuple[str, str, float]
) -> Measurement:
    text, text_key, now = of
    where = "model_id = ? AND source_id = ?"
    old = next(iter(connection.execute(_sql(where), [subject.id, source_id])), None)
    kept = dict(zip(_ALL, old, strict=True)) if old is not None else {}
    here = (subject.bytes, place.machine, place.engine)
    values: dict[str, Any] = dict.fromkeys((*_DIVERGENCE, *_SPEED, *_MEMORY))
    values |= {"tokens_measured": 0, "measured_at": now}
    if (kept.get("bytes"), kept.get("machine"), kept.get("engine")) == here:
        values |= {name: kept[name] for name in (*_SPEED, *_MEMORY, "measured_at")}
        if kept["text_key"] == text_key:
            values |= {name: kept[name] for name in (*_DIVERGENCE, "tokens_measured")}
    values |= {"model_id": subject.id, "source_id": source_id, "quant": subject.quant, "bytes": subject.bytes}
    values |= {"machine": place.machine, "engine": place.engine, "text": text, "text_key": text_key}
    values |= {"state": "running", "error": ""}
    _insert(connection, "measurements", values)
    return _measurement({name: values[name] for name in _ALL})


def _insert(connection: sqlite3.Connection, table: str, values: dict[str, Any]) -> None:
    names, marks = ", ".join(values), ", ".join("?" * len(values))
    connection.execute(f"INSERT OR REPLACE INTO {table} ({names}) VALUES ({marks})", list(values.values()))  # noqa: S608


def _forget(connection: sqlite3.Connection, model_id: str) -> None:
    for table in ("measurements", "measured_answers"):
        connection.execute(f"DELETE FROM {table} WHERE model_id = ?", [model_id])  # noqa: S608 - our own names


def _sql(where: str) -> str:
    return f"SELECT {', '.join(_ALL)} FROM measurements WHERE {where}"  # noqa: S608 - our own names


def _select(connection: sqlite3.Connection, where: str, value: str) -> list[Measurement]:
    return [_measurement(dict(zip(_ALL, row, strict=True))) for row in connection.execute(_sql(where), [value])]


def _select_answers(connection: sqlite3.Connection, source_id: str) -> list[Answer]:
    names = [field.name for field in dataclasses.fields(Answer)]
    sql = f"SELECT {', '.join(names)} FROM measured_answers WHERE source_id = ? ORDER BY rowid"  # noqa: S608 - our names
    return [Answer(**dict(zip(names, row, strict=True))) for row in connection.execute(sql, [source_id])]


def _measurement(row: dict[str, Any]) -> Measurement:
    """A step counts as finished when all of its numbers are there."""
    return Measurement(
        model_id=row["model_id"],
        source_id=row["source_id"],
        quant=row["quant"],
        bytes=row["bytes"],
        place=Place(row["machine"], row["engine"]),
        text=row["text"],
        divergence=Divergence(**{name: row[name] for name in _DIVERGENCE}) if _there(row, _DIVERGENCE) else None,
        tokens_measured=row["tokens_measured"],
        speed=Speed(**{name: row[name] for name in _SPEED}) if _there(row, _SPEED) else None,
        memory=Memory(**{name: row[name] for name in _MEMORY}) if _there(row, _MEMORY) else None,
        measured_at=row["measured_at"],
        state=row["state"],
        error=row["error"],
    )


def _there(row: dict[str, Any], names: tuple[str, ...]) -> bool:
    return all(row[name] is not None for name in names)


def _marked(row: Measurement, here: Place | None) -> Measurement:
    stale = ""
    if here is not None and row.place.machine != here.machine:
        stale = f"measured on another machine: {row.place.machine}"
    elif here is not None and row.place.engine != here.engine:
        stale = f"measured with another engine: {row.place.engine}"
    return dataclasses.replace(row, stale=stale)
