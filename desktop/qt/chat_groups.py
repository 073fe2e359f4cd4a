"""Conversations by when they were last used, as the list shows them. Pure: the clock is an argument."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from desktop.wire import ChatSummary

GROUPS = ("Pinned", "Today", "Yesterday", "Previous 7 days", "Older")
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def group_of(pinned: bool, updated_at: float, now: datetime) -> str:
    """The heading a chat stands under; `updated_at` in seconds since 1970, `now` with its time zone."""
    if pinned:
        return "Pinned"
    day = datetime.fromtimestamp(updated_at, now.tzinfo).date()
    if day >= now.date():
        return "Today"
    if day == now.date() - timedelta(days=1):
        return "Yesterday"
    return "Previous 7 days" if day >= now.date() - timedelta(days=7) else "Older"


def grouped(chats: Sequence[ChatSummary], now: datetime) -> list[tuple[str, list[ChatSummary]]]:
    """Groups that hold something, in their order; within a group the last used first."""
    found: dict[str, list[ChatSummary]] = {name: [] for name in GROUPS}
    for chat in sorted(chats, key=lambda chat: chat.updated_at, reverse=True):
        found[group_of(chat.pinned, chat.updated_at, now)].append(chat)
    return [(name, rows) for name, rows in found.items() if rows]


def when(updated_at: float, now: datetime) -> str:
    """A short time for the end of a row: "14:32" within two days, "Mon" within a week, then "3 Mar" or "3 Mar 2024"."""
    moment = datetime.fromtimestamp(updated_at, now.tzinfo)
    days = (now.date() - moment.date()).days
    if days <= 1:
        return f"{moment:%H:%M}"
    if days <= 7:
        return _WEEKDAYS[moment.weekday()]
    return f"{moment.day} {moment:%b}" if moment.year == now.year else f"{moment.day} {moment:%b %Y}"
