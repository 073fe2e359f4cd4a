"""The evidence of one answer: its sources, and what led to them, asked for when it is looked at."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from desktop.qt.bridge import Bridge, Call, Failure

if TYPE_CHECKING:
    from desktop.wire import Message
    from desktop.wire_files import Why

KEPT = 20


class Evidence(QObject):
    """`changed` when another answer is in view, or more is known of it."""

    changed = Signal()

    def __init__(self, bridge: Bridge) -> None:
        super().__init__()
        self._bridge = bridge
        self.message: Message | None = None
        self.failure: Failure | None = None
        self._kept: OrderedDict[str, Why] = OrderedDict()
        self._call: Call | None = None

    @property
    def why(self) -> Why | None:
        """What led to the answer in view, None while it is not known."""
        return self._kept.get(self.message.why_id) if self.message is not None else None

    def show(self, message: Message | None) -> None:
        """Look at this answer."""
        if message == self.message:
            return
        ended = self.message is not None and message is not None and self.message.id == message.id
        if ended and message is not None:
            self._kept.pop(message.why_id, None)  # more is known at its end: what was cited, and what carries it
        self.message, self.failure = message, None
        if self._call is not None:
            self._call.cancel()
            self._call = None
        self.changed.emit()

    def want_why(self) -> None:
        """What led to it is looked at: ask, unless it is known."""
        message = self.message
        if message is None or not message.why_id or self.why is not None or self._call is not None:
            return
        why_id = message.why_id

        def came(why: Why) -> None:
            self._call = None
            self._kept[why_id] = why
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
            self.changed.emit()

        def failed(failure: Failure) -> None:
            self._call = None
            self.failure = failure
            self.changed.emit()

        self._call = self._bridge.call(lambda client: client.why(why_id), came, failed, owner=self)
