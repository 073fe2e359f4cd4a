"""One HTTP/1.1 connection to a llama-server child, as an asyncio protocol.

Made for streams of many tiny chunks: llhttp (httptools) undoes the chunked framing in C, and everything one read of the
socket brought is handed on as one piece. No task runs per chunk; whoever relays registers a sink that is called from
the read itself.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol, cast

import httptools

from engine.errors import BadAnswer, EngineError, EngineStopped

MAX_HEAD_BYTES = 64 * 1024  # also what may come without a byte of body: trailers, chunk extensions
HIGH_WATER_BYTES = 256 * 1024


class BodySink(Protocol):
    """Takes a response body as it comes; called on the event loop, must not block."""

    def feed(self, data: bytes) -> None:
        """The next bytes of the body, unframed. Raising EngineError ends the connection with that error."""

    def finished(self, error: EngineError | None) -> None:
        """Called exactly once: None after a complete body, else why it is not complete."""


class BufferSink:
    """Keeps what came for a reader; asks the connection to pause while too much lies here."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._pieces: deque[bytes] = deque()
        self._bytes = 0
        self._ended = False
        self._error: EngineError | None = None
        self._waiter: asyncio.Future[None] | None = None

    def feed(self, data: bytes) -> None:
        self._pieces.append(data)
        self._bytes += len(data)
        if self._bytes > HIGH_WATER_BYTES:
            self._connection.pause()
        self._wake()

    def finished(self, error: EngineError | None) -> None:
        self._ended = True
        self._error = error
        self._wake()

    def take(self) -> bytes:
        """Everything that lies here, possibly nothing; reading goes on."""
        data = b"".join(self._pieces)
        self._pieces.clear()
        self._bytes = 0
        self._connection.resume()
        return data

    async def next(self) -> bytes:
        """The next bytes, or b"" at the end; raises what ended the body early."""
        while not self._pieces:
            if self._ended:
                if self._error is not None:
                    raise self._error
                return b""
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return self.take()

    def hand_over(self, sink: BodySink) -> None:
        """Give what lies here, and the end if it came, to another sink."""
        if data := self.take():
            sink.feed(data)
        if self._ended:
            sink.finished(self._error)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Connection(asyncio.Protocol):
    """One response at a time; `on_idle` is called when the connection can take the next request."""

    def __init__(self, on_idle: Callable[[Connection], None]) -> None:
        self._on_idle = on_idle
        self._transport: asyncio.Transport | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._head: asyncio.Future[None] | None = None
        self._sink: BodySink | None = None
        self._pieces: list[bytes] = []
        self._unproductive_bytes = 0
        self._complete = False
        self._paused = False
        self.status = 0
        self.headers: dict[str, str] = {}
        self.requests = 0
        self.idle_since = 0.0
        self.closed = False

    def start(self, request: bytes) -> asyncio.Future[None]:
        """Send a request; the future is done when the response's head is here, or fails with EngineStopped."""
        assert self._transport is not None
        self._parser = httptools.HttpResponseParser(self)
        self._head = asyncio.get_running_loop().create_future()
        self._sink = BufferSink(self)
        self._unproductive_bytes = 0
        self._complete = False
        self.status = 0
        self.headers = {}
        self.requests += 1
        self._transport.write(request)
        return self._head

    @property
    def is_idle(self) -> bool:
        """No response is under way: the last one was complete, or the connection is closed."""
        return self._parser is None

    @property
    def buffer(self) -> BufferSink:
        """Where the body goes until `pipe` names another place."""
        return cast(BufferSink, self._sink)

    def pipe(self, sink: BodySink) -> None:
        """Send the body to `sink` from now on, beginning with what lies in the buffer."""
        buffer = self.buffer
        self._sink = sink
        buffer.hand_over(sink)

    def pause(self) -> None:
        if not self._paused and self._transport is not None and not self.closed:
            self._paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        if self._paused and self._transport is not None and not self.closed:
            self._paused = False
            self._transport.resume_reading()

    def abort(self) -> None:
        """Close the socket now; llama-server notices and frees the slot."""
        self.closed = True
        self._sink = None
        if self._transport is not None:
            self._transport.abort()

    # -- asyncio.Protocol --

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self._parser is None:  # bytes nobody asked for: not a connection to use again
            self.abort()
            return
        try:
            self._parser.feed_data(data)
            self._check_progress(len(data))
        except httptools.HttpParserError as error:
            self._fail(BadAnswer(f"The engine sent something that is not HTTP: {error}"))
            return
        except EngineError as error:
            self._fail(error)
            return
        self._deliver()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        if self._parser is not None:
            self._fail(EngineStopped("The engine closed the connection before its answer was complete."))

    # -- httptools callbacks --

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        assert self._parser is not None and self._head is not None
        self.status = self._parser.get_status_code()
        if self.status >= 200 and not self._head.done():
            self._head.set_result(None)

    def on_body(self, body: bytes) -> None:
        self._pieces.append(body)

    def on_message_complete(self) -> None:
        if self.status >= 200:
            self._complete = True

    # -- inside --

    def _check_progress(self, received: int) -> None:
        self._unproductive_bytes = 0 if self._pieces else self._unproductive_bytes + received
        if self._unproductive_bytes > MAX_HEAD_BYTES:
            raise BadAnswer(f"The engine sent more than {MAX_HEAD_BYTES} bytes of headers.")

    def _deliver(self) -> None:
        pieces, self._pieces = self._pieces, []
        if pieces and self._sink is not None:
            try:
                self._sink.feed(pieces[0] if len(pieces) == 1 else b"".join(pieces))
            except EngineError as error:
                self._fail(error)
                return
        if self._complete:
            self._finish()

    def _finish(self) -> None:
        assert self._parser is not None
        reusable = self._parser.should_keep_alive() and not self.closed
        self._parser = None
        sink, self._sink = self._sink, None
        if sink is not None:
            sink.finished(None)
        if reusable:
            self.resume()
            self._on_idle(self)
        else:
            self.abort()

    def _fail(self, error: EngineError) -> None:
        self._parser = None
        head, sink = self._head, self._sink
        self.abort()
        if head is not None and not head.done():
            head.set_exception(error)
        elif sink is not None:
            sink.finished(error)
