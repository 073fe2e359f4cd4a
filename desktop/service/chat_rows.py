"""The tables of chats and messages, their search index, and every statement that touches them.

Functions here take a connection and run inside one transaction of models.database; chats.py says when.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from desktop.service.errors import BadRequest, NotFound
from models.database import Migration

MAX_HITS = 500

# Messages are indexed when they stop streaming: from then on their text is fixed, and a partial answer that is saved
# every second is not indexed anew each time. The index is written by the functions below and not by triggers, because
# with trusted_schema off SQLite lets no trigger write to a virtual table.
_CHATS = Migration(
    2,
    "chats",
    """
    CREATE TABLE chats (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        title TEXT NOT NULL,
        pinned INTEGER NOT NULL DEFAULT 0,
        model TEXT NOT NULL,
        system_prompt TEXT NOT NULL,
        parameters TEXT NOT NULL,
        head_id TEXT,
        created_at REAL NOT NULL,
        updated_at REAL NOT NULL,
        deleted_at REAL
    ) STRICT;
    CREATE INDEX chats_by_time ON chats (updated_at DESC) WHERE deleted_at IS NULL;
    CREATE TABLE messages (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        chat_id TEXT NOT NULL REFERENCES chats (id) ON DELETE CASCADE,
        parent_id TEXT REFERENCES messages (id) ON DELETE CASCADE,
        role TEXT NOT NULL CHECK (role IN ('system', 'user', 'assistant')),
        content TEXT NOT NULL,
        reasoning TEXT NOT NULL DEFAULT '',
        state TEXT NOT NULL CHECK (state IN ('complete', 'streaming', 'interrupted', 'stopped', 'failed')),
        model TEXT NOT NULL DEFAULT '',
        created_at REAL NOT NULL,
        usage TEXT,
        error TEXT NOT NULL DEFAULT '',
        hint TEXT NOT NULL DEFAULT ''
    ) STRICT;
    CREATE INDEX messages_by_chat ON messages (chat_id, number);
    CREATE INDEX messages_by_parent ON messages (parent_id);
    CREATE INDEX messages_streaming ON messages (state) WHERE state = 'streaming';

    CREATE VIRTUAL TABLE message_words USING fts5(
        content, content='messages', content_rowid='number', tokenize='unicode61 remove_diacritics 2', prefix='2 3'
    );

    CREATE VIRTUAL TABLE chat_words USING fts5(
        title, content='chats', content_rowid='number', tokenize='unicode61 remove_diacritics 2', prefix='2 3'
    );
    """,
)

# The texts of passages are not here: they are the user's files, which can be taken out of files.db with proof.
_FILES_OF_CHATS = Migration(
    11,
    "chats with files",
    """
    ALTER TABLE chats ADD COLUMN collections TEXT NOT NULL DEFAULT '[]';
    ALTER TABLE messages ADD COLUMN files TEXT;
    """,
)
CHATS_MIGRATIONS = (_CHATS, _FILES_OF_CHATS)


@dataclass(frozen=True, slots=True)
class ChatRecord:
    """One chat without its messages; times are seconds since 1970, `snippet` only in search results.

    `collections` are the names of those that are asked before every answer.
    """

    id: str
    title: str
    pinned: bool
    model: str
    system_prompt: str
    parameters: Mapping[str, Any]
    head_id: str | None
    created_at: float
    updated_at: float
    collections: Sequence[str] = ()
    snippet: str = ""


@dataclass(frozen=True, slots=True)
class MessageRecord:
    """One message; `usage` holds the numbers of wire.MessageUsage.

    `files` says what of the user's files it was given: "sources" (as wire.Source, without their texts), "support",
    "why_id", "note". None when none were asked.
    """

    id: str
    chat_id: str
    parent_id: str | None
    role: str
    content: str
    state: str
    created_at: float
    reasoning: str = ""
    model: str = ""
    usage: Mapping[str, Any] | None = None
    error: str = ""
    hint: str = ""
    files: Mapping[str, Any] | None = None


CHAT_COLUMNS = "id, title, pinned, model, system_prompt, parameters, head_id, created_at, updated_at, collections"
MESSAGE_COLUMNS = (
    "id, chat_id, parent_id, role, content, state, created_at, reasoning, model, usage, error, hint, files"
)
CHANGEABLE = frozenset({"title", "pinned", "model", "head_id", "system_prompt", "parameters", "collections"})
IN_JSON = frozenset({"parameters", "collections"})


def _chat_of(row: Sequence[Any], snippet: str = "") -> ChatRecord:
    chat_id, title, pinned, model, system_prompt, parameters, head_id, created_at, updated_at, collections = row
    return ChatRecord(
        id=chat_id,
        title=title,
        pinned=bool(pinned),
        model=model,
        system_prompt=system_prompt,
        parameters=json.loads(parameters),
        head_id=head_id,
        created_at=created_at,
        updated_at=updated_at,
        collections=json.loads(collections),
        snippet=snippet,
    )


def _message_of(row: Sequence[Any]) -> MessageRecord:
    values = dict(zip(MESSAGE_COLUMNS.split(", "), row, strict=True))
    for name in ("usage", "files"):
        values[name] = json.loads(values[name]) if values[name] else None
    return MessageRecord(**values)


def select_chat(connection: sqlite3.Connection, chat_id: str) -> ChatRecord:
    row = connection.execute(
        f"SELECT {CHAT_COLUMNS} FROM chats WHERE id = ? AND deleted_at IS NULL",  # noqa: S608  our own constant
        (chat_id,),
    ).fetchone()
    if row is None:
        raise _no_chat(chat_id)
    return _chat_of(row)


def select_messages(connection: sqlite3.Connection, chat_id: str) -> list[MessageRecord]:
    rows = connection.execute(
        f"SELECT {MESSAGE_COLUMNS} FROM messages WHERE chat_id = ? ORDER BY number",  # noqa: S608  our own constant
        (chat_id,),
    )
    return [_message_of(row) for row in rows]


def search_chats(connection: sqlite3.Connection, expression: str) -> list[ChatRecord]:
    rows = connection.execute(
        f"SELECT {CHAT_COLUMNS} FROM chats WHERE deleted_at IS NULL ORDER BY updated_at DESC"  # noqa: S608  our own
    ).fetchall()
    if not expression:
        return [_chat_of(row) for row in rows]
    snippets = _snippets(connection, expression)
    return [_chat_of(row, snippets[row[0]]) for row in rows if row[0] in snippets]


def _snippets(connection: sqlite3.Connection, expression: str) -> dict[str, str]:
    """For each chat with a hit the words around its best one; empty when only the title has the words."""
    found: dict[str, str] = {}
    hits = connection.execute(
        "SELECT messages.chat_id, snippet(message_words, 0, '', '', '…', 16) FROM message_words"
        " JOIN messages ON messages.number = message_words.rowid WHERE message_words MATCH ? ORDER BY rank LIMIT ?",
        (expression, MAX_HITS),
    )
    for chat_id, snippet in hits:
        found.setdefault(chat_id, " ".join(snippet.split()))
    titles = connection.execute(
        "SELECT chats.id FROM chat_words JOIN chats ON chats.number = chat_words.rowid WHERE chat_words MATCH ?",
        (expression,),
    )
    for (chat_id,) in titles:
        found.setdefault(chat_id, "")
    return found


def insert_chat(connection: sqlite3.Connection, chat: ChatRecord) -> None:
    connection.execute(
        f"INSERT INTO chats ({CHAT_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608  our own constant
        (
            chat.id,
            chat.title,
            chat.pinned,
            chat.model,
            chat.system_prompt,
            json.dumps(dict(chat.parameters)),
            chat.head_id,
            chat.created_at,
            chat.updated_at,
            json.dumps(list(chat.collections)),
        ),
    )
    _index_title(connection, chat.id)


def change_chat(connection: sqlite3.Connection, chat_id: str, changes: Mapping[str, Any]) -> None:
    select_chat(connection, chat_id)
    assert changes.keys() <= CHANGEABLE
    head_id = changes.get("head_id")
    if head_id is not None and not _has_message(connection, chat_id, head_id):
        hint = "Open the chat again: it has changed meanwhile."
        raise BadRequest("message_not_found", f"The chat has no message {head_id!r}.", hint=hint)
    if "title" in changes:
        _unindex_title(connection, chat_id)
    for column, value in changes.items():
        stored = json.dumps(value) if column in IN_JSON else value
        connection.execute(f"UPDATE chats SET {column} = ? WHERE id = ?", (stored, chat_id))  # noqa: S608  CHANGEABLE
    if "title" in changes:
        _index_title(connection, chat_id)


def mark_deleted(connection: sqlite3.Connection, chat_id: str, now: float) -> None:
    select_chat(connection, chat_id)
    connection.execute("UPDATE chats SET deleted_at = ? WHERE id = ?", (now, chat_id))


def restore_chat(connection: sqlite3.Connection, chat_id: str) -> None:
    if connection.execute("UPDATE chats SET deleted_at = NULL WHERE id = ?", (chat_id,)).rowcount == 0:
        raise _no_chat(chat_id)


def add_messages(
    connection: sqlite3.Connection, messages: Sequence[MessageRecord], changes: Mapping[str, Any], now: float
) -> None:
    """Add messages, parents first, together with changes of their chat; the last one becomes its head."""
    for message in messages:
        inserted = connection.execute(
            f"INSERT INTO messages ({MESSAGE_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608  our own
            (
                message.id,
                message.chat_id,
                message.parent_id,
                message.role,
                message.content,
                message.state,
                message.created_at,
                message.reasoning,
                message.model,
                _json(message.usage),
                message.error,
                message.hint,
                _json(message.files),
            ),
        )
        if message.state != "streaming":
            _index_message(connection, inserted.lastrowid, message.content)
    last = messages[-1]
    change_chat(connection, last.chat_id, {**changes, "head_id": last.id})
    connection.execute("UPDATE chats SET updated_at = ? WHERE id = ?", (now, last.chat_id))


def save_answer(connection: sqlite3.Connection, message: MessageRecord) -> None:
    """Write an answer that was streaming until now; one that has ended already is left as it is."""
    row = connection.execute(
        "UPDATE messages SET content = ?, reasoning = ?, state = ?, model = ?, usage = ?, error = ?, hint = ?,"
        " files = ? WHERE id = ? AND state = 'streaming' RETURNING number",
        (
            message.content,
            message.reasoning,
            message.state,
            message.model,
            _json(message.usage),
            message.error,
            message.hint,
            _json(message.files),
            message.id,
        ),
    ).fetchone()
    if row is not None and message.state != "streaming":
        _index_message(connection, row[0], message.content)


def all_ids(connection: sqlite3.Connection) -> set[str]:
    """Of all chats, also those that are deleted and can be restored."""
    return {row[0] for row in connection.execute("SELECT id FROM chats")}


def rename_collection(connection: sqlite3.Connection, old: str, new: str | None) -> list[str]:
    """Let all chats know a collection by its new name, or forget it for None; returns the ids of those that did."""
    changed = []
    for chat_id, stored in connection.execute("SELECT id, collections FROM chats WHERE collections <> '[]'").fetchall():
        names = json.loads(stored)
        if old in names:
            kept = [new if name == old else name for name in names if name != old or new is not None]
            connection.execute("UPDATE chats SET collections = ? WHERE id = ?", (json.dumps(kept), chat_id))
            changed.append(chat_id)
    return changed


def last_model(connection: sqlite3.Connection) -> str:
    """The model that wrote the newest answer, "" when there is none."""
    row = connection.execute("SELECT model FROM messages WHERE model <> '' ORDER BY number DESC LIMIT 1").fetchone()
    return str(row[0]) if row else ""


def recover(connection: sqlite3.Connection) -> int:
    """Remove deleted chats and end answers that were streaming when the service ended; returns how many of these."""
    for (chat_id,) in connection.execute("SELECT id FROM chats WHERE deleted_at IS NOT NULL").fetchall():
        connection.execute(
            "INSERT INTO message_words (message_words, rowid, content)"
            " SELECT 'delete', number, content FROM messages WHERE chat_id = ? AND state <> 'streaming'",
            (chat_id,),
        )
        _unindex_title(connection, chat_id)
        connection.execute("DELETE FROM chats WHERE id = ?", (chat_id,))
    cut_short = connection.execute("SELECT number, content FROM messages WHERE state = 'streaming'").fetchall()
    for number, content in cut_short:
        _index_message(connection, number, content)
    connection.execute(
        "UPDATE messages SET state = 'interrupted', error = 'The service ended while this was being written.',"
        " hint = 'Ask again to get a whole answer.' WHERE state = 'streaming'"
    )
    return len(cut_short)


def _json(value: Mapping[str, Any] | None) -> str | None:
    return json.dumps(dict(value)) if value else None


def _has_message(connection: sqlite3.Connection, chat_id: str, message_id: str) -> bool:
    found = connection.execute("SELECT 1 FROM messages WHERE id = ? AND chat_id = ?", (message_id, chat_id))
    return found.fetchone() is not None


def _index_message(connection: sqlite3.Connection, number: int | None, content: str) -> None:
    connection.execute("INSERT INTO message_words (rowid, content) VALUES (?, ?)", (number, content))


def _index_title(connection: sqlite3.Connection, chat_id: str) -> None:
    connection.execute("INSERT INTO chat_words (rowid, title) SELECT number, title FROM chats WHERE id = ?", (chat_id,))


def _unindex_title(connection: sqlite3.Connection, chat_id: str) -> None:
    """To be called while the chat still has the title that was indexed."""
    connection.execute(
        "INSERT INTO chat_words (chat_words, rowid, title) SELECT 'delete', number, title FROM chats WHERE id = ?",
        (chat_id,),
    )


def _no_chat(chat_id: str) -> NotFound:
    return NotFound("chat_not_found", f"There is no chat {chat_id!r}.", hint="It may have been deleted.")
