"""Taking in a request: its body within limits, as a JSON object, and the moment its client goes away."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from typing import Any

from desktop.service.api_errors import ApiError
from desktop.service.guard import Receive, max_body_bytes, too_large

PARSE_IN_THREAD_BYTES = 256 * 1024


class ClientGone(Exception):
    """The client closed the connection; there is nobody to answer."""


async def read_body(receive: Receive, most: int) -> bytes:
    """The whole body, at most `most` bytes. Raises ApiError 413, or ClientGone."""
    pieces = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        pieces += message.get("body", b"")
        if len(pieces) > most:
            raise too_large(most)
        if not message.get("more_body", False):
            return bytes(pieces)


async def read_object(receive: Receive, path: str) -> tuple[dict[str, Any], int]:
    """The body as a JSON object, and its size in bytes. Raises ApiError 400 or 413, or ClientGone."""
    body = await read_body(receive, max_body_bytes(path))
    try:
        value = parse(body) if len(body) < PARSE_IN_THREAD_BYTES else await asyncio.to_thread(parse, body)
    except (ValueError, RecursionError) as error:
        raise ApiError(400, "The body is not valid JSON in UTF-8.", code="invalid_json") from error
    if not isinstance(value, dict):
        raise ApiError(400, "The body must be a JSON object.", code="invalid_json")
    return value, len(body)


def parse(body: bytes) -> Any:
    """Strict JSON: UTF-8, no NaN or Infinity. Raises ValueError or RecursionError."""
    return json.loads(body.decode("utf-8"), parse_constant=_refuse_constant)


async def while_connected(receive: Receive, work: Coroutine[Any, Any, None]) -> None:
    """Run `work` until it ends or the client goes away; then it is cancelled, wherever it waits.

    Raises what `work` raises, or ClientGone.
    """
    task = asyncio.create_task(work)
    watch = asyncio.create_task(_disconnected(receive))
    try:
        await asyncio.wait([task, watch], return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientGone
    finally:
        task.cancel()
        watch.cancel()
        await asyncio.gather(task, watch, return_exceptions=True)
    task.result()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")
