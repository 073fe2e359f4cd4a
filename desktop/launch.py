"""Find the service of a data folder, or start it.

The service is started with `serve --background`: that process forks, waits until both listeners answer (or the service
has ended), and reports by its exit code. So nothing is left to reap, and the service outlives its starter.
"""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import suppress
from pathlib import Path

from desktop.client import Client, ServiceUnreachable
from desktop.paths import Paths, find_paths
from desktop.refusal import read_refusal

START_TIMEOUT_S = 60.0
SETTLE_S = 2.0
EXIT_ALREADY_RUNNING = 3
TAIL_BYTES = 4096
# `-m desktop` is found from here; and the service does not keep the user's current folder busy.
CHECKOUT = Path(__file__).resolve().parent.parent


async def ensure_service(paths: Paths, *, timeout_s: float = START_TIMEOUT_S) -> Client:
    """A client of a service that answers; started when none did.

    Raises ServiceUnreachable with what the service said when it does not come up within `timeout_s`.
    """
    client = Client(paths.control_socket)
    try:
        if not await answers(client):
            async with asyncio.timeout(timeout_s):
                await _bring_up(paths, client)
    except TimeoutError as error:
        await client.aclose()
        raise _did_not_start(paths, f"within {timeout_s:.0f} seconds") from error
    except BaseException:
        await client.aclose()
        raise
    return client


async def find_service(paths: Paths) -> Client:
    """A client of the service that runs. Raises ServiceUnreachable when none answers; never starts one."""
    client = Client(paths.control_socket)
    try:
        await client.health()
    except BaseException:
        await client.aclose()
        raise
    return client


async def answers(client: Client) -> bool:
    """Whether a service answers on the socket right now."""
    try:
        await client.health()
    except ServiceUnreachable:
        return False
    return True


def serve_command(paths: Paths) -> list[str]:
    """The argv that starts the service of this data folder in the background."""
    program = [sys.executable] if getattr(sys, "frozen", False) else [sys.executable, "-m", "desktop"]
    home = [] if paths == find_paths() else ["--home", str(paths.data)]
    return [*program, "serve", "--background", *home]


async def _bring_up(paths: Paths, client: Client) -> None:
    while True:
        code = await _start(paths)
        if code == 0:
            return await _wait_until_healthy(client)
        if code != EXIT_ALREADY_RUNNING:
            raise _did_not_start(paths, f"(exit code {code})")
        # Somebody else started it in the same moment: then that one is the service. Or one that was told to stop
        # still holds the lock: then it is our turn once it has gone.
        with suppress(TimeoutError):
            async with asyncio.timeout(SETTLE_S):
                return await _wait_until_healthy(client)


async def _start(paths: Paths) -> int:
    await asyncio.to_thread(paths.create)
    output = await asyncio.to_thread(_open_start_log, paths)
    try:
        process = await asyncio.create_subprocess_exec(
            *serve_command(paths),
            cwd=CHECKOUT,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    finally:
        os.close(output)
    return await process.wait()


async def _wait_until_healthy(client: Client) -> None:
    while not await answers(client):  # noqa: ASYNC110  another process has no event of ours to set
        await asyncio.sleep(0.05)


def start_log(paths: Paths) -> Path:
    """What the service printed before and beside its own log; rewritten at each start, so it cannot grow."""
    return paths.logs / "service-start.log"


def _open_start_log(paths: Paths) -> int:
    return os.open(start_log(paths), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def _did_not_start(paths: Paths, how: str) -> ServiceUnreachable:
    """With the service's own sentence and next step; without them, its last words on lines of their own."""
    said = _tail(start_log(paths))
    look = f"Its log is {paths.logs / 'service.log'}; to see it start, run: jackdaw serve"
    if refusal := read_refusal(said):
        message, hint = refusal
        return ServiceUnreachable(f"The Jackdaw service did not start: {message}", hint=hint or look)
    words = f" Its last words:\n{said}" if said else ""
    return ServiceUnreachable(f"The Jackdaw service did not start {how}.{words}", hint=look)


def _tail(path: Path) -> str:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - TAIL_BYTES))
            return file.read().decode(errors="replace").strip()
    except OSError:
        return ""
