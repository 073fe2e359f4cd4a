"""Client of one llama-server child: raw HTTP/1.1 over its Unix socket.

Why not a general HTTP client: relaying costs one wake-up per read here instead of several per token, and closing a
response must close the socket at once, because that is what frees the slot. Idle connections are used again for
IDLE_S at most and REQUESTS_PER_CONNECTION times: cpp-httplib closes them after 5 s and 100 requests without a word.
So a request that fails on a used connection before any byte of answer is sent once more on a fresh one.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import BadAnswer, ContextExceeded, EngineError, EngineStopped, RequestRefused
from engine.http_connection import BodySink, Connection, UpstreamResponse
from engine.sse import EventFramer

IDLE_S = 2.5
IDLE_CONNECTIONS = 8
REQUESTS_PER_CONNECTION = 90
CONNECT_TIMEOUT_S = 10.0

__all__ = ["BodySink", "ChatDelta", "Upstream", "UpstreamResponse", "context_exceeded", "refusal"]


@dataclass(frozen=True, slots=True)
class ChatDelta:
    """One event of a streamed answer. `usage` and `timings` come with the last events, as llama-server names them."""

    content: str = ""
    reasoning: str = ""
    finish_reason: str = ""
    usage: Mapping[str, Any] | None = None
    timings: Mapping[str, Any] | None = None
    progress: Mapping[str, Any] | None = None  # {"total", "cache", "processed", "time_ms"} while the prompt is read


class Upstream:
    """The way to one child. Create it on the loop that uses it; `close()` drops the idle connections."""

    def __init__(self, socket_path: Path, api_key: str) -> None:
        self._socket_path = socket_path
        self._head = (
            f"Host: localhost\r\nAuthorization: Bearer {api_key}\r\nContent-Type: application/json\r\n".encode()
        )
        self._idle: list[Connection] = []
        self._closed = False

    async def request(self, method: str, target: str, body: bytes = b"") -> UpstreamResponse:
        """Send a request and wait for the response's head, however long the child computes.

        Raises EngineStopped when the child is gone or closes before a head. Cancelling closes the socket.
        """
        message = (
            f"{method} {target} HTTP/1.1\r\n".encode() + self._head + b"Content-Length: %d\r\n\r\n" % len(body) + body
        )
        if connection := self._take_idle():
            try:
                return await _exchange(connection, message)
            except EngineStopped:
                pass  # cpp-httplib closed it meanwhile; no byte of an answer came, so asking again is safe
        return await _exchange(await self._connect(), message)

    async def json(
        self, method: str, target: str, payload: Any = None, *, timeout_s: float | None = 30.0
    ) -> tuple[int, Any]:
        """Send and receive JSON; returns (status, value). Raises TimeoutError, EngineStopped, BadAnswer."""
        body = b"" if payload is None else json.dumps(payload, ensure_ascii=False).encode("utf-8", "surrogatepass")
        async with asyncio.timeout(timeout_s), await self.request(method, target, body) as response:
            data = await response.read()
            try:
                return response.status, json.loads(data)
            except (ValueError, RecursionError) as error:
                raise BadAnswer(f"The engine answered {target} with something that is not JSON.") from error

    async def chat_events(self, payload: Mapping[str, Any]) -> AsyncIterator[ChatDelta]:
        """Stream an answer to `payload` (a /v1/chat/completions body) as parsed deltas.

        Ends only after `[DONE]`. Raises RequestRefused or ContextExceeded when llama-server says no, EngineStopped or
        BadAnswer when the stream breaks off. Closing the iterator stops the generation.
        """
        wanted = {**payload, "stream": True, "stream_options": {"include_usage": True}}
        body = json.dumps(wanted, ensure_ascii=False).encode("utf-8", "surrogatepass")
        async with await self.request("POST", "/v1/chat/completions", body) as response:
            if response.status != 200:
                raise refusal(response.status, await response.read())
            framer = EventFramer()
            async for data in response.chunks():
                for event in framer.feed(data).split(b"\n\n"):
                    if event.startswith(b"data: {"):
                        yield _delta(event[6:])
            if not framer.done:
                raise EngineStopped("The engine ended its answer early.")

    def close(self) -> None:
        """Drop idle connections; running responses are left to those who hold them."""
        self._closed = True
        for connection in self._idle:
            connection.abort()
        self._idle.clear()

    async def _connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                _, connection = await loop.create_unix_connection(
                    lambda: Connection(self._keep_idle), str(self._socket_path)
                )
        except (OSError, TimeoutError) as error:
            raise EngineStopped("The engine does not answer on its socket.") from error
        return connection

    def _take_idle(self) -> Connection | None:
        now = asyncio.get_running_loop().time()
        while self._idle:
            connection = self._idle.pop()
            if not connection.closed and now - connection.idle_since < IDLE_S:
                return connection
            connection.abort()
        return None

    def _keep_idle(self, connection: Connection) -> None:
        if self._closed or connection.requests >= REQUESTS_PER_CONNECTION or len(self._idle) >= IDLE_CONNECTIONS:
            connection.abort()
            return
        connection.idle_since = asyncio.get_running_loop().time()
        self._idle.append(connection)


async def _exchange(connection: Connection, message: bytes) -> UpstreamResponse:
    response = connection.start(message)
    try:
        await response.head
    except asyncio.CancelledError:
        response.close()
        raise
    return response


def refusal(status: int, body: bytes) -> EngineError:
    """llama-server's error answer as one of ours. Source: tools/server/server-common.cpp, format_error_response."""
    try:
        error = json.loads(body)["error"]
        message, code = str(error["message"]), str(error.get("type", ""))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return BadAnswer(f"The engine answered with status {status} and no explanation.")
    if code == "exceed_context_size_error":
        return context_exceeded(int(error.get("n_prompt_tokens", 0)), 1, int(error.get("n_ctx", 0)))
    return RequestRefused(message, status=status, code=code)


def context_exceeded(prompt_tokens: int, reply_tokens: int, allocated_context: int) -> ContextExceeded:
    """The one wording of "does not fit", with its numbers."""
    return ContextExceeded(
        f"The prompt has {prompt_tokens} tokens and the reply needs {reply_tokens}: together "
        f"{prompt_tokens + reply_tokens}, but the model's allocated context is {allocated_context} tokens.",
        prompt_tokens=prompt_tokens,
        reply_tokens=reply_tokens,
        allocated_context=allocated_context,
        hint="Shorten the conversation, ask for a shorter reply, or load the model with a larger context.",
    )


def _delta(data: bytes) -> ChatDelta:
    try:
        event = json.loads(data)
        if "error" in event:
            raise refusal(500, data)
        choices = event.get("choices") or [{}]
        delta = choices[0].get("delta") or {}
        return ChatDelta(
            content=delta.get("content") or "",
            reasoning=delta.get("reasoning_content") or "",
            finish_reason=choices[0].get("finish_reason") or "",
            usage=event.get("usage"),
            timings=event.get("timings"),
            progress=event.get("prompt_progress"),
        )
    except (ValueError, AttributeError, IndexError, KeyError, TypeError, RecursionError) as error:
        raise BadAnswer("The engine sent an event that does not follow the OpenAI form.") from error
