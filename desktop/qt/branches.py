"""Which messages of a chat's tree are shown, and what stands beside them. Pure.

A chat is a tree: an edited question or an answer made again is a sibling with the same parent. The head names the last
message of the branch that is shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from desktop.wire import Message


@dataclass(frozen=True, slots=True)
class Shown:
    """A message of the branch in view; `index` of `count` siblings, counted from 0."""

    message: Message
    index: int
    count: int


def shown_branch(messages: Sequence[Message], head_id: str | None) -> list[Shown]:
    """The branch that ends at `head_id`, first message first; without a head the branch of the newest message."""
    by_id = {message.id: message for message in messages}
    head = by_id.get(head_id) if head_id else None
    if head is None:
        head = messages[-1] if messages else None
    siblings = _children(messages)
    branch: list[Shown] = []
    seen: set[str] = set()
    while head is not None and head.id not in seen:
        seen.add(head.id)
        beside = [m.id for m in siblings[head.parent_id] if m.role == head.role]
        branch.append(Shown(head, beside.index(head.id), len(beside)))
        head = by_id.get(head.parent_id) if head.parent_id else None
    branch.reverse()
    return branch


def sibling_head(messages: Sequence[Message], message_id: str, delta: int) -> str | None:
    """The head of the branch through the sibling `delta` steps beside `message_id`; None at either end."""
    by_id = {message.id: message for message in messages}
    message = by_id.get(message_id)
    if message is None:
        return None
    siblings = _children(messages)
    beside = [m for m in siblings[message.parent_id] if m.role == message.role]
    place = next(i for i, m in enumerate(beside) if m.id == message_id) + delta
    if not 0 <= place < len(beside):
        return None
    return newest_leaf(messages, beside[place].id)


def newest_leaf(messages: Sequence[Message], message_id: str) -> str:
    """Follow the newest child of each message downwards: what the user saw last on that branch."""
    siblings = _children(messages)
    seen = {message_id}
    while below := siblings.get(message_id):
        message_id = below[-1].id
        if message_id in seen:
            break
        seen.add(message_id)
    return message_id


def last_of(branch: Sequence[Shown], role: str) -> Message | None:
    """The last message of that role in the branch in view."""
    return next((shown.message for shown in reversed(branch) if shown.message.role == role), None)


def _children(messages: Sequence[Message]) -> dict[str | None, list[Message]]:
    known = {message.id for message in messages}
    children: dict[str | None, list[Message]] = {}
    for message in sorted(messages, key=lambda m: m.created_at):
        # A parent that is missing must not hide what hangs below it.
        parent = message.parent_id if message.parent_id in known else message.parent_id and None
        children.setdefault(parent, []).append(message)
    return children
