"""The two listeners: the port on loopback TCP for other programs, the control socket for the window and the CLI.

The port never moves by itself: when another program holds its number, the holder is named, the service goes on without
the port and takes it as soon as it is free.
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import logging
import os
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
from uvicorn.config import Config
from uvicorn.server import ServerState

from desktop.service.http_protocol import KEEP_ALIVE_S, HardenedProtocol, Limits

log = logging.getLogger(__name__)

LOOPBACK = ("127.0.0.1", "::1")
LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")
RETRY_S = 2.0
BACKLOG = 1024
HANDLER_GRACE_S = 5.0
Asgi = Any  # an ASGI application; uvicorn's own types are private


class BindRefused(ValueError):
    """The wanted address may not be bound as asked."""


def check_bind(addresses: Sequence[str], *, confirmed: bool, has_keys: bool) -> None:
    """Refuse to listen beyond loopback unless that was said twice: by a flag of its own, and by a key that exists."""
    wide = [address for address in addresses if not ipaddress.ip_address(address).is_loopback]
    if not wide:
        return
    names = ", ".join(wide)
    if not confirmed:
        raise BindRefused(
            f"Listening on {names} makes the port reachable for other machines; that needs the flag --allow-remote."
        )
    if not has_keys:
        raise BindRefused(f"Listening on {names} needs a client key first: make one with 'jackdaw key new NAME'.")


def host_names(bind: Sequence[str], port: int) -> frozenset[bytes]:
    """The values of the Host header that are ours: the loopback names and what was bound, each with the port."""
    names = [*LOOPBACK_NAMES]
    for address in bind:
        ip = ipaddress.ip_address(address)
        if ip.is_unspecified:
            names += _own_addresses(ip.version)
        elif not ip.is_loopback:
            names.append(f"[{ip}]" if ip.version == 6 else str(ip))
    hosts = {f"{name}:{port}".encode() for name in names}
    return frozenset(hosts | {name.encode() for name in names} if port == 80 else hosts)


class Server:
    """Some listening sockets and the connections they accepted, all speaking to one application."""

    def __init__(self, app: Asgi, limits: Limits) -> None:
        self._config = Config(
            app,
            http=HardenedProtocol,
            ws="none",
            lifespan="off",
            interface="asgi3",
            timeout_keep_alive=KEEP_ALIVE_S,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            access_log=False,
            log_config=None,
        )
        self._config.load()
        self._state = ServerState()
        self._limits = limits
        self._servers: list[asyncio.AbstractServer] = []

    @property
    def connections(self) -> int:
        return len(self._state.connections)

    async def listen(self, sockets: Sequence[socket.socket]) -> None:
        """Accept on these sockets, which belong to the server from now on."""
        loop = asyncio.get_running_loop()
        for sock in sockets:
            create = loop.create_unix_server if sock.family == socket.AF_UNIX else loop.create_server
            self._servers.append(await create(self._protocol, sock=sock, backlog=BACKLOG))

    async def close(self, grace_s: float) -> None:
        """Stop accepting, let running answers end for `grace_s` seconds, then cut them off."""
        for server in self._servers:
            server.close()
        for connection in list(self._state.connections):
            connection.shutdown()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._limits.none_open.wait(), grace_s)
        for connection in list(self._state.connections):
            connection.transport.abort()  # to a handler this is a client that left: it cleans up and ends
        if self._state.tasks:
            _, stuck = await asyncio.wait(list(self._state.tasks), timeout=HANDLER_GRACE_S)
            for task in stuck:
                task.cancel()
        self._servers.clear()

    def _protocol(self) -> HardenedProtocol:
        return HardenedProtocol(self._config, self._state, self._limits)


class Listeners:
    """Opens, keeps trying to open, and closes the port and the control socket.

    `on_change` is called when the port opens or is found taken. `port` is the number that was asked for until the port
    is open, then the real one (they differ when 0 was asked for). `problem` says in words why the port is not open.
    """

    def __init__(
        self,
        *,
        port_app: Asgi,
        control_app: Asgi,
        control_socket: Path,
        port: int,
        bind: Sequence[str] = LOOPBACK,
        limits: Limits | None = None,
        on_change: Callable[[], None] = lambda: None,
        retry_s: float = RETRY_S,
    ) -> None:
        self.port = port
        self.bind = tuple(bind)
        self.open = False
        self.problem = ""
        self._control_socket = control_socket
        self._on_change = on_change
        self._retry_s = retry_s
        self._port_server = Server(port_app, limits or Limits())
        self._control_server = Server(control_app, Limits(same_user_only=True))
        self._retrying: asyncio.Task[None] | None = None
        self._hosts: tuple[int, frozenset[bytes]] = (-1, frozenset())

    @property
    def hosts(self) -> frozenset[bytes]:
        """The Host values the port answers to. This machine's own addresses may change, loopback's names do not."""
        if self.bind != LOOPBACK:
            return host_names(self.bind, self.port)
        if self._hosts[0] != self.port:
            self._hosts = (self.port, host_names(self.bind, self.port))
        return self._hosts[1]

    async def start(self) -> None:
        """Open both. A port that is taken is no failure here: `problem` names the holder and we keep trying."""
        await self._control_server.listen([_control_socket(self._control_socket)])
        if not await self._open_port():
            self._retrying = asyncio.create_task(self._keep_trying(), name="open the port")

    async def close(self, grace_s: float = 5.0) -> None:
        """Close both, the port first; running answers get `grace_s` seconds."""
        if self._retrying is not None:
            self._retrying.cancel()
            with suppress(asyncio.CancelledError):
                await self._retrying
        self.open = False
        await asyncio.gather(self._port_server.close(grace_s), self._control_server.close(grace_s))
        self._control_socket.unlink(missing_ok=True)

    async def _keep_trying(self) -> None:
        while not self.open:
            await asyncio.sleep(self._retry_s)
            await self._open_port()

    async def _open_port(self) -> bool:
        try:
            sockets = bind_port(self.bind, self.port)
        except OSError as error:
            problem = await asyncio.to_thread(explain_taken, self.port, error)
            if problem != self.problem:
                self.problem = problem
                log.error("%s", problem)
                self._on_change()
            return False
        self.port = sockets[0].getsockname()[1]
        await self._port_server.listen(sockets)
        self.open, self.problem = True, ""
        self._on_change()
        return True


def bind_port(addresses: Sequence[str], port: int) -> list[socket.socket]:
    """Bind one number on every address; with port 0 the first address chooses. All or nothing.

    An IPv6 address is left out where the machine has no IPv6 at all. Raises OSError.
    """
    for _ in range(20):  # with port 0 the number chosen on IPv4 may be taken on IPv6: choose again
        sockets: list[socket.socket] = []
        try:
            for address in addresses:
                number = sockets[0].getsockname()[1] if sockets else port
                sock = _bound(address, number)
                if sock is not None:
                    sockets.append(sock)
        except OSError:
            for sock in sockets:
                sock.close()
            if port or not sockets:
                raise
            continue
        return sockets
    raise OSError("No port number is free on all addresses.")


def explain_taken(port: int, error: OSError) -> str:
    """A sentence naming who holds the port, as far as this user may see it."""
    with suppress(psutil.Error, OSError):
        for connection in psutil.net_connections("tcp"):
            address = connection.laddr
            if connection.status == psutil.CONN_LISTEN and address and address.port == port and connection.pid:
                name = psutil.Process(connection.pid).name()
                return f"Port {port} is held by {name} (process {connection.pid}). Stop it, or choose another port."
    return (
        f"Port {port} cannot be opened ({error.strerror or error}). Stop the program that holds it, or choose another."
    )


def _bound(address: str, port: int) -> socket.socket | None:
    version = ipaddress.ip_address(address).version
    family = socket.AF_INET6 if version == 6 else socket.AF_INET
    try:
        sock = socket.socket(family, socket.SOCK_STREAM)
    except OSError:
        if version == 6:
            return None
        raise
    try:
        if os.name == "posix":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if version == 6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((address, port))
        sock.listen(BACKLOG)  # another listener on the number shows here, not at bind, with SO_REUSEADDR
        sock.setblocking(False)
    except OSError as error:
        sock.close()
        if version == 6 and error.errno in _NO_IPV6:
            return None
        raise
    return sock


def _control_socket(path: Path) -> socket.socket:
    """Bind the Unix socket, owner-only from its first moment. A socket left by a dead service is replaced: the data
    folder's lock, held by our caller, says that it is dead."""
    path.unlink(missing_ok=True)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        sock.bind(str(path))
    finally:
        os.umask(before)
    sock.listen(BACKLOG)
    sock.setblocking(False)
    return sock


def _own_addresses(version: int) -> list[str]:
    """This machine's addresses, as they stand in a Host header."""
    family = socket.AF_INET6 if version == 6 else socket.AF_INET
    found = [entry.address for entries in psutil.net_if_addrs().values() for entry in entries if entry.family == family]
    plain = [address.split("%")[0] for address in found]
    return [f"[{address}]" if version == 6 else address for address in plain]


_NO_IPV6 = frozenset({errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL})  # IPv6 is switched off
