"""Does a request fit the allocated context? Asked before generation, answered with numbers, never by cutting.

Cheap first: a token stands for at least one byte of the rendered prompt, so a bound in bytes settles short requests
without asking the child. What the bound cannot settle, and everything a template may expand (tools, schemas, template
arguments), is counted by the child itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, Protocol

from engine.errors import BadAnswer, ContextExceeded, EngineError, TextTooLong
from engine.upstream import PromptOverhead, Upstream, context_exceeded, refusal_of

RequestKind = Literal["chat", "completion", "infill", "embedding", "rerank"]

SAFETY_FACTOR = 2  # a template may print more than it printed when it was measured; then the exact count decides
SPECIAL_TOKENS = 8  # begin, end and separators that no byte of the text stands for
EXPANSION = 3  # WordPiece and Unigram tokenizers normalise first; a character may grow to three
INFILL_BATCH = 2048  # llama-server's default --batch-size, which its infill prompt is cut to: see _check_infill
EXACT_FIELDS = ("tools", "response_format", "json_schema", "chat_template_kwargs", "reasoning_effort")
COUNT_TIMEOUT_S = 60.0
TOKENIZE_AT_ONCE = 4


class Served(Protocol):
    """What is needed of a running child."""

    @property
    def model_id(self) -> str: ...
    @property
    def allocated_context(self) -> int: ...
    @property
    def upstream(self) -> Upstream: ...


async def check_fit(server: Served, kind: RequestKind, payload: Mapping[str, Any]) -> None:
    """Raise ContextExceeded, or TextTooLong for embeddings and infill, when the payload does not fit.

    `payload` is what will be sent to llama-server. Without max_tokens the prompt must leave room for one token. Reranks
    are left to llama-server: it refuses a pair that does not fit with its own numbers, and how the model's template
    puts query and document together is known to nobody else.
    """
    if kind == "chat":
        await _check_chat(server, payload)
    elif kind == "completion":
        for prompt in prompts_of(payload.get("prompt", "")):
            await _check_prompt(server, prompt, _reply_tokens(payload))
    elif kind == "infill":
        await _check_infill(server, payload)
    elif kind == "embedding":
        await _check_texts(server, prompts_of(payload["input"]))


def in_terms_of(kind: RequestKind, error: EngineError) -> EngineError:
    """llama-server's refusal of a request in the terms of its kind: a rerank has no reply that could be shorter."""
    if kind != "rerank" or not isinstance(error, ContextExceeded):
        return error
    tokens, most = error.prompt_tokens, error.allocated_context - 1
    return TextTooLong(
        f"The query and one of the documents have {tokens} tokens together; the model takes {most}.",
        tokens=tokens,
        max_tokens=most,
        hint="Send shorter pieces; nothing is cut.",
    )


async def count_chat_tokens(server: Served, payload: Mapping[str, Any]) -> int:
    """Prompt tokens of a chat request, counted by the child with its own template."""
    status, value = await server.upstream.json(
        "POST", "/v1/chat/completions/input_tokens", {**payload, "stream": False}, timeout_s=COUNT_TIMEOUT_S
    )
    if status != 200:
        raise refusal_of(status, value)
    return _number(value, "input_tokens")


async def count_tokens(server: Served, text: str, *, plain: bool = False) -> int:
    """Tokens of a text with the model's begin and end marks; `plain`: of the bare text, in which "<|im_end|>" is no
    mark but ten letters."""
    payload = {"content": text, "add_special": not plain, "parse_special": not plain}
    status, value = await server.upstream.json("POST", "/tokenize", payload, timeout_s=COUNT_TIMEOUT_S)
    if status != 200:
        raise refusal_of(status, value)
    if not isinstance(value, dict) or not isinstance(value.get("tokens"), list):
        raise BadAnswer("The engine did not answer with tokens.")
    return len(value["tokens"])


def message_bytes(messages: Iterable[Mapping[str, Any]]) -> int | None:
    """UTF-8 bytes of roles and texts; None when something other than text is in them."""
    total = 0
    for message in messages:
        content = message.get("content")
        if set(message) - {"role", "content", "name"} or not isinstance(content, str | None):
            return None
        total += len(str(message.get("role", ""))) + len((content or "").encode("utf-8", "surrogatepass"))
        total += len(str(message.get("name", "")).encode("utf-8", "surrogatepass"))
    return total


def bound_settles(
    prompt_bytes: int, overhead: PromptOverhead, messages: int, reply_tokens: int, allocated: int
) -> bool:
    """Whether the bound alone proves that prompt and reply fit."""
    rendered = prompt_bytes + overhead.base_bytes + messages * overhead.message_bytes + SPECIAL_TOKENS
    return SAFETY_FACTOR * rendered + reply_tokens <= allocated


def prompts_of(prompt: Any) -> list[str | list[int]]:
    """One prompt or several, each a text or a list of token ids."""
    if isinstance(prompt, list) and prompt and not isinstance(prompt[0], int):
        return prompt
    return [prompt]


async def _check_chat(server: Served, payload: Mapping[str, Any]) -> None:
    reply, allocated = _reply_tokens(payload), server.allocated_context
    messages: Sequence[Mapping[str, Any]] = payload["messages"]
    size = None if any(payload.get(field) for field in EXACT_FIELDS) else message_bytes(messages)
    if size is not None and SAFETY_FACTOR * size + reply <= allocated:
        overhead = await _overhead(server)
        if bound_settles(size, overhead, len(messages), reply, allocated):
            return
    prompt = await count_chat_tokens(server, payload)
    if prompt + reply > allocated:
        raise context_exceeded(prompt, reply, allocated)


async def _overhead(server: Served) -> PromptOverhead:
    """What the model's template adds, measured once per child."""
    if server.upstream.prompt_overhead is None:
        one = await _rendered_bytes(server, 1)
        three = await _rendered_bytes(server, 3)
        server.upstream.prompt_overhead = PromptOverhead(base_bytes=one, message_bytes=max(0, three - one))
    return server.upstream.prompt_overhead


async def _rendered_bytes(server: Served, messages: int) -> int:
    """Bytes of a prompt of messages "x"; a template that refuses such a conversation counts as endless."""
    roles = ("user", "assistant", "user")[:messages]
    payload = {"messages": [{"role": role, "content": "x"} for role in roles]}
    status, value = await server.upstream.json("POST", "/apply-template", payload)
    if status != 200 or not isinstance(value, dict) or not isinstance(value.get("prompt"), str):
        return 1 << 40
    return len(value["prompt"].encode("utf-8", "surrogatepass"))


async def _check_prompt(server: Served, prompt: str | list[int], reply: int) -> None:
    allocated = server.allocated_context
    if SAFETY_FACTOR * (_bound(prompt) + SPECIAL_TOKENS) + reply <= allocated:
        return
    tokens = len(prompt) if isinstance(prompt, list) else await count_tokens(server, prompt)
    if tokens + reply > allocated:
        raise context_exceeded(tokens, reply, allocated)


async def _check_infill(server: Served, payload: Mapping[str, Any]) -> None:
    """llama-server cuts prefix and suffix of an infill to 3/4 and 1/4 of its batch without a word
    (tools/server/server-common.cpp, format_prompt_infill); what it would cut is refused here."""
    prefix = await count_tokens(server, payload["input_prefix"], plain=True)
    suffix = await count_tokens(server, payload["input_suffix"], plain=True)
    reply, allocated = _reply_tokens(payload), server.allocated_context
    prompt = prefix + suffix + await _infill_overhead(server)
    if prompt + reply > allocated:
        raise context_exceeded(prompt, reply, allocated)
    for name, tokens, most in (("prompt", prefix, 3 * INFILL_BATCH // 4), ("suffix", suffix, INFILL_BATCH // 4 - 2)):
        if tokens > most:
            raise TextTooLong(
                f"The {name} has {tokens} tokens; filling in takes at most {most} there.",
                tokens=tokens,
                max_tokens=most,
                hint="Send only the text near the cursor.",
            )


async def _infill_overhead(server: Served) -> int:
    """Tokens of an infill's prompt that stand for no text, measured once per child: the marks, and names of a project
    and a file where the model knows such."""
    if server.upstream.infill_overhead is None:
        payload = {"input_prefix": "", "input_suffix": "", "input_extra": [], "n_predict": 0}
        status, value = await server.upstream.json("POST", "/infill", payload, timeout_s=None)
        if status != 200:
            raise refusal_of(status, value)
        server.upstream.infill_overhead = _number(value, "tokens_evaluated")
    return server.upstream.infill_overhead


async def _check_texts(server: Served, texts: Sequence[str | list[int]]) -> None:
    """Each text on its own must fit."""
    room = server.allocated_context
    gate = asyncio.Semaphore(TOKENIZE_AT_ONCE)

    async def check(index: int, text: str | list[int]) -> None:
        async with gate:
            tokens = len(text) if isinstance(text, list) else await count_tokens(server, text)
        if tokens > room:
            raise TextTooLong(
                f"Text {index} has {tokens} tokens; the model takes {room}.",
                tokens=tokens,
                max_tokens=room,
                hint="Send shorter pieces; nothing is cut.",
            )

    doubtful = [(i, t) for i, t in enumerate(texts) if EXPANSION * _bound(t) + SPECIAL_TOKENS > room]
    try:
        async with asyncio.TaskGroup() as group:
            for index, text in doubtful:
                group.create_task(check(index, text))
    except* EngineError as errors:
        raise _first(errors) from None


def _first(errors: BaseExceptionGroup[EngineError]) -> EngineError:
    first = errors.exceptions[0]
    return first if isinstance(first, EngineError) else _first(first)


def _bound(prompt: str | list[int]) -> int:
    return len(prompt) if isinstance(prompt, list) else len(prompt.encode("utf-8", "surrogatepass"))


def _reply_tokens(payload: Mapping[str, Any]) -> int:
    """What the reply was promised. An unlimited one ends where the context ends, with finish_reason "length"."""
    wanted = payload.get("max_tokens")
    return wanted if isinstance(wanted, int) and wanted > 0 else 1


def _number(value: Any, name: str) -> int:
    if isinstance(value, dict) and isinstance(value.get(name), int):
        return int(value[name])
    raise BadAnswer(f"The engine did not answer with {name}.")
