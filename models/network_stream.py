"""Large bodies from the outside, read straight into the caller's memory; part of the one way out in network.py.

The HTTP client of network.py copies a body several times in pieces of 64 kB and cannot be woken from a silent server.
Here the standard library's connection is used with the same checks: `recv_into` a large buffer, and `abort` from
another thread ends whatever the connection is doing. Redirects are not followed: who transfers files decides on them.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import os
import select
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from typing import Protocol

import httpx

from models.errors import NetworkError
from models.network import CONNECT_TIMEOUT_S, STALL_TIMEOUT_S, USER_AGENT, Network, no_answer, origin, proxy_failed

_DIAL_SLICE_S = 0.2
_DRAIN_BYTES = 64 * 1024
_FILL_S = 0.1  # a slow body is handed out this often, a fast one when the buffer is full
Headers = httpx.Headers


class Incoming(Protocol):
    """An answer whose body is still to be read. `length` is what Content-Length says, None when it says nothing."""

    status: int
    headers: Headers
    url: str
    length: int | None

    def readinto(self, view: memoryview) -> int:
        """Fill `view` with what comes within a tenth of a second, at least a byte; 0 at the end of the body.

        Raises Offline after as long a silence as the Puller allows, AirGapped.
        """
        ...

    def done(self) -> None:
        """No more is wanted: a short rest is read, so that the connection can be used again, or it is closed."""
        ...


class Puller:
    """GET requests of one thread, over connections that are kept. `abort` may be called from any thread."""

    def __init__(
        self, network: Network, *, connect_s: float = CONNECT_TIMEOUT_S, stall_s: float = STALL_TIMEOUT_S
    ) -> None:
        self._network = network
        self._connect_s = connect_s
        self._stall_s = stall_s
        self._lines: dict[tuple[str, str, int, str], _Line] = {}
        self._lock = threading.Lock()
        self._aborted = False

    def get(self, url: str, headers: Mapping[str, str]) -> Incoming:
        """Ask for `url` and return its answer as soon as its headers are here. The answer before must be done with.

        The token in `headers` is taken off for any host but the endpoint. Raises AirGapped, RedirectRefused (before a
        byte leaves), Offline and NetworkError (a proxy that refuses).
        """
        request = httpx.Request("GET", url, headers={"user-agent": USER_AGENT, "accept": "*/*", **headers})
        proxy = self._network.admit(request)
        # A server may close a kept connection just as we use it again: once more on a fresh one.
        for fresh in (False, True):
            line = self._line(request.url, proxy, fresh=fresh)
            reused = line.sock is not None
            try:
                return self._ask(line, request)
            except (OSError, http.client.HTTPException) as error:
                line.close()
                if self._aborted or not reused or isinstance(error, TimeoutError):
                    raise no_answer(_named(error), request.url) from error
        raise AssertionError("a fresh connection was not reused")

    def abort(self) -> None:
        """End what is going on, now and from here on: reads and dials fail at once."""
        with self._lock:
            self._aborted = True
            lines = list(self._lines.values())
        for line in lines:
            line.abort()

    def close(self) -> None:
        for line in self._lines.values():
            line.close()

    def _line(self, url: httpx.URL, proxy: str, *, fresh: bool) -> _Line:
        key = (*origin(url), proxy)
        with self._lock:
            line = self._lines.get(key)
            if line is None or fresh:
                context = self._network.tls() if url.scheme == "https" else None
                line = _Line(*origin(url)[1:], context, proxy)
                line.connect_s, line.stall_s = self._connect_s, self._stall_s
                self._lines[key] = line
            if self._aborted:
                line.abort()
            return line

    def _ask(self, line: _Line, request: httpx.Request) -> Incoming:
        line.putrequest("GET", request.url.raw_path.decode("ascii"), skip_host=True, skip_accept_encoding=True)
        for name, value in request.headers.items():
            line.putheader(name, value)
        line.endheaders()
        return _Answer(line.getresponse(), line, self._network, request.url)


class _Answer:
    def __init__(self, response: http.client.HTTPResponse, line: _Line, network: Network, url: httpx.URL) -> None:
        self.status = response.status
        self.headers = Headers(response.getheaders())
        self.url = str(url)
        self.length = response.length
        self._response = response
        self._line = line
        self._network = network
        self._url = url
        self._problem: NetworkError | None = None

    def readinto(self, view: memoryview) -> int:
        if self._problem is not None:
            raise self._problem
        self._network.check(self._url)
        filled, until = 0, time.monotonic() + _FILL_S
        while filled < len(view) and (filled == 0 or time.monotonic() < until):
            try:
                read = self._read(view[filled:])
            except (OSError, http.client.HTTPException, ValueError) as error:
                self._line.close()
                self._problem = no_answer(_named(error, reading=True), self._url)
                if filled:  # what came before the failure is not lost; the next call raises
                    break
                raise self._problem from error
            if read == 0:
                break
            filled += read
        return filled

    def _read(self, view: memoryview) -> int:
        """What is there now, at least a byte unless the body has ended."""
        response = self._response
        if response.isclosed():
            return 0
        if response.length is None:
            piece = response.read1(len(view))
            view[: len(piece)] = piece
            return len(piece)
        read = response.fp.readinto1(view[: response.length])
        response.length -= read
        if response.length == 0 or read == 0:
            response.close()
        return read

    def done(self) -> None:
        if self._response.isclosed():
            return
        rest = self._response.length
        try:
            if rest is None or rest > _DRAIN_BYTES or self.readinto(memoryview(bytearray(rest))) < rest:
                self._line.close()
        except NetworkError:
            self._line.close()
        self._response.close()


class _Line(http.client.HTTPConnection):
    """A connection that can be aborted while it dials, shakes hands or reads."""

    connect_s = CONNECT_TIMEOUT_S
    stall_s = STALL_TIMEOUT_S

    def __init__(self, host: str, port: int, tls: ssl.SSLContext | None, proxy: str) -> None:
        super().__init__(host, port)
        self._tls = tls
        self._proxy = httpx.URL(proxy) if proxy else None
        self._aborted = threading.Event()

    def connect(self) -> None:
        sock = self._dial(self.host, self.port) if self._proxy is None else self._dial_proxy(self._proxy)
        try:
            self.sock = sock  # from here on `abort` reaches it
            sock.settimeout(self.connect_s)
            if self._proxy is not None:
                self._tunnel_through(self._proxy, sock)
            if self._tls is not None:
                self.sock = self._tls.wrap_socket(sock, server_hostname=self.host)
            self.sock.settimeout(self.stall_s)
        except BaseException:
            sock.close()
            self.close()
            raise

    def abort(self) -> None:
        self._aborted.set()
        sock = self.sock
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def _dial(self, host: str, port: int) -> socket.socket:
        """The first address of `host` that answers within the time for all of them."""
        deadline = time.monotonic() + self.connect_s
        problem: OSError = OSError("no address")
        for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            sock = socket.socket(family, kind, protocol)
            try:
                sock.setblocking(False)
                self._wait_for(sock, sock.connect_ex(address), deadline)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return sock
            except OSError as error:
                sock.close()
                problem = error
        raise _NotConnected(problem)

    def _wait_for(self, sock: socket.socket, code: int, deadline: float) -> None:
        while not select.select([], [sock], [], _DIAL_SLICE_S)[1]:
            if self._aborted.is_set() or time.monotonic() > deadline:
                raise TimeoutError
        if self._aborted.is_set():
            raise ConnectionAbortedError
        if code := sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(code, "connect")

    def _dial_proxy(self, proxy: httpx.URL) -> socket.socket:
        try:
            return self._dial(proxy.host, proxy.port or 80)
        except OSError as error:
            raise _ProxyFailed(proxy, _reason(error)) from error

    def _tunnel_through(self, proxy: httpx.URL, sock: socket.socket) -> None:
        at = f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
        login = f"{proxy.username}:{proxy.password}".encode()
        allowed = f"Proxy-Authorization: Basic {base64.b64encode(login).decode()}\r\n" if proxy.userinfo else ""
        try:
            sock.sendall(f"CONNECT {at} HTTP/1.1\r\nHost: {at}\r\n{allowed}\r\n".encode("ascii"))
            with contextlib.closing(http.client.HTTPResponse(sock, method="CONNECT")) as response:
                response.begin()
        except (OSError, http.client.HTTPException) as error:
            raise _ProxyFailed(proxy, _reason(error)) from error
        if not 200 <= response.status < 300:
            raise _ProxyFailed(proxy, f"HTTP {response.status}")


class _NotConnected(OSError):
    """No address of a host took the connection; the reason is its argument."""


class _ProxyFailed(OSError):
    """The proxy did not answer or did not connect: its address and the reason."""


def _reason(error: Exception) -> str:
    cause = error.args[0] if isinstance(error, _NotConnected) else error
    if isinstance(cause, TimeoutError):
        return "no answer"
    if isinstance(cause, http.client.HTTPException):
        return "it does not speak HTTP"
    return os.strerror(cause.errno) if isinstance(cause, OSError) and cause.errno else "no such host"


def _named(error: Exception, *, reading: bool = False) -> httpx.TransportError:
    """The same failure as the HTTP client of network.py would name it."""
    if isinstance(error, _ProxyFailed):
        return proxy_failed(*error.args)
    if isinstance(error, ssl.SSLCertVerificationError):
        refused = httpx.ConnectError("")
        refused.__cause__ = error
        return refused
    if isinstance(error, _NotConnected):
        timed_out = isinstance(error.args[0], TimeoutError)
        return httpx.ConnectTimeout("") if timed_out else httpx.ConnectError("")
    if isinstance(error, socket.gaierror | ssl.SSLError) and not reading:
        return httpx.ConnectError(str(error.strerror or ""))
    if isinstance(error, TimeoutError):
        return httpx.ReadTimeout("")
    return httpx.RemoteProtocolError("")
