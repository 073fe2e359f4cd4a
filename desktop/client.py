"""Typed client of the service: the window, the command line and the tests all speak to it through this one class.

It talks HTTP over the control socket, asynchronously, on whatever loop it is used from. Errors of the service come back
as ClientError with the same kind, message and hint; a service that is not there, or goes away, is ServiceUnreachable.
httpx is imported with the first request, so that importing this module stays cheap for a command that only prints help.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

from desktop import wire
from desktop.client_files import FilesClient
from desktop.client_models import ModelsClient
from desktop.connection import ROOT, ClientError, ServiceUnreachable, error_of, under, unknown_event, with_query
from desktop.event_stream import (
    AskBegin,
    AskDelta,
    AskEnd,
    AskEvent,
    AskSources,
    AskState,
    FilesAskEvent,
    FilesEnd,
    ServerSentEvent,
    answer_event,
    sse_events,
)

__all__ = [
    "AskBegin",
    "AskDelta",
    "AskEnd",
    "AskEvent",
    "AskSources",
    "AskState",
    "Client",
    "ClientError",
    "FilesAskEvent",
    "FilesEnd",
    "ServerSentEvent",
    "ServiceUnreachable",
    "ask_event",
    "error_of",
    "sse_events",
]


class Client(ModelsClient, FilesClient):
    """All routes of the control API. Use as an async context manager, or call aclose()."""

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

    # events

    async def events(self, since: int | None = None) -> AsyncIterator[wire.Event]:
        """What changes, as it changes; runs until closed. `since`: the last id seen, None: only what comes from now on.

        Raises ServiceUnreachable when the service ends; call again with the last id to resume.
        """
        query = "" if since is None else f"?since={since}"
        async with self._stream("GET", f"{ROOT}/events{query}") as response:
            async for event in sse_events(response.aiter_bytes()):
                yield wire.Event.model_validate_json(event.data)
        raise ServiceUnreachable("The service ended the event stream.")

    # keys

    async def keys(self) -> list[wire.Key]:
        return await self._list(f"{ROOT}/keys", "keys", wire.Key)

    async def new_key(self, name: str) -> wire.NewKey:
        """Make a key for the port; its secret is in this answer and nowhere else."""
        return await self._call("POST", f"{ROOT}/keys", wire.NewKeyRequest(name=name), answer=wire.NewKey)

    async def revoke_key(self, name: str) -> wire.Key:
        return await self._call("DELETE", under("keys", name), answer=wire.Key)

    # chats

    async def chats(self, q: str = "") -> list[wire.ChatSummary]:
        """All chats, newest first, or those whose title or messages hold the words of `q`, with a snippet."""
        return await self._list(with_query(f"{ROOT}/chats", {"q": q}), "chats", wire.ChatSummary)

    async def chat(self, chat_id: str) -> wire.Chat:
        return await self._call("GET", under("chats", chat_id), answer=wire.Chat)

    async def new_chat(self, chat: wire.NewChat | None = None) -> wire.Chat:
        return await self._call("POST", f"{ROOT}/chats", chat or wire.NewChat(), answer=wire.Chat)

    async def patch_chat(self, chat_id: str, changes: wire.ChatPatch) -> wire.Chat:
        return await self._call("PATCH", under("chats", chat_id), changes, answer=wire.Chat)

    async def delete_chat(self, chat_id: str) -> None:
        await self._json("DELETE", under("chats", chat_id))

    async def restore_chat(self, chat_id: str) -> wire.Chat:
        return await self._call("POST", under("chats", chat_id, "restore"), answer=wire.Chat)

    async def ask(self, chat_id: str, request: wire.AskRequest) -> AsyncIterator[AskEvent]:
        """Ask and follow the answer. The last event is an AskEnd; closing the iterator earlier stops the answer.

        Errors before the user's message was stored raise ClientError; later ones are in the AskEnd's message.
        """
        async with self._stream("POST", under("chats", chat_id, "ask"), request) as response:
            async for event in sse_events(response.aiter_bytes()):
                parsed = ask_event(event)
                yield parsed
                if isinstance(parsed, AskEnd):
                    return
        raise ServiceUnreachable("The service ended before the answer did.")

    async def stop_answer(self, chat_id: str) -> None:
        await self._json("POST", under("chats", chat_id, "stop"))

    async def context(self, chat_id: str, draft: str = "", *parent_id: str | None) -> wire.ContextCount:
        """Count the shown branch with `draft`, or with `parent_id` the one the draft would follow there."""
        body: dict[str, str | None] = {"draft": draft}
        if parent_id:
            (body["parent_id"],) = parent_id
        return await self._call("POST", under("chats", chat_id, "context"), body, answer=wire.ContextCount)


def ask_event(event: ServerSentEvent) -> AskEvent:
    """The typed form of one event of `ask`; an event this version does not know is a ClientError."""
    data = json.loads(event.data)
    match event.event:
        case "begin":
            user = wire.Message.model_validate(data["user"]) if data["user"] is not None else None
            return AskBegin(user=user, answer=wire.Message.model_validate(data["answer"]))
        case "end":
            return AskEnd(message=wire.Message.model_validate(data))
    if (parsed := answer_event(event.event, data)) is not None:
        return parsed
    raise unknown_event(event.event)
