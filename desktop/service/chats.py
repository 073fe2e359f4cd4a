"""Chats: a tree of messages each, kept in the database and searched with FTS5.

A message's text never changes once it is complete: to edit is to add a sibling. Deleting is a mark that can be taken
back; what is marked is removed for good when the service starts the next time.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from desktop.service import chat_rows as rows
from desktop.service.chat_rows import ChatRecord, MessageRecord
from desktop.service.errors import NotFound
from models.database import Database

TITLE_CHARACTERS = 60


class Chats:
    """Reads and writes of chats; every write is durable when it returns."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    async def recover(self) -> int:
        """At the start of the service: answers a crash cut short become interrupted, deleted chats are removed.

        Returns how many answers were cut short.
        """
        return await self._database.write(rows.recover)

    async def find(self, query: str = "") -> list[ChatRecord]:
        """All chats, newest first; with a query those that hold all of its words, the last ones as beginnings too."""
        expression = match_expression(query)
        if query.strip() and not expression:
            return []
        return await self._database.read(lambda connection: rows.search_chats(connection, expression))

    async def get(self, chat_id: str) -> tuple[ChatRecord, list[MessageRecord]]:
        """A chat and its whole tree, oldest message first. Raises NotFound."""
        return await self._database.read(
            lambda connection: (rows.select_chat(connection, chat_id), rows.select_messages(connection, chat_id))
        )

    async def title(self, chat_id: str) -> str:
        """The title of a chat, "" when there is no such chat."""
        try:
            return (await self._database.read(lambda connection: rows.select_chat(connection, chat_id))).title
        except NotFound:
            return ""

    async def create(
        self,
        *,
        title: str = "",
        model: str = "",
        system_prompt: str = "",
        parameters: Mapping[str, Any] | None = None,
        collections: Sequence[str] = (),
    ) -> ChatRecord:
        """A new, empty chat."""
        now = self._clock()
        chat = ChatRecord(new_id(), title, False, model, system_prompt, parameters or {}, None, now, now, collections)
        await self._database.write(lambda connection: rows.insert_chat(connection, chat))
        return chat

    async def change(self, chat_id: str, changes: Mapping[str, Any]) -> None:
        """Set columns of a chat. Raises NotFound; BadRequest when `head_id` is no message of the chat."""
        await self._database.write(lambda connection: rows.change_chat(connection, chat_id, changes))

    async def mark_deleted(self, chat_id: str) -> None:
        """Hide a chat until it is restored, or removed when the service starts next. Raises NotFound."""
        await self._database.write(lambda connection: rows.mark_deleted(connection, chat_id, self._clock()))

    async def restore(self, chat_id: str) -> None:
        """Take a deletion back; a chat that is not deleted stays as it is. Raises NotFound."""
        await self._database.write(lambda connection: rows.restore_chat(connection, chat_id))

    async def add(self, messages: Sequence[MessageRecord], changes: Mapping[str, Any]) -> None:
        """Add messages, parents first, and change their chat, in one transaction; the last one becomes the head."""
        await self._database.write(lambda connection: rows.add_messages(connection, messages, changes, self._clock()))

    async def last_model(self) -> str:
        """The model that wrote the newest answer, "" when there is none."""
        return await self._database.read(rows.last_model)

    async def ids(self) -> set[str]:
        """Of all chats, also those that are deleted and can be restored."""
        return await self._database.read(rows.all_ids)

    async def rename_collection(self, old: str, new: str | None) -> list[str]:
        """Let all chats know a collection by its new name, or forget it for None; returns the ids of those that did."""
        return await self._database.write(lambda connection: rows.rename_collection(connection, old, new))

    async def save_answer(self, message: MessageRecord) -> None:
        """Write the text and the state of an answer."""
        await self._database.write(lambda connection: rows.save_answer(connection, message))


def new_id() -> str:
    """64 random bits in hexadecimal: unique in one person's chats."""
    return secrets.token_hex(8)


def title_of(content: str) -> str:
    """A title from the first message: its first line with words, cut between words at 60 characters."""
    line = next((line.strip() for line in content.splitlines() if any(map(str.isalnum, line))), "")
    words = " ".join(line.lstrip("#>*-`").split())
    if len(words) <= TITLE_CHARACTERS:
        return words
    cut = words[: TITLE_CHARACTERS - 1]
    return (cut.rsplit(" ", 1)[0] if " " in cut else cut).rstrip(",.;:") + "…"


def branch(messages: Sequence[MessageRecord], leaf_id: str | None) -> list[MessageRecord]:
    """The messages from the first one to `leaf_id`, in this order."""
    by_id = {message.id: message for message in messages}
    found: list[MessageRecord] = []
    while leaf_id is not None and leaf_id in by_id:
        found.append(by_id[leaf_id])
        leaf_id = by_id[leaf_id].parent_id
    return found[::-1]


def match_expression(query: str) -> str:
    """The FTS5 expression for what somebody typed: all words, each also as a beginning. Empty when there is no word.

    Every word is quoted, so nothing of FTS5's own syntax can be typed. Source: sqlite.org/fts5.html, section 3.
    """
    words = "".join(letter if letter.isalnum() else " " for letter in query).split()
    return " ".join(f'"{word}"*' for word in words[:32])
