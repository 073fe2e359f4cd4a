"""Going to the background: the caller learns whether the service came up, and nothing is left for it to reap."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable

READY = b"ready"


def go_to_background() -> int | Callable[[], None]:
    """Fork. In the starter: wait until the service is ready or has ended, and return the exit code.

    In the service: return a function to call once it is ready. To be called before any thread or loop exists.
    """
    reading, writing = os.pipe()
    if child := os.fork():
        os.close(writing)
        return _wait_for(child, reading)
    os.close(reading)
    os.setsid()

    def ready() -> None:
        os.write(writing, READY)
        os.close(writing)
        _let_go_of_the_terminal()

    return ready


def _wait_for(child: int, reading: int) -> int:
    with os.fdopen(reading, "rb") as pipe:
        if pipe.read() == READY:
            return 0
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _let_go_of_the_terminal() -> None:
    """A terminal or a pipe would be kept open for as long as the service runs; a file that was given is kept."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        try:
            keep = stat.S_ISREG(os.fstat(descriptor).st_mode)
        except OSError:
            keep = False
        if not keep:
            os.dup2(nothing, descriptor)
    os.close(nothing)
