"""How many tokens the chat with the draft would send, asked of the service shortly after typing stops."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal

from desktop.qt.bridge import Bridge, Call
from desktop.qt.conversation import Conversation
from desktop.qt.figures import grouped_digits, in_tokens

if TYPE_CHECKING:
    from desktop.wire import ContextCount

SETTLE_MS = 250
# English text in common vocabularies; only used while no service count exists, and then said to be about.
CHARS_PER_TOKEN = 4


@dataclass(frozen=True, slots=True)
class Room:
    """Tokens used of those allocated; either None while not known. `exact` False: an estimate."""

    used: int | None = None
    allocated: int | None = None
    exact: bool = False

    @property
    def share(self) -> float | None:
        return None if self.used is None or not self.allocated else self.used / self.allocated

    @property
    def fits(self) -> bool:
        """False only when it is certain that not even one token of an answer has room."""
        return not (self.exact and self.used is not None and self.allocated is not None and self.used >= self.allocated)

    def in_words(self) -> str:
        if self.used is None:
            return "" if self.allocated is None else f"{in_tokens(self.allocated)} context"
        about = "" if self.exact else "~"
        if self.allocated is None:
            return f"{about}{in_tokens(self.used)} tokens"
        return f"{about}{in_tokens(self.used)} of {in_tokens(self.allocated)}"

    def in_full(self) -> str:
        """For a tooltip and for screen readers."""
        if self.used is None:
            return "How much of the context is used is not known yet."
        about = "" if self.exact else "about "
        if self.allocated is None:
            return f"This chat has {about}{grouped_digits(self.used)} tokens. The model is not loaded yet."
        return f"{about}{grouped_digits(self.used)} of {grouped_digits(self.allocated)} tokens of context".capitalize()


class ContextGauge(QObject):
    """Follows one conversation and its draft; `changed(Room)`."""

    changed = Signal(object)

    def __init__(self, bridge: Bridge, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._bridge = bridge
        self._conversation: Conversation | None = None
        self._draft = ""
        self._allocated: int | None = None
        self._call: Call | None = None
        self.room = Room()
        self.counted_draft: str | None = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(SETTLE_MS)
        self._timer.timeout.connect(self._ask)

    def follow(self, conversation: Conversation, draft: str) -> None:
        self._conversation, self._draft = conversation, draft
        self._set(Room(None, self._allocated))
        self._timer.start()

    def draft_changed(self, draft: str) -> None:
        self._draft = draft
        self._timer.start()

    def set_allocated(self, tokens: int | None) -> None:
        """What the model of the chat has allocated now, as the service last said."""
        if tokens != self._allocated:
            self._allocated = tokens
            self._timer.start()

    def refresh(self) -> None:
        self._timer.start()

    def _ask(self) -> None:
        conversation, draft = self._conversation, self._draft
        if self._call is not None:
            self._call.cancel()
            self._call = None
        if conversation is None:
            return
        if not conversation.chat_id:
            count = -(-len(draft + conversation.system_prompt) // CHARS_PER_TOKEN)
            self._set(Room(count or None, self._allocated))
            return
        chat_id, place = conversation.chat_id, conversation.edited_place()

        def came(count: ContextCount) -> None:
            if conversation is self._conversation:
                self.counted_draft = draft
                self._set(Room(count.prompt_tokens, count.allocated_context or self._allocated, count.exact))

        # A count is a convenience: when it fails, sending still tells what is wrong.
        self._call = self._bridge.call(
            lambda client: client.context(chat_id, draft, *place), came, lambda _failure: None, owner=self
        )

    def _set(self, room: Room) -> None:
        if room != self.room:
            self.room = room
            self.changed.emit(room)
