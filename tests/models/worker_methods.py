"""What the workers of the tests can do: models/worker_loop.py imports this by its name."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.worker_loop import Buffers, Method


def methods() -> Mapping[str, Method]:
    return {"echo": echo, "fail": fail, "die": die, "sleep": sleep, "touch": touch, "greedy": greedy}


def echo(params: Mapping[str, Any], buffers: list[memoryview]) -> tuple[Any, Buffers]:
    return params, buffers


def fail(params: Mapping[str, Any], buffers: list[memoryview]) -> tuple[Any, Buffers]:
    error = ValueError("not like this")
    error.limit = 7  # type: ignore[attr-defined]
    raise error


def die(params: Mapping[str, Any], buffers: list[memoryview]) -> tuple[Any, Buffers]:
    print("about to die", flush=True)
    os.kill(os.getpid(), signal.SIGSEGV)
    return None, ()


def sleep(params: Mapping[str, Any], buffers: list[memoryview]) -> tuple[Any, Buffers]:
    time.sleep(params["seconds"])
    return None, ()


def touch(params: Mapping[str, Any], buffers: list[memoryview]) -> tuple[Any, Buffers]:
    """Which of three forbidden things worked."""
    worked = []
    for name, action in (
        ("read", lambda: Path(params["secret"]).read_text(encoding="utf-8")),
        ("write", lambda: Path(params["out"]).write_text("x", encoding="utf-8")),
        ("connect", lambda: socket.create_connection(("127.0.0.1", params["port"]), timeout=1)),
    ):
        try:
            action()
            worked.append(name)
        except OSError:
            pass
    return worked, ()


def greedy(params: Mapping[str, Any], buffers: list[memoryview]) -> tuple[Any, Buffers]:
    return len(bytearray(params["bytes"])), ()
