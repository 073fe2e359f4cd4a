"""Carries a streamed answer from a llama-server child to a client, byte for byte.

What one read of the child's socket brought leaves in one write; when events come faster than COALESCE_S they are
gathered for that long, because each write wakes the client and each wake-up is taken from the model's processor time.
The first IMMEDIATE_READS leave at once: they are the time to the first token. Nothing is parsed but the frame borders.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from desktop.service.http_protocol import OUTLET, Outlet
from engine.errors import BadAnswer, EngineError, EngineStopped
from engine.sse import EventFramer
from engine.upstream import UpstreamResponse

COALESCE_S = 0.002
IMMEDIATE_READS = 4
STREAM_IDLE_S = 300.0
MAX_TAIL_BYTES = 1024 * 1024

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Explain = Callable[[EngineError], Awaitable[bytes]]
"""Turns what ended a stream into the terminal event the client gets, after asking the child's ending."""

HEADERS = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-store")]


class Relay:
    """The sink of one stream: whole events from the child to the outlet. `ended` holds why it ended, None if well."""

    def __init__(self, outlet: Outlet, response: UpstreamResponse) -> None:
        self._outlet = outlet
        self._response = response
        self._loop = asyncio.get_running_loop()
        self._framer = EventFramer()
        self._pending: list[bytes] = []
        self._timer: asyncio.TimerHandle | None = None
        self._written_at = 0.0
        self._heard_at = time.monotonic()
        self._reads = 0
        self._paused = False
        self._watchdog = self._loop.call_later(STREAM_IDLE_S, self._check_idle)
        self.ended: asyncio.Future[EngineError | None] = self._loop.create_future()

    @property
    def framer(self) -> EventFramer:
        """What was seen: `[DONE]`, an error of the child, the last event."""
        return self._framer

    def feed(self, data: bytes) -> None:
        events = self._framer.feed(data)
        self._heard_at = now = time.monotonic()
        if not events:
            return
        self._reads += 1
        if self._timer is not None:
            self._pending.append(events)
        elif self._reads <= IMMEDIATE_READS or now - self._written_at >= COALESCE_S:
            self._written_at = now
            self._outlet.write(events)
        else:
            self._pending.append(events)
            self._timer = self._loop.call_later(COALESCE_S - (now - self._written_at), self._flush)

    def finished(self, error: EngineError | None) -> None:
        self._flush()
        if self._framer.done:
            error = None  # the answer is whole, whatever became of the connection afterwards
        elif error is None and not self._framer.failed:
            error = EngineStopped("The engine ended its answer early.")
        if not self.ended.done():
            self.ended.set_result(error)

    def on_pause(self, paused: bool) -> None:
        """The client's buffer is full or has room again: the child waits meanwhile."""
        self._paused = paused
        if paused:
            self._response.pause()
        else:
            self._heard_at = time.monotonic()
            self._response.resume()

    def close(self) -> None:
        """Stop: no write happens after this."""
        self._watchdog.cancel()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._pending.clear()
        self._outlet.on_pause = None
        self._response.close()

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._pending:
            pending, self._pending = self._pending, []
            self._written_at = time.monotonic()
            self._outlet.write(b"".join(pending))

    def _check_idle(self) -> None:
        silent_s = time.monotonic() - self._heard_at
        if silent_s < STREAM_IDLE_S or self._paused:
            self._watchdog = self._loop.call_later(max(1.0, STREAM_IDLE_S - silent_s), self._check_idle)
            return
        self._flush()
        if not self.ended.done():
            self.ended.set_result(EngineStopped(f"The engine was silent for {STREAM_IDLE_S:.0f} seconds."))


async def relay_stream(scope: Scope, send: Send, response: UpstreamResponse, explain: Explain) -> EventFramer:
    """Send the response's events as a chunked answer. Ends cleanly only after `[DONE]`.

    When the child fails midway the client gets `explain`'s event and then a connection that breaks off. Cancelling
    closes the child's socket. Returns what was seen, for statistics.
    """
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    outlet: Outlet | None = scope.get("extensions", {}).get(OUTLET)
    if outlet is None:
        return await _relay_slowly(send, response, explain)
    relay = Relay(outlet, response)
    outlet.on_pause = relay.on_pause
    try:
        try:
            response.pipe(relay)
            error = await relay.ended
        except EngineError as broken:
            error = broken
        if error is not None:
            response.close()
            outlet.write(await explain(error))
        if error is not None or relay.framer.failed:
            outlet.cut()
        else:
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        return relay.framer
    finally:
        relay.close()


async def _relay_slowly(send: Send, response: UpstreamResponse, explain: Explain) -> EventFramer:
    """The same over plain ASGI, for servers that are not ours. Breaking off is an exception there."""
    framer = EventFramer()
    try:
        async with response:
            async for data in response.chunks():
                if events := framer.feed(data):
                    await send({"type": "http.response.body", "body": events, "more_body": True})
        if not framer.done and not framer.failed:
            raise EngineStopped("The engine ended its answer early.")
    except EngineError as error:
        await send({"type": "http.response.body", "body": await explain(error), "more_body": True})
        raise
    await send({"type": "http.response.body", "body": b"", "more_body": False})
    return framer


def last_event(framer: EventFramer) -> dict[str, Any]:
    """The stream's last event parsed, the one with usage and timings; {} when there is nothing sensible."""
    if not framer.last.startswith(b"data: {") or len(framer.last) > MAX_TAIL_BYTES:
        return {}
    try:
        value = json.loads(framer.last[6:])
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


async def read_whole(response: UpstreamResponse) -> tuple[bytes, dict[str, Any]]:
    """A complete JSON answer: its bytes as they are, and parsed. Raises BadAnswer when it is not a JSON object."""
    async with response:
        body = await response.read()
    try:
        value = json.loads(body) if len(body) < 65536 else await asyncio.to_thread(json.loads, body)
    except (ValueError, RecursionError) as error:
        raise BadAnswer("The engine answered with something that is not JSON.") from error
    if not isinstance(value, dict):
        raise BadAnswer("The engine answered with JSON that is no object.")
    return body, value
