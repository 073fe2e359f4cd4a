"""Server-sent events of llama-server as whole, bounded, plausible frames, without parsing the JSON inside.

The stream of a child is data from a program that reads hostile files, so it is checked: every frame is UTF-8, at most
MAX_EVENT_BYTES long, and one of the kinds in FRAME_STARTS. Source: llama.cpp tools/server, `format_oai_sse` writes
`data: <json>\\n\\n`, `data: [DONE]\\n\\n` at the end and `:\\n\\n` as a ping.
"""

from __future__ import annotations

from collections.abc import Callable

from engine.errors import BadAnswer

MAX_EVENT_BYTES = 4 * 1024 * 1024
FRAME_STARTS = (b"data: {", b"data: [DONE]", b":")
DONE = b"data: [DONE]"
PING = ord(":")
ERROR_START = b'data: {"error"'


class EventFramer:
    """Cuts a byte stream into whole events.

    `feed` returns the complete events in what came so far as one piece of bytes, ready to be sent on, and keeps the
    unfinished rest (at most MAX_EVENT_BYTES). Raises BadAnswer on a frame too long, of no known kind or not UTF-8.
    `done` tells whether `data: [DONE]` was seen, `failed` whether llama-server sent an error event of its own.
    `on_events` is told how many events with text there were: about one per token.
    """

    def __init__(self, on_events: Callable[[int], None] | None = None) -> None:
        self._rest = bytearray()
        self._on_events = on_events
        self.done = False
        self.failed = False

    def feed(self, data: bytes) -> bytes:
        if self._rest:
            if b"\n\n" not in data and not (self._rest[-1] == 10 and data[:1] == b"\n"):
                self._keep(data)  # searched once only: a long line in small reads must not cost quadratic time
                return b""
            data = bytes(self._rest) + data
            self._rest.clear()
        end = data.rfind(b"\n\n") + 2
        if end < 2:
            self._keep(data)
            return b""
        if end < len(data):
            self._keep(data[end:])
            data = data[:end]
        self._check(data)
        return data

    def _keep(self, rest: bytes) -> None:
        if len(self._rest) + len(rest) > MAX_EVENT_BYTES:
            self._rest.clear()
            raise BadAnswer(f"The engine sent an event of more than {MAX_EVENT_BYTES} bytes.")
        self._rest += rest

    def _check(self, data: bytes) -> None:
        if not data.isascii():
            try:
                data.decode("utf-8")
            except UnicodeDecodeError as error:
                raise BadAnswer("The engine sent text that is not UTF-8.") from error
        texts = 0
        for event in data.split(b"\n\n"):
            if not event:
                continue
            if not event.startswith(FRAME_STARTS):
                raise BadAnswer("The engine sent an event of an unknown kind.")
            if event.startswith(ERROR_START):
                self.failed = True
            elif event.startswith(DONE):
                self.done = True
            elif event[0] != PING:
                texts += 1
        if texts and self._on_events is not None:
            self._on_events(texts)
