"""One answer while it is written: what it has so far, what its reader has not heard yet, how it is saved.

The reader takes text when it is ready for more, at most 30 times a second; what arrives meanwhile is joined. So neither
a fast model nor a slow reader makes a queue grow: there is never more to hold than the text itself.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from desktop.service.chat_rows import MessageRecord
from desktop.service.chats import Chats
from desktop.service.errors import body_of
from desktop.service.files.retrieval import Given
from desktop.service.files.sources import stored_sources
from desktop.wire import MessageState
from desktop.wire_files import Source
from engine.upstream import ChatDelta
from models.errors import ModelsError
from rag.answer.citations import CitationFilter
from rag.errors import RagError

log = logging.getLogger(__name__)

EVENTS_PER_S = 30
SAVE_EVERY_S = 1.0
IDLE_COMMENT_S = 10.0


class Answer:
    """The answer `record` of a chat below the user's message `user` (None when that was there before)."""

    def __init__(self, user: MessageRecord | None, record: MessageRecord, chats: Chats) -> None:
        self.user = user
        self.record = record
        self._chats = chats
        self._content: list[str] = []
        self._reasoning: list[str] = []
        self._told = [0, 0]  # how many pieces of content and reasoning the reader has had
        self._state: dict[str, Any] | None = None
        self._news = asyncio.Event()
        self._ended = asyncio.Event()
        self._saved_pieces = 0
        self._started: float | None = None
        self._usage: dict[str, Any] = {}
        self._given: Given | None = None
        self._citations: CitationFilter | None = None
        self._tell_sources = False

    def give(self, given: Given) -> None:
        """Note what of the user's files the model is given; citations of anything else are left out from now on."""
        self._given, self._citations = given, given.filter()
        self.record = replace(self.record, files=stored_sources(given))
        self._tell_sources = True
        self._news.set()

    def wait_for(self, state: str, fraction: float | None = None, message: str = "") -> None:
        """Tell the reader what the answer waits for: "queued", "loading" or "prompt"."""
        self._state = {"state": state, "fraction": fraction, "message": message}
        self._news.set()

    def begin_generation(self) -> None:
        """From now on first_token_ms counts: the model is there, loading is not part of its speed."""
        self._started = time.monotonic()

    def add(self, delta: ChatDelta) -> None:
        """Take a piece of the engine's stream."""
        if delta.content or delta.reasoning:
            if self._started is not None:
                self._usage.setdefault("first_token_ms", (time.monotonic() - self._started) * 1000)
            self._state = None
            content = self._citations.feed(delta.content) if self._citations is not None else delta.content
            self._content += [content] if content else []
            self._reasoning += [delta.reasoning] if delta.reasoning else []
            self._news.set()
        if delta.finish_reason:
            self._usage["finish_reason"] = delta.finish_reason
        self._usage |= usage_of(delta.usage, delta.timings)

    async def save_each_second(self) -> None:
        """Write what is there once a second, until cancelled: a crash loses no more than that."""
        while True:
            await asyncio.sleep(SAVE_EVERY_S)
            pieces = len(self._content) + len(self._reasoning)
            if pieces == self._saved_pieces:
                continue
            try:
                await self._chats.save_answer(self._written("streaming"))
                self._saved_pieces = pieces
            except (ModelsError, sqlite3.Error, OSError) as error:
                log.warning("A partial answer could not be saved: %s", error)

    async def end(self, state: MessageState, error: BaseException | None = None) -> None:
        """Save the answer for good and let the reader have the last event."""
        await self._judge()
        self.record = self._written(state)
        if error is not None:
            told = body_of(error)
            self.record = replace(self.record, error=told.message, hint=told.hint)
        try:
            await self._chats.save_answer(self.record)
        except (ModelsError, sqlite3.Error, OSError) as failure:
            log.error("An answer could not be saved: %s", failure)
            self.record = replace(
                self.record,
                state="failed",
                error=f"The answer could not be saved: {failure}",
                hint="Make room on the disk; copy the text if you want to keep it.",
            )
        finally:
            self._ended.set()
            self._news.set()

    async def _judge(self) -> None:
        """Hold the answer against what it was given."""
        if self._given is None or self._citations is None:
            return
        rest = self._citations.end()
        self._content += [rest] if rest else []
        try:
            await self._given.finish("".join(self._content), self._citations.removed, self._usage.get("prompt_tokens"))
        except (ModelsError, RagError, sqlite3.Error, OSError) as error:
            log.warning("What led to an answer could not be kept: %s", error)
        self.record = replace(self.record, files=stored_sources(self._given))

    async def events(self) -> AsyncIterator[bytes]:
        """The event stream of `ask` for one reader."""
        user = None if self.user is None else message_row(self.user)
        yield encode_event("begin", {"user": user, "answer": self._row()})
        while not self._ended.is_set():
            try:
                await asyncio.wait_for(self._news.wait(), IDLE_COMMENT_S)
            except TimeoutError:
                yield b": still here\n\n"
                continue
            self._news.clear()
            for event in self._untold():
                yield event
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), 1 / EVENTS_PER_S)
        for event in self._untold():
            yield event
        yield encode_event("end", self._row())

    def _row(self) -> dict[str, Any]:
        return message_row(self.record, self._given.why.sources if self._given is not None else ())

    def _untold(self) -> list[bytes]:
        content, self._told[0] = "".join(self._content[self._told[0] :]), len(self._content)
        reasoning, self._told[1] = "".join(self._reasoning[self._told[1] :]), len(self._reasoning)
        state, self._state = self._state, None
        events = [encode_event("state", state)] if state else []
        if self._tell_sources and self._given is not None:
            self._tell_sources = False
            events.append(sources_event(self._given))
        events += [encode_event("delta", {"reasoning": reasoning})] if reasoning else []
        return events + ([encode_event("delta", {"content": content})] if content else [])

    def _written(self, state: MessageState) -> MessageRecord:
        return replace(
            self.record,
            content="".join(self._content),
            reasoning="".join(self._reasoning),
            state=state,
            usage=dict(self._usage) or None,
        )


def usage_of(usage: Mapping[str, Any] | None, timings: Mapping[str, Any] | None) -> dict[str, Any]:
    """The numbers of wire.MessageUsage that these carry.

    Source: llama.cpp tools/server/README.md, "Timings and context usage": prompt_n and cache_n in tokens,
    predicted_per_second and prompt_per_second in tokens per second.
    """
    found: dict[str, Any] = {}
    if usage:
        found["prompt_tokens"] = int(usage.get("prompt_tokens", 0))
        found["completion_tokens"] = int(usage.get("completion_tokens", 0))
    if timings:
        found["cached_tokens"] = max(0, int(timings.get("cache_n", 0)))
        found["tokens_per_s"] = timings.get("predicted_per_second")
        found["prompt_tokens_per_s"] = timings.get("prompt_per_second")
    return found


def sources_event(given: Given) -> bytes:
    """What a model is given to read, told before it writes."""
    sources = [source.model_dump(mode="json") for source in given.why.sources]
    return encode_event("sources", {"sources": sources, "note": given.note, "why_id": given.why_id})


def message_row(message: MessageRecord, sources: Sequence[Source] = ()) -> dict[str, Any]:
    """The fields of wire.Message; `sources` are those of the message with their texts."""
    files = message.files or {}
    return {
        "id": message.id,
        "chat_id": message.chat_id,
        "parent_id": message.parent_id,
        "role": message.role,
        "content": message.content,
        "reasoning": message.reasoning,
        "state": message.state,
        "model": message.model,
        "created_at": message.created_at,
        "usage": dict(message.usage) if message.usage else None,
        "error": message.error,
        "hint": message.hint,
        "sources": [source.model_dump(mode="json") for source in sources],
        "support": files.get("support", []),
        "why_id": files.get("why_id", ""),
        "files_note": files.get("note", ""),
    }


def encode_event(event: str, data: Mapping[str, Any], event_id: int | None = None) -> bytes:
    """One server-sent event; JSON escapes line ends, so `data` is always a single line."""
    number = "" if event_id is None else f"id: {event_id}\n"
    return f"{number}event: {event}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n".encode()
