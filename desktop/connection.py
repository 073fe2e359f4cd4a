"""How the client talks to the service: HTTP over the control socket, errors mapped back, event streams opened.

Asynchronous, on whatever loop it is used from. httpx is imported with the first request, so that importing this module
stays cheap for a command that only prints help.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast
from urllib.parse import quote, urlencode

from desktop import wire

if TYPE_CHECKING:
    import httpx

Answer = TypeVar("Answer", bound=wire.Wire)
ROOT = "/jackdaw/v1"
CONNECT_TIMEOUT_S = 5.0
ANSWER_TIMEOUT_S = 30.0
# The service sends a comment every 10 s on an idle stream, so this much silence means that it is gone.
STREAM_SILENCE_S = 60.0


class ClientError(Exception):
    """The service said no: `kind` for programs, `message` and `hint` for people, `details` with the numbers."""

    def __init__(
        self, kind: str, message: str, *, hint: str = "", details: Mapping[str, Any] | None = None, status: int = 0
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.hint = hint
        self.details: dict[str, Any] = dict(details or {})
        self.status = status


class ServiceUnreachable(ClientError):
    """Nobody answers on the control socket, or the connection broke before the answer was complete."""

    def __init__(self, message: str, *, hint: str = "Start Jackdaw, or run: jackdaw serve") -> None:
        super().__init__("service_unreachable", message, hint=hint)


class Connection:
    """The connection to one service. Use as an async context manager, or call aclose()."""

    def __init__(self, socket: Path) -> None:
        self.socket = socket
        self._http: httpx.AsyncClient | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections; a running ask is stopped by that."""
        if self._http is not None:
            await self._http.aclose()
            self._http = None

    async def _call(
        self,
        method: str,
        target: str,
        body: wire.Wire | Mapping[str, Any] | None = None,
        *,
        answer: type[Answer],
        timeout_s: float = ANSWER_TIMEOUT_S,
    ) -> Answer:
        content = await self._send(method, target, body, timeout_s)
        try:
            return answer.model_validate_json(content)
        except ValueError as error:  # pydantic's ValidationError is one
            raise _not_understood(target) from error

    async def _json(
        self, method: str, target: str, body: wire.Wire | Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        content = await self._send(method, target, body, ANSWER_TIMEOUT_S)
        try:
            return cast("dict[str, Any]", json.loads(content))
        except ValueError as error:
            raise _not_understood(target) from error

    async def _list(self, target: str, field: str, kind: type[Answer]) -> list[Answer]:
        rows = (await self._json("GET", target))[field]
        return [kind.model_validate(row) for row in rows]

    async def _send(
        self, method: str, target: str, body: wire.Wire | Mapping[str, Any] | None, timeout_s: float
    ) -> bytes:
        import httpx

        http = self._connection()
        timeout = httpx.Timeout(timeout_s, connect=min(timeout_s, CONNECT_TIMEOUT_S))
        try:
            response = await http.request(method, target, timeout=timeout, **_content(body))
        except (httpx.TransportError, httpx.StreamError) as error:
            raise self._unreachable(error) from error
        if response.status_code >= 400:
            raise error_of(response.status_code, response.content)
        return response.content

    @asynccontextmanager
    async def _stream(self, method: str, target: str, body: wire.Wire | None = None) -> AsyncIterator[httpx.Response]:
        import httpx

        http = self._connection()
        timeout = httpx.Timeout(STREAM_SILENCE_S, connect=CONNECT_TIMEOUT_S)
        try:
            async with http.stream(method, target, timeout=timeout, **_content(body)) as response:
                if response.status_code >= 400:
                    raise error_of(response.status_code, await response.aread())
                yield response
        except (httpx.TransportError, httpx.StreamError) as error:
            raise self._unreachable(error) from error

    def _connection(self) -> httpx.AsyncClient:
        import httpx

        if self._http is None:
            # An idle connection is kept for less than the service's own 5 s: a request must not meet a closing socket.
            limits = httpx.Limits(max_connections=None, max_keepalive_connections=4, keepalive_expiry=3)
            self._http = httpx.AsyncClient(
                transport=httpx.AsyncHTTPTransport(uds=str(self.socket), limits=limits),
                base_url="http://localhost",
                trust_env=False,
            )
        return self._http

    def _unreachable(self, error: Exception) -> ServiceUnreachable:
        if not self.socket.exists():
            return ServiceUnreachable("No Jackdaw service is running.")
        return ServiceUnreachable(
            f"The Jackdaw service does not answer ({type(error).__name__}).",
            hint="Try again in a moment; `jackdaw status` shows whether it runs.",
        )


def error_of(status: int, content: bytes) -> ClientError:
    """The error a response carries, or a plain one when its body is not ours."""
    try:
        body = wire.ErrorBody.model_validate(json.loads(content)["error"])
    except (ValueError, KeyError, TypeError):
        message = f"The service answered with HTTP status {status} and no explanation."
        return ClientError("http_error", message, hint="Its log has the details.", status=status)
    return ClientError(body.kind, body.message, hint=body.hint, details=body.details, status=status)


def _content(body: wire.Wire | Mapping[str, Any] | None) -> dict[str, Any]:
    if body is None:
        return {}
    # exclude_unset: a PATCH tells "set to nothing" from "leave as it is" by whether the field is there
    content = body.model_dump_json(exclude_unset=True) if isinstance(body, wire.Wire) else json.dumps(body)
    return {"content": content.encode(), "headers": {"content-type": "application/json"}}


def under(collection: str, item: str, *more: str) -> str:
    """The path of one thing of a collection."""
    return "/".join((ROOT, collection, quote(item, safe=""), *more))


def with_query(target: str, query: Mapping[str, str | int | None]) -> str:
    """`target` with the parts of `query` that say something."""
    told = {name: value for name, value in query.items() if value not in ("", None)}
    return f"{target}?{urlencode(told, quote_via=quote)}" if told else target


def absolute(path: Path) -> str:
    """A path as it was typed here; the service has another working folder."""
    return str(path.expanduser().absolute())


def _not_understood(target: str) -> ClientError:
    return ClientError(
        "bad_answer",
        f"The service's answer on {target} could not be understood.",
        hint="The service is of another version; restart it with: jackdaw stop",
    )


def unknown_event(kind: str) -> ClientError:
    """An event stream held something this version does not know."""
    return ClientError(
        "unknown_event",
        f"The service sent an event of the unknown type {kind!r}.",
        hint="The service is of another version; restart it with: jackdaw stop",
    )
