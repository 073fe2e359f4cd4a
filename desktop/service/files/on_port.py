"""The user's files on the port: searched, and asked as `model@collection`. Nothing of them can be changed there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from desktop import wire_files as wire
from desktop.service.api_errors import ApiError, bad_field
from desktop.service.errors import in_words
from desktop.service.files.retrieval import Given, Messages, Retrieval, Retrieved
from desktop.service.files.search import FileSearch
from engine.llama_server import LlamaServer
from rag.answer.citations import without_citations
from rag.answer.prompt import INSTRUCTIONS, question_with
from rag.answer.types import NumberedSource, Turn
from rag.errors import CollectionNotFound
from rag.files import Files


class FilesOnPort:
    """What the dialects of the port need of the index. `enabled` is the setting.

    `leaves` says everywhere that the answer goes to another machine: collections that never leave this one are then
    not there.
    """

    def __init__(self, index: Files, search: FileSearch, retrieval: Retrieval, enabled: Callable[[], bool]) -> None:
        self._index = index
        self._search = search
        self._retrieval = retrieval
        self._enabled = enabled

    async def collections(self, *, leaves: bool) -> list[str]:
        """Names that can stand behind the @ of a model's name."""
        if not self._enabled():
            return []
        rows = await self._index.store.collections()
        return [row.name for row in rows if row.roots and not (leaves and row.local_only)]

    async def search(self, body: Mapping[str, Any], *, leaves: bool) -> wire.SearchAnswer:
        """`POST /v1/files/search`. Raises ApiError, CollectionNotFound, BadQuery."""
        if not self._enabled():
            raise ApiError(
                403, "Files are not shared on the port: jackdaw config files_on_port=true", code="files_not_shared"
            )
        try:
            request = wire.SearchRequest.model_validate(body)
        except ValidationError as error:
            param = ".".join(str(part) for part in error.errors()[0]["loc"]) or None
            raise ApiError(400, in_words(error), code="invalid_value", param=param) from None
        return await self._search.search(request, leaves=leaves)

    async def retrieve(self, collection: str, messages: Messages, *, leaves: bool) -> Retrieved:
        """What the last message of the user finds. Raises ApiError for a collection there is not."""
        question, history = question_of(messages)
        try:
            asked = await self._search.asked(collection, leaves=leaves)
        except CollectionNotFound as error:
            raise no_collection(collection) from error
        return await self._retrieval.retrieve(question, history, asked)

    async def assemble(
        self, retrieved: Retrieved, server: LlamaServer, payload: Mapping[str, Any], messages: Messages
    ) -> Given:
        """The same messages with the passages that fit beside them."""
        without = {name: value for name, value in payload.items() if name != "messages"}
        return await self._retrieval.assemble(
            retrieved, server, without, lambda sources: with_passages(messages, sources)
        )


def no_collection(name: str) -> ApiError:
    """A model@collection whose collection there is not."""
    return ApiError(
        404, f"There is no collection {name!r}. GET /v1/models lists what is.", code="model_not_found", param="model"
    )


def question_of(messages: Messages) -> tuple[str, tuple[Turn, ...]]:
    """The text of the user's last message, and what was said before it. Raises ApiError when there is none."""
    at = _last_of_user(messages)
    question = _text(messages[at]["content"]) if at is not None else ""
    if not question.strip():
        raise bad_field("messages", "must hold a message of the user with text, when files are asked.")
    turns = [Turn(one["role"], _text(one["content"])) for one in messages[:at] if one["role"] in ("user", "assistant")]
    return question, tuple(turn for turn in turns if turn.content)


def with_passages(messages: Messages, sources: Sequence[NumberedSource]) -> Messages:
    """The messages with the instructions in the system message and the passages before the user's last question.

    Citations of earlier answers are taken out, because their numbers meant other passages.
    """
    at = _last_of_user(messages)
    changed = [_uncited(one) for one in messages]
    if at is not None:
        changed[at] = {**changed[at], "content": _asked_with(changed[at]["content"], sources)}
    if changed and changed[0]["role"] == "system" and isinstance(changed[0]["content"], str):
        return [{**changed[0], "content": f"{changed[0]['content'].strip()}\n\n{INSTRUCTIONS}"}, *changed[1:]]
    return [{"role": "system", "content": INSTRUCTIONS}, *changed]


def _asked_with(content: Any, sources: Sequence[NumberedSource]) -> Any:
    asked = question_with(_text(content), sources)
    if isinstance(content, str):
        return asked
    return [{"type": "text", "text": asked}, *(part for part in content if part.get("type") != "text")]


def _uncited(message: dict[str, Any]) -> dict[str, Any]:
    content = message.get("content")
    if message["role"] != "assistant" or not isinstance(content, str):
        return message
    return {**message, "content": without_citations(content)}


def _last_of_user(messages: Messages) -> int | None:
    return next((at for at in range(len(messages) - 1, -1, -1) if messages[at]["role"] == "user"), None)


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "\n".join(str(part["text"]) for part in parts if part.get("type") == "text")
