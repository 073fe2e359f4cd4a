"""The way to a Hub as it is in the world: hosts with names and certificates, behind a proxy that takes CONNECT.

    with FakeHub() as hub, Outside(hub) as outside:
        rules = NetworkRules(endpoint="https://hub.example", proxy=outside.proxy)
        network.tls().load_verify_locations(CERTIFICATE)

`hub.example` and `cdn.example` are names no resolver knows: who comes there came through the proxy. Both show the
certificate beside this file, which nobody trusts by itself; it is valid from 2020 to 2120.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.fake_hub import FakeHub, Host

CERTIFICATE = Path(__file__).with_name("trusted_by_nobody.pem")
NAMES: dict[str, Host] = {"hub.example": "hub", "cdn.example": "cdn"}
_BLOCK = 64 * 1024
_Handle = Callable[[asyncio.StreamReader, asyncio.StreamWriter, int], Awaitable[None]]


class Outside:
    """The proxy and the hosts behind it, on a loop of their own. `asked` is what CONNECT asked for, in order.

    `answer` is the proxy's status line; other than 200 it refuses. `silent` makes it take connections and say nothing.
    """

    def __init__(self, hub: FakeHub, *, answer: str = "200 Connection established", silent: bool = False) -> None:
        self.asked: list[str] = []
        self.answer = answer
        self.silent = silent
        self._hub = hub
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="outside")
        self._open: set[asyncio.Task[None]] = set()
        self._servers: list[asyncio.Server] = []
        self._doors: dict[str, int] = {}

    def __enter__(self) -> Outside:
        self._ports = {host: int(self._hub.url(host).rpartition(":")[2]) for host in NAMES.values()}
        self._hub.called = {host: f"https://{name}" for name, host in NAMES.items()}
        self._thread.start()
        self._do(self._start())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._do(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._hub.called = {}

    @property
    def proxy(self) -> str:
        return f"http://127.0.0.1:{self._doors['proxy']}"

    def door(self, name: str) -> int:
        """The port of loopback where the host of that name shows its certificate, without a proxy."""
        return self._doors[name]

    async def _start(self) -> None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(CERTIFICATE)
        for name, host in NAMES.items():
            await self._serve(name, self._forward, self._ports[host], tls)
        await self._serve("proxy", self._connect, 0, None)

    async def _serve(self, name: str, handle: _Handle, port: int, tls: ssl.SSLContext | None) -> None:
        async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            self._open.add(task)
            try:
                with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                    await handle(reader, writer, port)
            finally:
                self._open.discard(task)
                writer.close()

        server = await asyncio.start_server(take, "127.0.0.1", 0, ssl=tls)
        self._servers.append(server)
        self._doors[name] = server.sockets[0].getsockname()[1]

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, own_port: int) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        method, target, _version = head.split("\r\n")[0].split()
        self.asked.append(f"{method} {target}")
        if self.silent:
            await reader.read()
            return
        name, _, wanted = target.partition(":")
        taken = self.answer.startswith("2") and wanted == "443" and name in NAMES
        said = self.answer if taken or not self.answer.startswith("2") else "403 Forbidden"
        writer.write(f"HTTP/1.1 {said}\r\n\r\n".encode())
        await writer.drain()
        if taken:
            await self._forward(reader, writer, self._doors[name])

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        ways = [asyncio.create_task(_pump(reader, far_writer)), asyncio.create_task(_pump(far_reader, writer))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            far_writer.close()

    async def _stop(self) -> None:
        for server in self._servers:
            server.close()
        for task in list(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)
        await asyncio.sleep(0)  # transports close in the next round of the loop
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.gather(*rest, return_exceptions=True)
        await asyncio.sleep(0)

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(20)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while block := await reader.read(_BLOCK):
        writer.write(block)
        await writer.drain()
