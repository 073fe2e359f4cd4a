"""The child's side of a worker: reads requests from its socket, runs the functions of one module, answers.

Run as a script with `python -I -B worker_loop.py FD MODULE`; MODULE has `methods() -> Mapping[str, Method]`, and may
take its time to import. A frame is two big-endian 32-bit lengths, a JSON head of the first length, and buffers, whose
sizes the head's "sizes" lists and whose sum is the second length. The parent's side is models/worker.py.
"""

from __future__ import annotations

import importlib
import json
import os
import socket
import struct
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

Buffers = Sequence[bytes | bytearray | memoryview]
# Takes the parameters and the buffers of one request; answers with a JSON value and buffers.
Method = Callable[[Mapping[str, Any], list[memoryview]], tuple[Any, Buffers]]

HEAD = struct.Struct(">II")
MAX_HEAD_BYTES = 64 * 1024 * 1024
MAX_BUFFER_BYTES = 1024 * 1024 * 1024


class FrameTooLarge(ValueError):
    """A frame beyond the limits: the other side is broken, or is not the one we know."""


def pack(head: Mapping[str, Any], buffers: Buffers) -> list[bytes | bytearray | memoryview]:
    """One frame as the pieces to send. `head` gets the sizes of the buffers."""
    views = [memoryview(buffer).cast("B") for buffer in buffers]
    sizes = [view.nbytes for view in views]
    text = json.dumps({**head, "sizes": sizes}, ensure_ascii=False).encode("utf-8", "surrogatepass")
    if len(text) > MAX_HEAD_BYTES or sum(sizes) > MAX_BUFFER_BYTES:
        raise FrameTooLarge(f"a frame of {len(text)} and {sum(sizes)} bytes is too large")
    return [HEAD.pack(len(text), sum(sizes)), text, *views]


def lengths(head: bytes) -> tuple[int, int]:
    """Bytes of JSON and of buffers that follow the eight bytes `head`. Raises FrameTooLarge."""
    text, rest = HEAD.unpack(head)
    if text > MAX_HEAD_BYTES or rest > MAX_BUFFER_BYTES:
        raise FrameTooLarge(f"a frame of {text} and {rest} bytes is too large")
    return text, rest


def unpack(text: bytes, data: bytes) -> tuple[dict[str, Any], list[memoryview]]:
    """The head of a frame and its buffers. Raises ValueError when it is no frame."""
    head = json.loads(text.decode("utf-8", "surrogatepass"))
    if not isinstance(head, dict) or sum(head.get("sizes", ())) != len(data):
        raise ValueError("the head of a frame does not fit its buffers")
    view, buffers, at = memoryview(data), [], 0
    for size in head.pop("sizes"):
        buffers.append(view[at : at + size])
        at += size
    return head, buffers


def serve(connection: socket.socket, methods: Mapping[str, Method], threads: int = 1) -> None:
    """Answer requests until the parent closes the socket; with several `threads` answers may overtake one another."""
    sending = threading.Lock()

    def answer(head: dict[str, Any], buffers: list[memoryview]) -> None:
        reply, out = _run(methods, head, buffers)
        with sending:
            for piece in pack({"id": head["id"], **reply}, out):
                connection.sendall(piece)

    with ThreadPoolExecutor(threads, thread_name_prefix="worker") as pool:
        while (frame := _receive(connection)) is not None:
            if threads == 1:
                answer(*frame)
            else:
                pool.submit(answer, *frame)


def _run(
    methods: Mapping[str, Method], head: Mapping[str, Any], buffers: list[memoryview]
) -> tuple[dict[str, Any], Buffers]:
    try:
        value, out = methods[head["method"]](head["params"], buffers)
        json.dumps(value)
    except MemoryError:
        return _failure("MemoryError", "out of memory", {}), ()
    except Exception as error:  # the edge of the worker: the parent decides what a failure means
        details = {name: value for name, value in vars(error).items() if isinstance(value, (str, int, float, bool))}
        return _failure(type(error).__name__, str(error), details), ()
    return {"value": value}, out


def _failure(kind: str, message: str, details: dict[str, Any]) -> dict[str, Any]:
    return {"error": {"type": kind, "message": message[:4000], "details": details}}


def _receive(connection: socket.socket) -> tuple[dict[str, Any], list[memoryview]] | None:
    first = _exactly(connection, HEAD.size)
    if first is None:
        return None
    text_bytes, data_bytes = lengths(bytes(first))
    text, data = _exactly(connection, text_bytes), _exactly(connection, data_bytes)
    return None if text is None or data is None else unpack(bytes(text), bytes(data))


def _exactly(connection: socket.socket, size: int) -> bytearray | None:
    found, at = bytearray(size), 0
    view = memoryview(found)
    while at < size:
        count = connection.recv_into(view[at:])
        if count == 0:
            return None
        at += count
    return found


def main(arguments: list[str]) -> None:
    # Run with -I, a script's own package is not importable by itself.
    sys.path.append(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # noqa: PTH100, PTH120
    module = importlib.import_module(arguments[1])
    with socket.socket(fileno=int(arguments[0])) as connection:
        serve(connection, cast("Mapping[str, Method]", module.methods()), getattr(module, "THREADS", 1))


if __name__ == "__main__":
    main(sys.argv[1:])
