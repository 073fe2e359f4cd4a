"""Chats and asking in them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict
from typing import Any

from desktop import wire
from desktop.service.answer import Answer, message_row
from desktop.service.chat_rows import ChatRecord
from desktop.service.control_route import Call, ControlRoute
from desktop.service.core import Core
from desktop.service.files.sources import sources_of

CHATS = "/jackdaw/v1/chats"


async def list_chats(core: Core, call: Call) -> wire.ChatList:
    records = await core.chats.find(call.query.get("q", ""))
    return wire.ChatList(chats=[summary(record) for record in records])


async def new_chat(core: Core, call: Call) -> wire.Chat:
    body = call.body(wire.NewChat)
    record = await core.chats.create(
        title=body.title,
        model=body.model,
        system_prompt=body.system_prompt,
        parameters=body.parameters.model_dump(exclude_none=True),
        collections=list(dict.fromkeys(body.collections)),
    )
    core.chat_changed("created", record.id)
    return await whole_chat(core, record.id)


async def get_chat(core: Core, call: Call) -> wire.Chat:
    return await whole_chat(core, call.path["chat_id"])


async def patch_chat(core: Core, call: Call) -> wire.Chat:
    chat_id, body = call.path["chat_id"], call.body(wire.ChatPatch)
    changes: dict[str, Any] = body.model_dump(exclude_unset=True)
    if body.parameters is not None:
        changes["parameters"] = body.parameters.model_dump(exclude_none=True)
    # null leaves a field as it is, except head_id, where it means that no branch is shown
    kept = {name: value for name, value in changes.items() if value is not None or name == "head_id"}
    await core.chats.change(chat_id, kept)
    core.chat_changed("changed", chat_id)
    return await whole_chat(core, chat_id)


async def delete_chat(core: Core, call: Call) -> wire.Nothing:
    chat_id = call.path["chat_id"]
    await core.asking.stop(chat_id)
    await core.chats.mark_deleted(chat_id)
    core.chat_changed("deleted", chat_id)
    return wire.Nothing()


async def restore_chat(core: Core, call: Call) -> wire.Chat:
    chat_id = call.path["chat_id"]
    await core.chats.restore(chat_id)
    core.chat_changed("restored", chat_id)
    return await whole_chat(core, chat_id)


async def ask(core: Core, call: Call) -> AsyncIterator[bytes]:
    chat_id = call.path["chat_id"]
    answer = await core.asking.ask(chat_id, call.body(wire.AskRequest))
    return _follow(core, chat_id, answer)


async def _follow(core: Core, chat_id: str, answer: Answer) -> AsyncIterator[bytes]:
    try:
        async for event in answer.events():
            yield event
    finally:
        core.asking.leave(chat_id, answer)


async def stop_answer(core: Core, call: Call) -> wire.Nothing:
    await core.chats.get(call.path["chat_id"])
    await core.asking.stop(call.path["chat_id"])
    return wire.Nothing()


async def count_context(core: Core, call: Call) -> wire.ContextCount:
    request = call.body(wire.ContextRequest)
    elsewhere = (request.parent_id,) if "parent_id" in request.model_fields_set else ()
    return await core.asking.count(call.path["chat_id"], request.draft, *elsewhere)


async def whole_chat(core: Core, chat_id: str) -> wire.Chat:
    """The chat with its tree, as the wire has it."""
    record, messages = await core.chats.get(chat_id)
    sources = await sources_of(messages, core.files.index.store)
    fields: Mapping[str, Any] = {
        **asdict(record),
        "messages": [message_row(message, sources.get(message.id, ())) for message in messages],
        "files": await core.files.in_chats.rows(chat_id, messages),
    }
    return wire.Chat.model_validate(fields)


def summary(record: ChatRecord) -> wire.ChatSummary:
    """The row of a chat in a list."""
    return wire.ChatSummary(
        id=record.id,
        title=record.title,
        pinned=record.pinned,
        model=record.model,
        created_at=record.created_at,
        updated_at=record.updated_at,
        snippet=record.snippet,
    )


ROUTES = (
    ControlRoute("GET", CHATS, "All chats, newest first; q searches", list_chats, answer=wire.ChatList, query=("q",)),
    ControlRoute("POST", CHATS, "Make a chat", new_chat, wire.NewChat, wire.Chat, status=201),
    ControlRoute("GET", CHATS + "/{chat_id}", "A chat with its tree of messages", get_chat, answer=wire.Chat),
    ControlRoute("PATCH", CHATS + "/{chat_id}", "Change a chat", patch_chat, wire.ChatPatch, wire.Chat),
    ControlRoute(
        "DELETE", CHATS + "/{chat_id}", "Delete a chat; restore takes it back", delete_chat, None, wire.Nothing
    ),
    ControlRoute("POST", CHATS + "/{chat_id}/restore", "Take a deletion back", restore_chat, None, wire.Chat),
    ControlRoute("POST", CHATS + "/{chat_id}/ask", "Ask and follow the answer", ask, wire.AskRequest, "events"),
    ControlRoute("POST", CHATS + "/{chat_id}/stop", "End the running answer", stop_answer, None, wire.Nothing),
    ControlRoute(
        "POST",
        CHATS + "/{chat_id}/context",
        "Count the tokens the chat would send",
        count_context,
        wire.ContextRequest,
        wire.ContextCount,
    ),
)
