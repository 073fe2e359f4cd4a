"""Typed client of the service: the window, the command line and the tests all speak to it through this one class.

It talks HTTP over the control socket, asynchronously, on whatever loop it is used from. Errors of the service come back
as ClientError with the same kind, message and hint; a service that is not there, or goes away, is ServiceUnreachable.
httpx is imported with the first request, so that importing this module stays cheap for a command that only prints help.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast
from urllib.parse import quote

from desktop import wire
from desktop.event_stream import AskBegin, AskDelta, AskEnd, AskEvent, AskState, ServerSentEvent, sse_events

if TYPE_CHECKING:
    import httpx

__all__ = [
    "AskBegin",
    "AskDelta",
    "AskEnd",
    "AskEvent",
    "AskState",
    "Client",
    "ClientError",
    "ServerSentEvent",
    "ServiceUnreachable",
    "ask_event",
    "error_of",
    "sse_events",
]

Answer = TypeVar("Answer", bound=wire.Wire)
ROOT = "/jackdaw/v1"
CONNECT_TIMEOUT_S = 5.0
ANSWER_TIMEOUT_S = 30.0
# Loading reads a file of any size from any disk; the service's own deadline moves with the child's activity.
LOAD_TIMEOUT_S = 3600.0
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


class Client:
    """All routes of the control API. Use as an async context manager, or call aclose()."""

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

    # the service itself

    async def health(self, *, timeout_s: float = 2.0) -> wire.Health:
        return await self._call("GET", "/health", answer=wire.Health, timeout_s=timeout_s)

    async def status(self) -> wire.Status:
        return await self._call("GET", f"{ROOT}/status", answer=wire.Status)

    async def stop(self) -> None:
        """Ask the service to end gracefully; returns once it has agreed, not once it has ended."""
        await self._json("POST", f"{ROOT}/stop")

    async def doctor(self) -> wire.DoctorReport:
        return await self._call("GET", f"{ROOT}/doctor", answer=wire.DoctorReport, timeout_s=120)

    async def prove(self) -> wire.DoctorReport:
        """Prove the engine again, which takes seconds to a minute, and return the new report."""
        return await self._call("POST", f"{ROOT}/doctor", answer=wire.DoctorReport, timeout_s=900)

    async def settings(self) -> dict[str, Any]:
        return await self._json("GET", f"{ROOT}/settings")

    async def patch_settings(self, changes: Mapping[str, Any]) -> dict[str, Any]:
        return await self._json("PATCH", f"{ROOT}/settings", dict(changes))

    async def raise_window(self) -> bool:
        """Ask an open window to come to the front; False when none is open."""
        return bool((await self._json("POST", f"{ROOT}/window", {}))["raised"])

    async def openapi(self) -> dict[str, Any]:
        return await self._json("GET", f"{ROOT}/openapi.json")

    # models

    async def models(self) -> list[wire.Model]:
        return await self._list(f"{ROOT}/models", "models", wire.Model)

    async def model(self, model_id: str) -> wire.Model:
        return await self._call("GET", _under("models", model_id), answer=wire.Model)

    async def import_model(self, path: Path) -> wire.Model:
        """Take a GGUF file into the library where it lies; the path is made absolute here, where it was typed."""
        body = wire.ImportRequest(path=_absolute(path))
        return await self._call("POST", f"{ROOT}/models/import", body, answer=wire.Model, timeout_s=600)

    async def remove_model(self, model_id: str) -> wire.RemovedModel:
        return await self._call("DELETE", _under("models", model_id), answer=wire.RemovedModel, timeout_s=120)

    async def load_model(self, model_id: str) -> wire.Model:
        return await self._call("POST", _under("models", model_id, "load"), answer=wire.Model, timeout_s=LOAD_TIMEOUT_S)

    async def unload_model(self, model_id: str) -> wire.Model:
        return await self._call("POST", _under("models", model_id, "unload"), answer=wire.Model, timeout_s=120)

    async def model_log(self, model_id: str) -> list[str]:
        return [str(line) for line in (await self._json("GET", _under("models", model_id, "log")))["lines"]]

    # events and jobs

    async def events(self, since: int | None = None) -> AsyncIterator[wire.Event]:
        """What changes, as it changes; runs until closed. `since`: the last id seen, None: only what comes from now on.

        Raises ServiceUnreachable when the service ends; call again with the last id to resume.
        """
        query = "" if since is None else f"?since={since}"
        async with self._stream("GET", f"{ROOT}/events{query}") as response:
            async for event in sse_events(response.aiter_bytes()):
                yield wire.Event.model_validate_json(event.data)
        raise ServiceUnreachable("The service ended the event stream.")

    async def start_job(self, kind: str, options: Mapping[str, Any] | None = None) -> wire.Job:
        body = wire.JobRequest(kind=kind, options=dict(options or {}))
        return await self._call("POST", f"{ROOT}/jobs", body, answer=wire.Job)

    async def jobs(self) -> list[wire.Job]:
        return await self._list(f"{ROOT}/jobs", "jobs", wire.Job)

    async def job(self, job_id: str) -> wire.Job:
        return await self._call("GET", _under("jobs", job_id), answer=wire.Job)

    async def cancel_job(self, job_id: str) -> wire.Job:
        return await self._call("DELETE", _under("jobs", job_id), answer=wire.Job)

    # keys

    async def keys(self) -> list[wire.Key]:
        return await self._list(f"{ROOT}/keys", "keys", wire.Key)

    async def new_key(self, name: str) -> wire.NewKey:
        """Make a key for the port; its secret is in this answer and nowhere else."""
        return await self._call("POST", f"{ROOT}/keys", wire.NewKeyRequest(name=name), answer=wire.NewKey)

    async def revoke_key(self, name: str) -> wire.Key:
        return await self._call("DELETE", _under("keys", name), answer=wire.Key)

    # chats

    async def chats(self, q: str = "") -> list[wire.ChatSummary]:
        """All chats, newest first, or those whose title or messages hold the words of `q`, with a snippet."""
        query = f"?q={quote(q, safe='')}" if q else ""
        return await self._list(f"{ROOT}/chats{query}", "chats", wire.ChatSummary)

    async def chat(self, chat_id: str) -> wire.Chat:
        return await self._call("GET", _under("chats", chat_id), answer=wire.Chat)

    async def new_chat(self, chat: wire.NewChat | None = None) -> wire.Chat:
        return await self._call("POST", f"{ROOT}/chats", chat or wire.NewChat(), answer=wire.Chat)

    async def patch_chat(self, chat_id: str, changes: wire.ChatPatch) -> wire.Chat:
        return await self._call("PATCH", _under("chats", chat_id), changes, answer=wire.Chat)

    async def delete_chat(self, chat_id: str) -> None:
        await self._json("DELETE", _under("chats", chat_id))

    async def restore_chat(self, chat_id: str) -> wire.Chat:
        return await self._call("POST", _under("chats", chat_id, "restore"), answer=wire.Chat)

    async def ask(self, chat_id: str, request: wire.AskRequest) -> AsyncIterator[AskEvent]:
        """Ask and follow the answer. The last event is an AskEnd; closing the iterator earlier stops the answer.

        Errors before the user's message was stored raise ClientError; later ones are in the AskEnd's message.
        """
        async with self._stream("POST", _under("chats", chat_id, "ask"), request) as response:
            async for event in sse_events(response.aiter_bytes()):
                parsed = ask_event(event)
                yield parsed
                if isinstance(parsed, AskEnd):
                    return
        raise ServiceUnreachable("The service ended before the answer did.")

    async def stop_answer(self, chat_id: str) -> None:
        await self._json("POST", _under("chats", chat_id, "stop"))

    async def context(self, chat_id: str, draft: str = "", *parent_id: str | None) -> wire.ContextCount:
        """Count the shown branch with `draft`, or with `parent_id` the one the draft would follow there."""
        body: dict[str, str | None] = {"draft": draft}
        if parent_id:
            (body["parent_id"],) = parent_id
        return await self._call("POST", _under("chats", chat_id, "context"), body, answer=wire.ContextCount)

    # how it is sent

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


def ask_event(event: ServerSentEvent) -> AskEvent:
    """The typed form of one event of `ask`; an event this version does not know is a ClientError."""
    data = json.loads(event.data)
    match event.event:
        case "begin":
            user = wire.Message.model_validate(data["user"]) if data["user"] is not None else None
            return AskBegin(user=user, answer=wire.Message.model_validate(data["answer"]))
        case "state":
            return AskState(state=data["state"], fraction=data["fraction"], message=data["message"])
        case "delta":
            return AskDelta(content=data.get("content", ""), reasoning=data.get("reasoning", ""))
        case "end":
            return AskEnd(message=wire.Message.model_validate(data))
    raise ClientError(
        "unknown_event",
        f"The service sent an event of the unknown type {event.event!r}.",
        hint="The service is of another version; restart it with: jackdaw stop",
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


def _under(collection: str, item: str, *more: str) -> str:
    return "/".join((ROOT, collection, quote(item, safe=""), *more))


def _absolute(path: Path) -> str:
    return str(path.expanduser().absolute())


def _not_understood(target: str) -> ClientError:
    return ClientError(
        "bad_answer",
        f"The service's answer on {target} could not be understood.",
        hint="The service is of another version; restart it with: jackdaw stop",
    )
