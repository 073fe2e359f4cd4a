"""Answers from files in the OpenAI dialect: citations checked in whole and streamed answers, sources as `citations`."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from desktop.wire_files import Source
from engine.errors import BadAnswer
from engine.sse import ERROR_START, EventFramer
from rag.answer.citations import CitationFilter

DONE_EVENT = b"data: [DONE]\n\n"


def citation(source: Source, cited: bool) -> dict[str, Any]:
    """One entry of the field `citations`; docs/port.md describes it."""
    return {
        "number": source.number,
        "path": source.path,
        "file": source.file,
        "lines": [source.start_line, source.end_line],
        "page": source.page,
        "text": source.text,
        "score": source.score,
        "collection": source.collection,
        "cited": cited,
    }


class CitedAnswer:
    """Takes citations of passages there are not out of an answer's choices, and names the passages it was given."""

    def __init__(self, model: str, sources: Sequence[Source]) -> None:
        self._model = model
        self._sources = tuple(sources)
        self._filters: dict[int, CitationFilter] = {}

    def citations(self) -> list[dict[str, Any]]:
        """As things are now: `cited` is final once every choice has ended."""
        cited = {number for one in self._filters.values() for number in one.cited}
        return [citation(source, source.number in cited) for source in self._sources]

    def whole(self, value: dict[str, Any]) -> dict[str, Any]:
        """A chat.completion with its texts checked."""
        for choice in _choices(value):
            message = choice.get("message")
            if isinstance(message, dict) and isinstance(message.get("content"), str):
                one = self._filter(choice)
                message["content"] = one.feed(message["content"]) + one.end()
        return {**value, "model": self._model, "citations": self.citations()}

    def chunk(self, value: dict[str, Any]) -> dict[str, Any]:
        """A chat.completion.chunk; the last one of a choice, and one with the usage, carry the sources."""
        choices = _choices(value)
        ended = False
        for choice in choices:
            delta = choice.get("delta")
            text = delta.get("content") if isinstance(delta, dict) else None
            one = self._filter(choice)
            decided = one.feed(text) if isinstance(text, str) else None
            if choice.get("finish_reason") is not None:
                ended, decided = True, (decided or "") + one.end()
            if isinstance(delta, dict) and decided is not None and (decided or isinstance(text, str)):
                delta["content"] = decided
        value = {**value, "model": self._model}
        return {**value, "citations": self.citations()} if ended or not choices else value

    def _filter(self, choice: Mapping[str, Any]) -> CitationFilter:
        index = choice.get("index")
        number = index if isinstance(index, int) else 0
        return self._filters.setdefault(number, CitationFilter([source.number for source in self._sources]))


class CitedFramer(EventFramer):
    """The events of a chat completion with their citations checked."""

    def __init__(self, answer: CitedAnswer, on_events: Callable[[int], None] | None = None) -> None:
        super().__init__(on_events)
        self._answer = answer

    def feed(self, data: bytes) -> bytes:
        return b"".join(self._convert(event) for event in super().feed(data).split(b"\n\n") if event)

    def _convert(self, event: bytes) -> bytes:
        if not event.startswith(b"data: {") or event.startswith(ERROR_START):
            return event + b"\n\n"
        try:
            value = json.loads(event[6:])
        except (ValueError, RecursionError) as error:
            raise BadAnswer("The engine sent an event that is not JSON.") from error
        return frame(self._answer.chunk(value))


def not_found_completion(model: str, text: str) -> dict[str, Any]:
    """The whole answer when nothing in the files is about the question: no model was asked, no token was used."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "logprobs": None, "finish_reason": "stop"}
    return {**_base(model, "chat.completion"), "choices": [choice], "usage": NO_USAGE, "citations": []}


def not_found_events(model: str, text: str, *, usage: bool) -> bytes:
    """The same as a stream."""
    base = _base(model, "chat.completion.chunk")
    said = {"index": 0, "delta": {"role": "assistant", "content": text}, "logprobs": None, "finish_reason": None}
    ended = {"index": 0, "delta": {}, "logprobs": None, "finish_reason": "stop"}
    events = frame({**base, "choices": [said]}) + frame({**base, "choices": [ended], "citations": []})
    if usage:
        events += frame({**base, "choices": [], "usage": NO_USAGE, "citations": []})
    return events + DONE_EVENT


NO_USAGE = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}


def frame(value: Mapping[str, Any]) -> bytes:
    """One server-sent event."""
    return b"data: " + json.dumps(value, ensure_ascii=False).encode("utf-8", "replace") + b"\n\n"


def _base(model: str, kind: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-{secrets.token_hex(12)}", "object": kind, "created": int(time.time()), "model": model}


def _choices(value: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = value.get("choices")
    return [choice for choice in found if isinstance(choice, dict)] if isinstance(found, list) else []
