"""A real service in a process of its own, for tests: started, waited for, ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import psutil

from desktop.client import AskDelta, AskEnd, AskEvent, Client
from desktop.paths import Paths
from desktop.wire import AskRequest, Message

T = TypeVar("T")
CHECKOUT = Path(__file__).resolve().parents[2]
START_S = 60.0


class RunningService:
    """One `python -m desktop serve`; `port` and `said` are known once it listens."""

    def __init__(self, paths: Paths, *options: str, environ: dict[str, str] | None = None, umask: int = 0o022) -> None:
        self.paths = paths
        self.said = ""
        self.port = 0
        self.process = subprocess.Popen(
            [sys.executable, "-m", "desktop", "serve", "--home", str(paths.data), "--port", "0", *options],
            cwd=CHECKOUT,
            env={**os.environ, **(environ or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            umask=umask,
        )

    def wait_until_listening(self) -> None:
        assert self.process.stdout is not None
        while line := self.process.stdout.readline():
            self.said += line
            if found := re.match(r"listening on http://127\.0\.0\.1:(\d+)$", line):
                self.port = int(found[1])
                return
        raise AssertionError(f"The service ended with {self.process.wait()}: {self.said}")

    def kill(self) -> None:
        """As a crash: nothing is told to end."""
        self.process.kill()
        self.process.wait()

    def terminate(self, timeout_s: float = 20.0) -> int:
        """As a person: gracefully. Returns the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout_s)

    def close(self) -> None:
        try:
            self.terminate()
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        finally:
            if self.process.stdout is not None:
                with contextlib.suppress(ValueError, OSError):
                    self.said += self.process.stdout.read()
                self.process.stdout.close()

    def client(self) -> Client:
        return Client(self.paths.control_socket)

    def use(self, work: Callable[[Client], Coroutine[Any, Any, T]]) -> T:
        """Run a coroutine with a client of this service."""

        async def whole() -> T:
            async with self.client() as client:
                return await work(client)

        return asyncio.run(whole())

    def children(self) -> list[psutil.Process]:
        """The llama-server processes below the service."""
        found = psutil.Process(self.process.pid).children(recursive=True)
        return [child for child in found if "llama-server" in child.name()]


@contextlib.contextmanager
def running(
    paths: Paths, *options: str, environ: dict[str, str] | None = None, umask: int = 0o022
) -> Iterator[RunningService]:
    """A service that listens, ended gracefully at the end."""
    service = RunningService(paths, *options, environ=environ, umask=umask)
    try:
        service.wait_until_listening()
        yield service
    finally:
        service.close()


async def collect(client: Client, chat_id: str, request: AskRequest) -> list[AskEvent]:
    """All events of one answer."""
    return [event async for event in client.ask(chat_id, request)]


async def answer(client: Client, chat_id: str, content: str, parent_id: str | None = None) -> Message:
    """Ask and return the stored answer; its streamed text must be the stored text."""
    events = await collect(client, chat_id, AskRequest(content=content, parent_id=parent_id))
    end = events[-1]
    assert isinstance(end, AskEnd)
    assert "".join(event.content for event in events if isinstance(event, AskDelta)) == end.message.content
    return end.message


def eventually(condition: Callable[[], T], within_s: float = 10.0) -> T:
    """Wait until `condition()` is true and return it; fails after `within_s`."""
    deadline = time.monotonic() + within_s
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{condition} did not become true within {within_s} s"
        time.sleep(0.02)
    return found


async def eventually_async(condition: Callable[[], Coroutine[Any, Any, T]], within_s: float = 10.0) -> T:
    deadline = time.monotonic() + within_s
    while not (found := await condition()):
        assert time.monotonic() < deadline, f"{condition} did not become true within {within_s} s"
        await asyncio.sleep(0.02)
    return found
