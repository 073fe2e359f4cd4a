"""One HTTP/1.1 connection to a llama-server child, as an asyncio protocol, and the responses it carries.

Made for streams of many tiny chunks: llhttp (httptools) undoes the chunked framing in C, and everything one read of the
socket brought is handed on as one piece. No task runs per chunk; whoever relays registers a sink that is called from
the read itself.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Protocol, cast

import httptools

from engine.errors import BadAnswer, EngineError, EngineStopped

MAX_HEAD_BYTES = 64 * 1024  # also what may come without a byte of body: trailers, chunk extensions
MAX_BODY_BYTES = 256 * 1024 * 1024  # embeddings of a large batch; far above any honest answer
HIGH_WATER_BYTES = 256 * 1024


class BodySink(Protocol):
    """Takes a response body as it comes; called on the event loop, must not block."""

    def feed(self, data: bytes) -> None:
        """The next bytes of the body, unframed. Raising EngineError ends the connection with that error."""

    def finished(self, error: EngineError | None) -> None:
        """Called exactly once: None after a complete body, else why it is not complete."""


class UpstreamResponse:
    """A response whose body has not been read. Read it, pipe it, or close it; `async with` closes it.

    `status` and `headers` (names in lower case) are valid once the head is here. What nobody has read yet is kept, up
    to HIGH_WATER_BYTES and one read of the socket; then the child has to wait.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection: Connection | None = connection  # None once the response is over
        self._pieces: deque[bytes] = deque()
        self._bytes = 0
        self._error: EngineError | None = None
        self._sink: BodySink | None = None
        self._waiter: asyncio.Future[None] | None = None
        self.head: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.status = 0
        self.headers: dict[str, str] = {}

    async def __aenter__(self) -> UpstreamResponse:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes, in pieces of any size. Raises EngineStopped or BadAnswer when it breaks off."""
        while True:
            while not self._pieces:
                if self._connection is None:
                    if self._error is not None:
                        raise self._error
                    return
                self._waiter = asyncio.get_running_loop().create_future()
                await self._waiter
            yield self._take()

    async def read(self, limit: int = MAX_BODY_BYTES) -> bytes:
        """The whole body, at most `limit` bytes; more closes the connection and raises BadAnswer."""
        pieces: list[bytes] = []
        size = 0
        async for data in self.chunks():
            size += len(data)
            if size > limit:
                self.close()
                raise BadAnswer(f"The engine's answer is larger than {limit} bytes.")
            pieces.append(data)
        return b"".join(pieces)

    def pipe(self, sink: BodySink) -> None:
        """Call `sink` from every read of the socket from now on: the cheap way for streams.

        Raises what `sink.feed` raises for the bytes that are here already.
        """
        self._sink = sink
        if self._pieces:
            sink.feed(self._take())
        if self._connection is None:
            sink.finished(self._error)

    def pause(self) -> None:
        """Stop reading: the child blocks once the socket is full."""
        if self._connection is not None:
            self._connection.pause()

    def resume(self) -> None:
        if self._connection is not None:
            self._connection.resume()

    def close(self) -> None:
        """Close the socket unless the body was complete; llama-server stops generating. The sink hears no more."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            self._sink = None
            self._error = EngineStopped("The response was closed.")
            self._wake()
            connection.abort()

    def feed(self, data: bytes) -> None:
        """For the connection: the next bytes of the body."""
        if self._sink is not None:
            self._sink.feed(data)
            return
        self._pieces.append(data)
        self._bytes += len(data)
        if self._bytes > HIGH_WATER_BYTES:
            self.pause()
        self._wake()

    def finish(self, error: EngineError | None) -> None:
        """For the connection: the body is over."""
        self._connection = None
        self._error = error
        if error is not None and not self.head.done():
            self.head.set_exception(error)
        elif self._sink is not None:
            self._sink.finished(error)
        self._wake()

    def _take(self) -> bytes:
        data = b"".join(self._pieces)
        self._pieces.clear()
        self._bytes = 0
        self.resume()
        return data

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Connection(asyncio.Protocol):
    """One request and its response. `open_connections` is kept up to date by the connections themselves."""

    def __init__(self, open_connections: set[Connection]) -> None:
        self._open_connections = open_connections
        self._transport: asyncio.Transport | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._response: UpstreamResponse | None = None
        self._pieces: list[bytes] = []
        self._barren_bytes = 0
        self._complete = False
        self._paused = False
        self._closed = False

    def start(self, request: bytes) -> UpstreamResponse:
        """Send a request; the response's `head` is done when its head is here, or fails with EngineStopped."""
        assert self._transport is not None
        self._parser = httptools.HttpResponseParser(self)
        self._response = UpstreamResponse(self)
        self._transport.write(request)
        return self._response

    def pause(self) -> None:
        if not self._paused and self._transport is not None and not self._closed:
            self._paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        if self._paused and self._transport is not None and not self._closed:
            self._paused = False
            self._transport.resume_reading()

    def break_off(self, error: EngineError) -> None:
        """Close the socket and tell whoever reads the response why."""
        response = self._response
        self.abort()
        if response is not None:
            response.finish(error)

    def abort(self) -> None:
        """Close the socket now; llama-server notices and frees the slot."""
        self._closed = True
        self._response = self._parser = None
        if self._transport is not None:
            self._transport.abort()

    # -- asyncio.Protocol --

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._open_connections.add(self)

    def data_received(self, data: bytes) -> None:
        if self._parser is None:  # bytes nobody asked for
            self.abort()
            return
        try:
            self._parser.feed_data(data)
            self._barren_bytes = 0 if self._pieces else self._barren_bytes + len(data)
            if self._barren_bytes > MAX_HEAD_BYTES:
                raise BadAnswer(f"The engine sent more than {MAX_HEAD_BYTES} bytes of headers.")
            self._deliver()
        except httptools.HttpParserError as error:
            self.break_off(BadAnswer(f"The engine sent something that is not HTTP: {error}"))
        except EngineError as error:
            self.break_off(error)

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._open_connections.discard(self)
        self.break_off(EngineStopped("The engine closed the connection before its answer was complete."))

    # -- httptools callbacks --

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._response is not None and not self._response.head.done():  # trailers are nobody's business
            self._response.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code() if self._parser is not None else 0
        if self._response is not None and status >= 200:
            self._response.status = status
            if not self._response.head.done():
                self._response.head.set_result(None)

    def on_body(self, body: bytes) -> None:
        self._pieces.append(body)

    def on_message_complete(self) -> None:
        self._complete = self._response is not None and self._response.status >= 200

    # -- inside --

    def _deliver(self) -> None:
        pieces, self._pieces = self._pieces, []
        if pieces and self._response is not None:
            self._response.feed(pieces[0] if len(pieces) == 1 else b"".join(pieces))
        if self._complete:
            response = self._response
            self.abort()
            if response is not None:
                response.finish(None)
