"""Files and folders of one chat: attached, taken away, and how they stand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject

from desktop.qt.bridge import Bridge, Call, Failure

if TYPE_CHECKING:
    from desktop.client import Client
    from desktop.qt.conversation import Conversation
    from desktop.wire import Chat


class Attachments(QObject):
    """Changes the files of `chat`; one that does not exist yet is made for the first of them."""

    def __init__(self, bridge: Bridge, chat: Conversation) -> None:
        super().__init__(chat)
        self._bridge = bridge
        self._chat = chat
        self._attaching: Call | None = None
        self._looking: Call | None = None
        self._waiting: list[Path] = []
        self._then: Callable[[], None] | None = None

    @property
    def making_the_chat(self) -> bool:
        """Whether the chat is being made just now for what is attached to it."""
        return self._attaching is not None and not self._chat.chat_id

    def then(self, act: Callable[[], None]) -> None:
        """Do this once the chat is there."""
        self._then = act

    def attach(self, paths: Sequence[Path]) -> None:
        """Attach files or folders; what comes while others are being attached follows them."""
        if self._attaching is not None or not paths:
            self._waiting += paths
            return
        chat_id, wishes = self._chat.chat_id, self._chat.wishes

        async def work(client: Client) -> Chat:
            wanted = chat_id or (await client.new_chat(wishes.new_chat())).id
            return await client.attach(wanted, paths)

        self._attaching = self._bridge.call(work, self._attached, self._not_attached, owner=self)

    def detach(self, path: str) -> None:
        """Take an attached file or folder away, and out of the index."""
        chat_id = self._chat.chat_id
        self._bridge.call(
            lambda client: client.detach(chat_id, path), self._chat.take_properties, self._failed, owner=self
        )

    def look(self) -> None:
        """How they stand may be another by now: ask, without touching the messages."""
        if not self._chat.chat_id or self._looking is not None:
            return
        chat_id = self._chat.chat_id

        def done(chat: Chat) -> None:
            self._looking = None
            self._chat.take_properties(chat)

        def failed(_failure: Failure) -> None:
            self._looking = None  # the state in view stays; the next event asks again

        self._looking = self._bridge.call(lambda client: client.chat(chat_id), done, failed, owner=self)

    def _attached(self, chat: Chat) -> None:
        self._attaching = None
        if self._chat.chat_id:
            self._chat.take_properties(chat)
        else:
            self._chat.adopt(chat)
        self._go_on()

    def _not_attached(self, failure: Failure) -> None:
        self._attaching = None
        self._failed(failure)
        self._go_on()

    def _failed(self, failure: Failure) -> None:
        self._chat.failed.emit(failure, "")

    def _go_on(self) -> None:
        """Attach what came meanwhile, and send what was to be sent."""
        paths, self._waiting = self._waiting, []
        if paths:
            self.attach(paths)
        act, self._then = self._then, None
        if act is not None:
            act()
