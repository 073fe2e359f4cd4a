"""Carries a streamed answer from a llama-server child to a client, byte for byte.

What one read of the child's socket brought leaves in one write; when events, of all streams together, come faster than
COALESCE_S they are gathered for that long and leave together, because each write wakes a client and each wake-up is
taken from the model's processor time. The first IMMEDIATE_READS of a stream leave at once: they are the time to its
first token. Nothing is parsed but the frame borders.
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

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Explain = Callable[[EngineError], Awaitable[bytes]]
"""Turns what ended a stream into the terminal event the client gets, after asking the child's ending."""

HEADERS = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-store")]


class Pacer:
    """Decides when streams write: at once while little happens, else all together every COALESCE_S."""

    def __init__(self) -> None:
        self._waiting: list[Relay] = []
        self._timer: asyncio.TimerHandle | None = None
        self._wrote_at = 0.0

    def may_write(self, relay: Relay, now: float) -> bool:
        """True: write now. False: `relay.flush` will be called within COALESCE_S. `now` is time.monotonic()."""
        if self._timer is None:
            wait_s = self._wrote_at + COALESCE_S - now
            if wait_s <= 0:
                self._wrote_at = now
                return True
            self._timer = asyncio.get_running_loop().call_later(wait_s, self._flush_all)
        self._waiting.append(relay)
        return False

    def _flush_all(self) -> None:
        self._timer = None
        self._wrote_at = time.monotonic()
        waiting, self._waiting = self._waiting, []
        for relay in waiting:
            relay.flush()


class Relay:
    """The sink of one stream: whole events from the child to the outlet. `ended` holds why it ended, None if well."""

    def __init__(self, outlet: Outlet, response: UpstreamResponse, framer: EventFramer, pacer: Pacer) -> None:
        self._outlet = outlet
        self._response = response
        self._framer = framer
        self._pacer = pacer
        self._loop = asyncio.get_running_loop()
        self._pending: list[bytes] = []
        self._heard_at = time.monotonic()
        self._reads = 0
        self._paused = False
        self._watchdog = self._loop.call_later(STREAM_IDLE_S, self._check_idle)
        self.ended: asyncio.Future[EngineError | None] = self._loop.create_future()

    def feed(self, data: bytes) -> None:
        events = self._framer.feed(data)
        self._heard_at = now = time.monotonic()
        if not events:
            return
        self._reads += 1
        if self._pending:
            self._pending.append(events)
        elif self._reads <= IMMEDIATE_READS or self._pacer.may_write(self, now):
            self._outlet.write(events)
        else:
            self._pending.append(events)

    def flush(self) -> None:
        """Write what was held back."""
        if self._pending:
            pending, self._pending = self._pending, []
            self._outlet.write(b"".join(pending))

    def finished(self, error: EngineError | None) -> None:
        self.flush()
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
        self._pending.clear()
        self._outlet.on_pause = None
        self._response.close()

    def _check_idle(self) -> None:
        silent_s = time.monotonic() - self._heard_at
        if silent_s < STREAM_IDLE_S or self._paused:
            self._watchdog = self._loop.call_later(max(1.0, STREAM_IDLE_S - silent_s), self._check_idle)
            return
        self.flush()
        if not self.ended.done():
            self.ended.set_result(EngineStopped(f"The engine was silent for {STREAM_IDLE_S:.0f} seconds."))


async def relay_stream(
    scope: Scope, send: Send, response: UpstreamResponse, *, framer: EventFramer, pacer: Pacer, explain: Explain
) -> None:
    """Send the response's events, as `framer` gives them, as a chunked answer. Ends cleanly only after `[DONE]`.

    When the child fails midway the client gets `explain`'s event and then a connection that breaks off. Cancelling
    closes the child's socket.
    """
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    outlet: Outlet | None = scope.get("extensions", {}).get(OUTLET)
    if outlet is None:
        await _relay_slowly(send, response, framer, explain)
        return
    relay = Relay(outlet, response, framer, pacer)
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
        if error is not None or framer.failed:
            outlet.cut()
        else:
            await send({"type": "http.response.body", "body": b"", "more_body": False})
    finally:
        relay.close()


async def _relay_slowly(send: Send, response: UpstreamResponse, framer: EventFramer, explain: Explain) -> None:
    """The same over plain ASGI, for servers that are not ours. Breaking off is an exception there."""
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
