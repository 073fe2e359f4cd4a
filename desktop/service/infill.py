"""Filling in: /v1/completions with a `suffix`, carried out by llama-server's /infill and answered in OpenAI's form."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any

from desktop.service.api_errors import bad_field
from engine.errors import BadAnswer
from engine.sse import ERROR_START, EventFramer


def infill_payload(payload: Mapping[str, Any]) -> dict[str, Any]:
    """The /infill body for a checked completion body with a suffix."""
    prompt = payload["prompt"]
    if not isinstance(prompt, str):
        raise bad_field("prompt", "must be one string when 'suffix' is given.")
    if payload.get("n", 1) != 1 or "logprobs" in payload:
        raise bad_field("suffix", "cannot be used together with 'n' or 'logprobs'.")
    kept = {name: value for name, value in payload.items() if name not in ("prompt", "suffix", "n", "stream_options")}
    return {**kept, "input_prefix": prompt, "input_suffix": payload["suffix"], "input_extra": []}


class InfillAnswer:
    """Turns llama-server's answers of one infill into text_completion objects. `usage` adds a last usage event."""

    def __init__(self, model_id: str, *, usage: bool) -> None:
        self._usage = usage
        self._base: dict[str, Any] = {
            "id": f"cmpl-{secrets.token_hex(12)}",
            "object": "text_completion",
            "created": int(time.time()),
            "model": model_id,
        }

    def whole(self, value: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to a request without stream."""
        choice = _choice(str(value.get("content", "")), _finish_reason(value))
        return {**self._base, "choices": [choice], "usage": _usage(value), "timings": value.get("timings")}

    def frames(self, data: bytes) -> bytes:
        """One `data: {…}` frame of llama-server as frames of ours; the last brings `[DONE]` along."""
        try:
            value = json.loads(data[6:])
        except (ValueError, RecursionError) as error:
            raise BadAnswer("The engine sent an event that is not JSON.") from error
        if not isinstance(value, dict) or not isinstance(value.get("content"), str):
            raise BadAnswer("The engine sent an event that does not follow its own form.")
        if not value.get("stop"):
            return _frame({**self._base, "choices": [_choice(value["content"], None)]})
        last = {**self._base, "choices": [_choice(value["content"], _finish_reason(value))]}
        last["timings"] = value.get("timings")
        frames = _frame(last)
        if self._usage:
            frames += _frame({**self._base, "choices": [], "usage": _usage(value)})
        return frames + b"data: [DONE]\n\n"


class InfillFramer(EventFramer):
    """The events of an infill as text_completion events; `[DONE]`, which /infill does not send, follows its last."""

    def __init__(self, answer: InfillAnswer, on_events: Callable[[int], None] | None = None) -> None:
        super().__init__(on_events)
        self._answer = answer

    def feed(self, data: bytes) -> bytes:
        frames = [self._convert(event) for event in super().feed(data).split(b"\n\n") if event]
        return b"".join(frames)

    def _convert(self, event: bytes) -> bytes:
        if not event.startswith(b"data: {") or event.startswith(ERROR_START):
            return event + b"\n\n"
        frames = self._answer.frames(event)
        self.done = self.done or frames.endswith(b"data: [DONE]\n\n")
        return frames


def _choice(text: str, finish_reason: str | None) -> dict[str, Any]:
    return {"index": 0, "text": text, "logprobs": None, "finish_reason": finish_reason}


def _finish_reason(value: Mapping[str, Any]) -> str:
    return "length" if value.get("stop_type") == "limit" else "stop"


def _usage(value: Mapping[str, Any]) -> dict[str, int]:
    prompt, reply = value.get("tokens_evaluated"), value.get("tokens_predicted")
    prompt, reply = (count if isinstance(count, int) else 0 for count in (prompt, reply))
    return {"prompt_tokens": prompt, "completion_tokens": reply, "total_tokens": prompt + reply}


def _frame(value: Mapping[str, Any]) -> bytes:
    return b"data: " + json.dumps(value, ensure_ascii=False).encode("utf-8", "replace") + b"\n\n"
