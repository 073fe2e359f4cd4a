"""The fields of the OpenAI dialect: which are known, what they may hold, and what llama-server gets for them.

One table per route, field → checker. Unknown fields are dropped without a word, as OpenAI's own clients send new ones
all the time; they never reach llama-server, some of whose fields steer slots and debug output.
Source of llama-server's fields: llama.cpp tools/server/server-schema.cpp and README.md of the pinned release.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from desktop.service.api_errors import ApiError, bad_field
from desktop.service.checks import (
    Checker,
    adapters,
    boolean,
    integer,
    json_object,
    logit_bias,
    number,
    one_of,
    stop,
    text,
    texts,
    texts_or_tokens,
)
from desktop.service.messages import apply_tool_choice, messages, response_format, tools

MAX_EMBEDDING_INPUTS = 2048
MAX_DOCUMENTS = 2048
MAX_ALTERNATIVES = 20

_penalty = number(-2, 2)
_share = number(0, 1)

SAMPLING: Mapping[str, Checker] = {
    "temperature": number(0, 10),
    "top_p": _share,
    "top_k": integer(-1, 1_000_000),
    "min_p": _share,
    "typical_p": _share,
    "top_n_sigma": number(-1, 100),
    "xtc_probability": _share,
    "xtc_threshold": _share,
    "dynatemp_range": number(0, 10),
    "dynatemp_exponent": number(0, 10),
    "repeat_penalty": number(0, 10),
    "repeat_last_n": integer(0, 1_000_000),
    "frequency_penalty": _penalty,
    "presence_penalty": _penalty,
    "dry_multiplier": number(0, 100),
    "dry_base": number(1, 100),
    "dry_allowed_length": integer(0, 1_000_000),
    "dry_penalty_last_n": integer(0, 1_000_000),
    "mirostat": integer(0, 2),
    "mirostat_tau": number(0, 100),
    "mirostat_eta": _share,
    "seed": integer(-(2**63), 2**63 - 1),
    "stop": stop,
    "logit_bias": logit_bias,
    "grammar": text(64 * 1024),
    "json_schema": json_object,
    "ignore_eos": boolean,
    "cache_prompt": boolean,
    "n": integer(1, 64),
    "stream": boolean,
    "return_progress": boolean,
    "timings_per_token": boolean,
    "lora": adapters,  # by our ids; llama-server gets the numbers of the child, see engine/adapters.py
}

CHAT: Mapping[str, Checker] = {
    **SAMPLING,
    "messages": messages,
    "tools": tools,
    "parallel_tool_calls": boolean,
    "response_format": response_format,
    "logprobs": boolean,
    "top_logprobs": integer(0, MAX_ALTERNATIVES),
    "reasoning_effort": one_of("none", "minimal", "low", "medium", "high", "xhigh"),
    "reasoning_format": one_of("none", "auto", "deepseek", "deepseek-legacy"),
    "reasoning_budget_tokens": integer(-1),
    "chat_template_kwargs": json_object,
    "add_generation_prompt": boolean,
    "continue_final_message": boolean,
}

COMPLETION: Mapping[str, Checker] = {
    **SAMPLING,
    "prompt": texts_or_tokens(64),
    "suffix": text(),
    "echo": boolean,
    "best_of": integer(1, 64),
    "logprobs": integer(0, MAX_ALTERNATIVES),
}

NOT_DONE: Mapping[str, str] = {
    "functions": "is the old form of 'tools': send 'tools' instead.",
    "function_call": "is the old form of 'tool_choice': send 'tools' and 'tool_choice' instead.",
    "audio": "is not possible: answers are text.",
    "web_search_options": "is not possible: this machine searches no web.",
}

EMBEDDING: Mapping[str, Checker] = {
    "input": texts_or_tokens(MAX_EMBEDDING_INPUTS),
    "encoding_format": one_of("float", "base64"),
    "dimensions": integer(1, 1_000_000),
}

RERANK: Mapping[str, Checker] = {
    "query": text(),
    "documents": texts(MAX_DOCUMENTS),
    "top_n": integer(1),
    "return_documents": boolean,
}


def chat_payload(body: Mapping[str, Any]) -> dict[str, Any]:
    """A checked /v1/chat/completions body as llama-server takes it."""
    _refuse_what_is_not_done(body)
    payload = _generation(body, CHAT, "messages")
    apply_tool_choice(payload, body.get("tool_choice"))
    if not payload.get("tools"):
        payload.pop("tools", None)
        payload.pop("parallel_tool_calls", None)
    if not payload.pop("logprobs", False):
        if payload.pop("top_logprobs", 0):
            raise bad_field("top_logprobs", "needs 'logprobs' to be true.")
    else:
        # 0 alternatives still asks for the token's own probability, which llama-server gives from 1 on
        payload.update(logprobs=True, top_logprobs=max(1, payload.get("top_logprobs", 1)))
    return payload


def completion_payload(body: Mapping[str, Any]) -> dict[str, Any]:
    """A checked /v1/completions body as llama-server takes it; `suffix` is left in for the caller."""
    payload = _generation(body, COMPLETION, "prompt")
    if payload.pop("echo", False):
        raise bad_field("echo", "is not supported.")
    wanted = payload.get("n", 1)
    if payload.pop("best_of", wanted) != wanted:
        raise bad_field("best_of", "is not supported beyond 'n'.")
    if not payload.get("logprobs"):
        payload.pop("logprobs", None)
    if not payload.get("suffix"):
        payload.pop("suffix", None)
    return payload


def embedding_payload(body: Mapping[str, Any]) -> dict[str, Any]:
    """A checked /v1/embeddings body."""
    payload = check_fields(body, EMBEDDING, "input")
    if payload["input"] in ("", [""]):
        raise bad_field("input", "must not be empty.")
    return payload


def rerank_payload(body: Mapping[str, Any]) -> dict[str, Any]:
    """A checked /v1/rerank body; documents may be strings or objects with a text."""
    given = body.get("documents")
    if isinstance(given, list):
        plain = [item.get("text") if isinstance(item, dict) else item for item in given]
        body = {**body, "documents": plain}
    payload = check_fields(body, RERANK, "query", "documents")
    if "top_n" in payload:
        payload["top_n"] = min(payload["top_n"], len(payload["documents"]))
    return payload


def check_fields(body: Mapping[str, Any], table: Mapping[str, Checker], *required: str) -> dict[str, Any]:
    """The known fields that are set, each checked; null counts as not set. Raises ApiError naming the field."""
    for name in required:
        if body.get(name) is None:
            raise ApiError(400, f"'{name}' is required.", code="missing_required_parameter", param=name)
    return {name: check(body[name], name) for name, check in table.items() if body.get(name) is not None}


def _generation(body: Mapping[str, Any], table: Mapping[str, Checker], required: str) -> dict[str, Any]:
    payload = check_fields(body, table, required)
    if (most := _max_tokens(body)) is not None:
        payload["max_tokens"] = most
    if payload.get("top_k") == -1:
        payload["top_k"] = 0  # both mean "off"; llama-server knows 0
    if payload.get("seed", -1) != -1:
        payload["seed"] %= 2**32
    if "json_schema" in payload and ("grammar" in payload or "response_format" in payload):
        raise bad_field("json_schema", "cannot be used together with grammar or response_format.")
    options = body.get("stream_options")
    if options is not None:
        if not isinstance(options, dict):
            raise bad_field("stream_options", "must be an object.")
        if payload.get("stream") and options.get("include_usage") is not None:
            usage = boolean(options["include_usage"], "stream_options.include_usage")
            payload["stream_options"] = {"include_usage": usage}
    return payload


def _refuse_what_is_not_done(body: Mapping[str, Any]) -> None:
    """Fields that ask for another answer than the one that would come: dropping them would deceive the client."""
    for name, instead in NOT_DONE.items():
        if body.get(name):
            raise bad_field(name, instead)
    if body.get("modalities") not in (None, [], ["text"]):
        raise bad_field("modalities", "can only be ['text'].")


def _max_tokens(body: Mapping[str, Any]) -> int | None:
    """The reply's limit under any of its names; -1 is how llama.cpp's and LM Studio's clients say "no limit"."""
    for name in ("max_completion_tokens", "max_tokens", "n_predict"):
        if body.get(name) is not None:
            most: int = integer(-1)(body[name], name)
            if most == 0:
                raise bad_field(name, "must be 1 or more.")
            return None if most == -1 else most
    return None
