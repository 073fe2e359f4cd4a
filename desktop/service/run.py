"""`jackdaw serve`: one process per data folder, from the lock to the graceful end.

Nothing heavy is imported before the lock is held: a second service must end within two seconds on a busy machine.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import faulthandler
import json
import logging
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from desktop.paths import Paths, find_paths, secure_umask
from desktop.refusal import refusal_text
from desktop.service.background import go_to_background
from desktop.service.lock import AlreadyRunning, FolderLock

if TYPE_CHECKING:
    from desktop.service.app import Service

log = logging.getLogger(__name__)

# 256 connections with one to an engine each, and a crowd that is told to come back later; a usual limit is 1,024.
ENOUGH_FILES = 4096
# How long a thread that computes may keep the interpreter from the loop. The usual 5 ms, for each of the few steps of a
# request, are felt as a slow first word while files are indexed.
SWITCH_S = 0.001
EXIT_OK, EXIT_FAILED, EXIT_ALREADY_RUNNING = 0, 1, 3
# An open window tries to start a service again and again, and holds the lock for the moment that takes.
REPAIR_LOCK_TIMEOUT_S = 10.0
Ready = Callable[[], None]


def main(arguments: Sequence[str]) -> int:
    """Run the service until it is told to stop; returns the exit code (0, 1, or 3 when one is running already)."""
    secure_umask()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold what was said to a model
    _allow_files(ENOUGH_FILES)
    wishes = _parser().parse_args(arguments)
    paths = find_paths(wishes.home)
    ready: Ready = lambda: None  # noqa: E731
    if wishes.background:
        foreground = go_to_background()
        if isinstance(foreground, int):
            return foreground
        ready = foreground
    lock = FolderLock(paths.lock)
    try:
        paths.create()
        _acquire(lock, REPAIR_LOCK_TIMEOUT_S if wishes.repair else 0.0)
    except AlreadyRunning as error:
        return _fail(f"{error} Nothing was changed.", EXIT_ALREADY_RUNNING, "`jackdaw stop` ends it.")
    except OSError as error:
        reason = f"The data folder {paths.data} cannot be used: {_system_says(error)}."
        return _fail(reason, EXIT_FAILED, "Check the folder and its disk, or choose another one with --home.")
    try:
        return _serve(paths, wishes, lock, ready)
    finally:
        lock.release()


def _allow_files(wanted: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _acquire(lock: FolderLock, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            return lock.acquire()
        except AlreadyRunning:
            if time.monotonic() >= deadline:
                raise
            time.sleep(0.05)


def _serve(paths: Paths, wishes: argparse.Namespace, lock: FolderLock, ready: Ready) -> int:
    from desktop.service.logs import close_log, open_log

    handlers = open_log(paths.logs / "service.log", also=sys.stderr)
    faulthandler.enable()
    sys.setswitchinterval(SWITCH_S)
    try:
        with asyncio.Runner(loop_factory=_new_loop) as runner:
            return runner.run(_live(paths, wishes, lock, ready))
    finally:
        close_log(handlers)


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:  # it does not exist for Windows
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


async def _live(paths: Paths, wishes: argparse.Namespace, lock: FolderLock, ready: Ready) -> int:
    from desktop.service.app import Options, build
    from desktop.service.recovery import repair_database

    options = Options(wishes.port, wishes.bind, wishes.allow_remote, dict(os.environ))
    try:
        if wishes.repair:
            done = await repair_database(paths.database, wishes.repair)
            log.info("%s", done)
            _say(done)
        service = await build(paths, options)
    except Exception as error:  # the edge of the start: whatever went wrong is said in words, the log has the rest
        return _refuse(error, paths)
    _watch_signals(service)
    try:
        await service.start()
        _note(paths, service, lock)
        log.info("Jackdaw %s started as process %d", service.core.version, os.getpid())
        ready()
        announced = asyncio.create_task(_announce(service), name="announce")
        await service.core.stopping.wait()
        announced.cancel()
        await asyncio.gather(announced, return_exceptions=True)
    finally:
        await service.close()
        paths.runtime_file.unlink(missing_ok=True)
        log.info("ended")
    return EXIT_OK


def _refuse(error: Exception, paths: Paths) -> int:
    from desktop.service.errors import NO_ROOM, body_of
    from desktop.service.listeners import BindRefused
    from desktop.service.recovery import ways_on
    from models.errors import DatabaseCorrupt

    if isinstance(error, BindRefused):
        message, hint = str(error), "`jackdaw serve --help` has the options."
    elif isinstance(error, OSError) and error.errno not in NO_ROOM:
        message = f"The service could not start: {_system_says(error)}."
        hint = f"Its log, {paths.logs / 'service.log'}, has the details."
        log.info("could not start", exc_info=error)
    else:
        told = body_of(error)
        message = told.message
        hint = ways_on(error, paths) if isinstance(error, DatabaseCorrupt) else told.hint
    log.info("did not start: %s %s", message, hint)  # to the log alone: the terminal has it from the next line
    return _fail(message, EXIT_FAILED, hint)


def _system_says(error: OSError) -> str:
    """What the system refused and where, without Python's form of it."""
    return f"{error.strerror or error}" + (f" ({error.filename})" if error.filename else "")


def _watch_signals(service: Service) -> None:
    """SIGTERM, SIGINT: end gracefully; once more: wait for nobody."""

    def on_signal() -> None:
        if service.core.stopping.is_set():
            service.hurry()
        service.core.stopping.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    loop.add_signal_handler(signal.SIGHUP, lambda: None)  # a closed terminal ends the terminal


async def _announce(service: Service) -> None:
    """Say where the port is once it is open; that it is not, at once."""
    listeners = service.listeners
    if not listeners.open:
        _say(f"{listeners.problem} The window and the command line work; the port is tried again every few seconds.")
    while not listeners.open:  # noqa: ASYNC110  listeners tell their change to one callback, which publishes it
        await asyncio.sleep(0.1)
    _say(f"listening on http://127.0.0.1:{listeners.port}")
    _say(how_to_reach(listeners.port, any(key.revoked_at is None for key in service.core.keys.all())))


def how_to_reach(port: int, has_keys: bool) -> str:
    """What somebody without a window needs to know next."""
    key = "" if has_keys else "  jackdaw key new my-editor         # make a key, shown once\n"
    return (
        f"{key}  curl -H 'Authorization: Bearer KEY' http://127.0.0.1:{port}/v1/models\n"
        "  jackdaw models import FILE.gguf    # then: jackdaw chat"
    )


def _note(paths: Paths, service: Service, lock: FolderLock) -> None:
    """Leave word of who runs here, for people and scripts; the lock alone decides."""
    note = {
        "pid": os.getpid(),
        "started_at": time.time(),
        "port": service.listeners.port,
        "version": service.core.version,
    }
    temporary = paths.runtime_file.with_suffix(".new")
    with contextlib.suppress(OSError):
        temporary.write_text(json.dumps(note), encoding="utf-8")
        temporary.replace(paths.runtime_file)
        lock.note(service.listeners.port)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="jackdaw serve", description="Run the service in the foreground.")
    parser.add_argument("--home", type=Path, help="the data folder (default: JACKDAW_HOME or the user's own)")
    parser.add_argument("--port", type=_port, help="the local port, 0 for any free one (default: the setting, 5225)")
    parser.add_argument("--bind", metavar="ADDR", help="listen on this address too; needs --allow-remote and a key")
    parser.add_argument("--allow-remote", action="store_true", help="yes, other machines may reach the port")
    repair = parser.add_mutually_exclusive_group()
    repair.add_argument(
        "--restore-backup",
        dest="repair",
        action="store_const",
        const="restore-backup",
        help="if the database is damaged, go on with its newest good backup; the damaged file is kept",
    )
    repair.add_argument(
        "--start-empty",
        dest="repair",
        action="store_const",
        const="start-empty",
        help="if the database is damaged, start with an empty one; the damaged file is kept",
    )
    parser.add_argument("--background", action="store_true", help="return once the service answers")
    return parser


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= 65535):
        raise argparse.ArgumentTypeError("a port is a number from 0 to 65535")
    return int(text)


def _say(text: str) -> None:
    """To standard output; that it is closed is no reason to end."""
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


def _fail(message: str, code: int, hint: str = "") -> int:
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(refusal_text(message, hint))
    return code
