"""Client of one llama-server child: raw HTTP/1.1 over its Unix socket.

Why not a general HTTP client: relaying costs one wake-up per read here instead of several per token, and closing a
response must close the socket at once, because that is what frees the slot. Every request has a connection of its own:
on a Unix socket that costs 0.05 ms, while cpp-httplib closes idle connections without a word (5 s, 100 requests) and
keeps a thread awake for each (measured, time to first token, p50/p95: own connection 1.97/4.0 ms, pooled 2.0/6.7 ms).
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import BadAnswer, ContextExceeded, EngineError, EngineStopped, RequestRefused, TextTooLong
from engine.http_connection import BodySink, Connection, UpstreamResponse
from engine.sse import EventFramer

CONNECT_TIMEOUT_S = 10.0

__all__ = [
    "BodySink",
    "ChatDelta",
    "PromptOverhead",
    "Upstream",
    "UpstreamResponse",
    "context_exceeded",
    "refusal",
    "refusal_of",
]

# The wording of tools/server/server-context.cpp; a test pins it.
_TOO_LARGE = re.compile(r"input \((\d+) tokens\) is too large to process\..*current batch size: (\d+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class ChatDelta:
    """One event of a streamed answer. `usage` and `timings` come with the last events, as llama-server names them."""

    content: str = ""
    reasoning: str = ""
    finish_reason: str = ""
    usage: Mapping[str, Any] | None = None
    timings: Mapping[str, Any] | None = None
    progress: Mapping[str, Any] | None = None  # {"total", "cache", "processed", "time_ms"} while the prompt is read


@dataclass(frozen=True, slots=True)
class PromptOverhead:
    """Bytes a chat template adds: once (with one short message in it), and for every message."""

    base_bytes: int
    message_bytes: int


class Upstream:
    """The way to one child. `close()` breaks off every answer that is under way."""

    def __init__(self, socket_path: Path, api_key: str) -> None:
        self._socket_path = socket_path
        self._head = (
            "Host: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {api_key}\r\n"
        ).encode()
        self._connections: set[Connection] = set()
        # Both are measured once by engine.context and hold as long as the child lives.
        self.prompt_overhead: PromptOverhead | None = None
        self.infill_overhead: int | None = None

    async def request(self, method: str, target: str, body: bytes = b"") -> UpstreamResponse:
        """Send a request and wait for the response's head, however long the child computes.

        Raises EngineStopped when the child is gone or closes before a head. Cancelling closes the socket.
        """
        message = (
            f"{method} {target} HTTP/1.1\r\n".encode() + self._head + b"Content-Length: %d\r\n\r\n" % len(body) + body
        )
        connection = await self._connect()
        response = connection.start(message)
        try:
            await response.head
        except asyncio.CancelledError:
            response.close()
            raise
        return response

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
        """Break off what is under way: for a child that is being stopped."""
        for connection in list(self._connections):
            connection.break_off(EngineStopped("The model was unloaded."))

    async def _connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                _, connection = await loop.create_unix_connection(
                    lambda: Connection(self._connections), str(self._socket_path)
                )
        except (OSError, TimeoutError) as error:
            raise EngineStopped("The engine does not answer on its socket.") from error
        return connection


def refusal(status: int, body: bytes) -> EngineError:
    """llama-server's error answer as one of ours."""
    try:
        return refusal_of(status, json.loads(body))
    except (ValueError, RecursionError):
        return BadAnswer(f"The engine answered with status {status} and no explanation.")


def refusal_of(status: int, value: Any) -> EngineError:
    """The same for a parsed body. Source: tools/server/server-common.cpp, format_error_response."""
    error = value.get("error") if isinstance(value, dict) else None
    if not isinstance(error, dict) or not isinstance(error.get("message"), str):
        return BadAnswer(f"The engine answered with status {status} and no explanation.")
    message, code = error["message"], str(error.get("type", ""))
    prompt, allocated = error.get("n_prompt_tokens"), error.get("n_ctx")
    if code == "exceed_context_size_error" and isinstance(prompt, int) and isinstance(allocated, int):
        return context_exceeded(prompt, 1, allocated)
    if found := _TOO_LARGE.search(message):
        tokens, most = int(found[1]), int(found[2])
        return TextTooLong(
            f"A text has {tokens} tokens; the model takes {most} at once.",
            tokens=tokens,
            max_tokens=most,
            hint="Send shorter pieces; nothing is cut.",
        )
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
