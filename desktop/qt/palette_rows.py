"""What the command palette lists for a query: commands that can be run now, and chats."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from desktop.qt.chat_groups import when
from desktop.qt.commands import Commands
from desktop.qt.components.command_palette import PaletteRow
from desktop.qt.matching import best_matches
from desktop.qt.store import Store

MAX_COMMANDS = 30
MAX_CHATS = 20
RECENT_CHATS = 6


class PaletteSource:
    """Ids are "command:ID" and "chat:ID"."""

    def __init__(self, commands: Commands, store: Store) -> None:
        self._commands = commands
        self._store = store

    def rows(self, query: str) -> Sequence[PaletteRow]:
        """Best matches first; without a query the last chats, then all commands."""
        now = datetime.now().astimezone()
        chats = best_matches(query, self._store.chats, lambda chat: chat.title, MAX_CHATS if query else RECENT_CHATS)
        chat_rows = [
            PaletteRow(
                f"chat:{chat.id}",
                chat.title or "New chat",
                "Chats",
                icon="pin" if chat.pinned else "message-square",
                detail=when(chat.updated_at, now),
            )
            for chat in chats
        ]
        usable = [command for command in self._commands if command.in_palette and command.available]
        commands = best_matches(query, usable, lambda command: command.title, MAX_COMMANDS)
        command_rows = [
            PaletteRow(f"command:{c.id}", c.title, "Commands", keys=c.shown_keys, icon=c.icon) for c in commands
        ]
        return [*command_rows, *chat_rows] if query else [*chat_rows, *command_rows]
