"""uvicorn's HTTP/1.1 protocol with the limits it lacks, and a short way for streamed answers.

Limits (SECURITY defaults): headers 16 KiB within 10 s, body within 60 s, 256 connections, a write that makes no way for
60 s ends the connection. uvicorn has none of these: partial headers stayed open for longer than a minute there.

The short way: a handler finds an `Outlet` under `OUTLET` in the scope's extensions and writes stream chunks straight to
the transport, without an await per chunk.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
from collections.abc import Callable
from typing import Any, cast

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

OUTLET = "jackdaw.outlet"
MAX_HEADER_BYTES = 16 * 1024
HEADERS_TIMEOUT_S = 10.0
BODY_TIMEOUT_S = 60.0
WRITE_STALL_S = 60.0
KEEP_ALIVE_S = 5
MAX_CONNECTIONS = 256
LINGER_S = 2.0
LINGER_BYTES = 256 * 1024 * 1024
MAX_LINGERING = 1024
HTTP_VERSIONS = ("1.1", "1.0")


class Limits:
    """What the connections of one listener share: the count, the limits, and who may connect."""

    def __init__(
        self,
        *,
        max_connections: int = MAX_CONNECTIONS,
        headers_timeout_s: float = HEADERS_TIMEOUT_S,
        body_timeout_s: float = BODY_TIMEOUT_S,
        write_stall_s: float = WRITE_STALL_S,
        same_user_only: bool = False,
    ) -> None:
        self.max_connections = max_connections
        self.headers_timeout_s = headers_timeout_s
        self.body_timeout_s = body_timeout_s
        self.write_stall_s = write_stall_s
        self.same_user_only = same_user_only
        self.open = 0
        self.lingering = 0
        self.none_open = asyncio.Event()
        self.none_open.set()

    def opened(self) -> bool:
        """Count a connection; False when there is no room for it."""
        if self.open >= self.max_connections:
            return False
        self.open += 1
        self.none_open.clear()
        return True

    def closed(self) -> None:
        self.open -= 1
        if not self.open:
            self.none_open.set()


class Outlet:
    """Writes the chunks of a streamed answer that was begun with a chunked `http.response.start`.

    `on_pause(True)` is called when the client reads too slowly, `on_pause(False)` when it caught up.
    """

    def __init__(self, protocol: HardenedProtocol) -> None:
        self._protocol = protocol
        self.on_pause: Callable[[bool], None] | None = None

    def write(self, data: bytes) -> None:
        """Send one chunk. Never waits: honour `on_pause`. What comes after the client left is dropped."""
        transport = self._protocol.raw_transport
        if not transport.is_closing():  # uvloop raises on a closed one, into whoever reads the engine's socket
            transport.write(b"%x\r\n%b\r\n" % (len(data), data))

    def cut(self) -> None:
        """Send what was written, then close without the end mark: no client can take it for a complete answer."""
        self._protocol.cut()


class _ClosingLater:
    """The transport as uvicorn sees it: its `close` lets a client that is still sending read the answer first."""

    def __init__(self, transport: asyncio.Transport, close: Callable[[], None]) -> None:
        self._transport = transport
        self.close = close
        self.write = transport.write
        self.is_closing = transport.is_closing
        self.get_extra_info = transport.get_extra_info
        self.pause_reading = transport.pause_reading
        self.resume_reading = transport.resume_reading
        self.abort = transport.abort


class HardenedProtocol(HttpToolsProtocol):
    """One connection of a client."""

    def __init__(self, config: Config, server_state: ServerState, limits: Limits) -> None:
        super().__init__(config, server_state, {})
        self._limits = limits
        self._outlet = Outlet(self)
        self._deadline: asyncio.TimerHandle | None = None
        self._stall: asyncio.TimerHandle | None = None
        self._head_bytes = 0
        self._barren_bytes = 0  # since the head, or the last byte of its body
        self._ignored_bytes = 0
        self._in_head = False
        self._in_body = False
        self._refused = False
        self._counted = False
        self._lingering = False
        self._last_request = False  # what comes after it is not looked at
        self.raw_transport: asyncio.Transport = None  # type: ignore[assignment]  # set when the connection is made

    # -- connection --

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.raw_transport = transport
        super().connection_made(_ClosingLater(transport, self._close))  # type: ignore[arg-type]
        if self._limits.same_user_only and not _is_same_user(transport):
            self._refused = True
            transport.abort()
            return
        self._counted = self._limits.opened()
        if not self._counted:
            self._refuse(503, "The service has too many connections open. Try again in a moment.", "overloaded")
            return
        self._arm(self._limits.headers_timeout_s, 408, "The request's headers did not come in time.")

    def connection_lost(self, exc: Exception | None) -> None:
        if self._counted:
            self._limits.closed()
        if self._lingering:
            self._limits.lingering -= 1
        self._disarm()
        self._clear_stall()
        super().connection_lost(exc)
        self._unset_keepalive_if_required()

    def data_received(self, data: bytes) -> None:
        if self._lingering or self._last_request or self._refused:
            self._ignored_bytes += len(data)
            if self._ignored_bytes > LINGER_BYTES:
                self.raw_transport.abort()
            return
        self._unset_keepalive_if_required()
        self._head_bytes += len(data)
        self._barren_bytes += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._stay_with_http(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self.send_400_response("This is not a valid HTTP request.")
        barren = self._in_body and self._barren_bytes > MAX_HEADER_BYTES
        if barren or (self._in_head and self._head_bytes > MAX_HEADER_BYTES):
            self._refuse_head()

    # -- request --

    def on_message_begin(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            # A second request before the first is answered. Reading has to go on, or a client that leaves would not be
            # noticed, and what is read has to be kept somewhere; so the connection ends with the first answer instead.
            self._last_request = True
            self.cycle.keep_alive = False
        if self._last_request:
            return
        super().on_message_begin()
        cast(dict[str, Any], self.scope)["extensions"] = {OUTLET: self._outlet}
        self._outlet.on_pause = None
        self._in_head = True
        self._head_bytes = 0
        if self._deadline is None:
            self._arm(self._limits.headers_timeout_s, 408, "The request's headers did not come in time.")

    def on_url(self, url: bytes) -> None:
        if not self._last_request:
            super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head and not self._last_request:  # trailers after a body must not pass for headers
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if self._refused or self._last_request:
            return
        self._in_head = False
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if size > MAX_HEADER_BYTES:
            self._refuse_head()
            return
        if self.parser.get_http_version() not in HTTP_VERSIONS:
            self.send_400_response("This port speaks HTTP/1.1.")
            return
        if not self.url.startswith(b"/"):  # absolute-form would carry a second host past the Host check
            self.send_400_response("The request target must begin with a slash.")
            return
        self._in_body = True
        self._barren_bytes = 0  # what the requests before it had no body for is no waiting for this one
        self._arm(self._limits.body_timeout_s, 408, "The request's body did not come in time.")
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._barren_bytes = 0
        if not self._refused and not self._last_request:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if self._refused or self._last_request or self.parser.should_upgrade():
            return
        self._in_body = False
        self._disarm()
        super().on_message_complete()

    def end_of_requests(self) -> None:
        """Look at nothing that comes after the present request."""
        self._last_request = True

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, msg, "bad_request")

    def _stay_with_http(self, rest: bytes) -> None:
        """Go on after an offer to upgrade, which a server may ignore. Java's HttpClient offers HTTP/2 with each first
        request; the parser takes everything behind such a head for another protocol, so a new one reads the body."""
        if self._refused:
            return
        self.cycle.keep_alive = False
        framing = [(name, value) for name, value in self.headers if name in (b"content-length", b"transfer-encoding")]
        self.parser = httptools.HttpRequestParser(_BodyAlone(self))
        self.parser.feed_data(b"POST / HTTP/1.1\r\n" + b"".join(b"%b: %b\r\n" % field for field in framing) + b"\r\n")
        if rest and not self._last_request:
            self.data_received(rest)

    # -- answer --

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._stall is None:
            self._stall = self.loop.call_later(self._limits.write_stall_s, self.raw_transport.abort)
        if self._outlet.on_pause is not None:
            self._outlet.on_pause(True)

    def resume_writing(self) -> None:
        self._clear_stall()
        super().resume_writing()
        if self._outlet.on_pause is not None:
            self._outlet.on_pause(False)

    def cut(self) -> None:
        """See Outlet.cut. The cycle counts as disconnected, so that uvicorn does not call this a mistake."""
        self.cycle.disconnected = True
        self.cycle.message_event.set()
        self.raw_transport.close()
        if self._stall is None:  # a client that reads nothing must not keep the last bytes, and us, for ever
            self._stall = self.loop.call_later(self._limits.write_stall_s, self.raw_transport.abort)

    # -- inside --

    def _refuse(self, status: int, message: str, code: str) -> None:
        """Answer without any handler and close. A response that has begun is cut off instead."""
        if self._refused or self.raw_transport.is_closing():
            return
        self._refused = True
        self._unset_keepalive_if_required()
        self._disarm()
        if self.cycle is not None and not self.cycle.response_complete:
            if self.cycle.response_started:
                self.raw_transport.abort()
                return
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.raw_transport.write(_refusal(status, message, code))
        self._close()

    def _refuse_head(self) -> None:
        self._refuse(431, f"The request's headers are larger than {MAX_HEADER_BYTES} bytes.", "headers_too_large")

    def _close(self) -> None:
        """Close; but when the client is still sending, go on reading for a moment: closing now would reset the
        connection and the client would never see the answer."""
        self._disarm()
        if self.raw_transport.is_closing():
            return
        unread = self._refused or self._in_head or self._in_body or self._last_request
        if not unread or self._limits.lingering >= MAX_LINGERING or not self.raw_transport.can_write_eof():
            self.raw_transport.close()
            return
        self._limits.lingering += 1
        self._lingering = True
        self.raw_transport.write_eof()
        self.flow.resume_reading()
        self._deadline = self.loop.call_later(LINGER_S, self.raw_transport.abort)

    def _arm(self, timeout_s: float, status: int, message: str) -> None:
        self._disarm()
        self._deadline = self.loop.call_later(timeout_s, self._refuse, status, message, "request_timeout")

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _clear_stall(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None


class _BodyAlone:
    """What a parser calls that reads the body of a request whose head is known already."""

    def __init__(self, protocol: HardenedProtocol) -> None:
        self._protocol = protocol
        self.on_body = protocol.on_body

    def on_message_complete(self) -> None:
        self._protocol.on_message_complete()
        self._protocol.end_of_requests()


def _refusal(status: int, message: str, code: str) -> bytes:
    kind = "server_error" if status >= 500 else "invalid_request_error"
    error: dict[str, Any] = {"message": message, "type": kind, "param": None, "code": code}
    body = json.dumps({"error": error}).encode()
    retry = b"retry-after: 1\r\n" if status == 503 else b""
    head = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n" % len(body)
    return STATUS_LINE[status] + head + retry + b"\r\n" + body


def _is_same_user(transport: asyncio.Transport) -> bool:
    """Whether the peer of a Unix socket runs as our user. True where the system cannot tell (the folder is 0700)."""
    peer: socket.socket = transport.get_extra_info("socket")
    if not hasattr(socket, "SO_PEERCRED"):
        return True
    _, uid, _ = struct.unpack("3i", peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
    return bool(uid == os.getuid())
