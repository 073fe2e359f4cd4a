"""What every command gets: its arguments, the console, and a client of a service that runs."""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from desktop.cli.console import Console
from desktop.client import Client, ServiceUnreachable
from desktop.paths import Paths

DONE = 0
FAILED = 1
WRONG_USAGE = 2
ALREADY_RUNNING = 3
NOT_AVAILABLE = 4

# Errors that mean "not here, not now": they end with NOT_AVAILABLE instead of FAILED.
NOT_AVAILABLE_KINDS = frozenset(
    {"service_unreachable", "engine_missing", "offline", "air_gapped", "embedder_missing", "editor_missing"}
)


@dataclass(frozen=True, slots=True)
class Context:
    """One run of one command."""

    arguments: argparse.Namespace
    console: Console
    paths: Paths
    argv: Sequence[str] = ()  # as typed: what goes on with the same work

    @asynccontextmanager
    async def client(self, *, start: bool = True) -> AsyncIterator[Client]:
        """A client of the running service; without one, `start` decides between starting it and ServiceUnreachable."""
        from desktop.launch import answers, ensure_service

        client = Client(self.paths.control_socket)
        if not await answers(client):
            await client.aclose()
            if not start:
                raise ServiceUnreachable("Jackdaw is not running.", hint="Start it with: jackdaw serve")
            self.console.progress(None, "starting the service")
            client = await ensure_service(self.paths)
            self.console.note("Started the Jackdaw service in the background; `jackdaw stop` ends it.")
        async with client:
            yield client


Command = Callable[[Context], Awaitable[int]]
