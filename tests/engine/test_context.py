"""Whether a request fits: the bound never lets through what does not, and the count is the child's own."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desktop.paths import Paths
from engine.context import (
    SPECIAL_TOKENS,
    bound_settles,
    check_fit,
    count_chat_tokens,
    in_terms_of,
    message_bytes,
    prompts_of,
)
from engine.errors import ContextExceeded, TextTooLong
from engine.fit import Wishes
from engine.scheduler import SchedulerSettings
from engine.upstream import PromptOverhead, refusal_of
from tests.engine.rig import QUICK, library_model, rig

TEXTS = ["", "hello world", "é" * 50, "日本語" * 30, "\U0001f600" * 20, "a b" * 100, "\n\t  \n" * 40, "<|im_end|>" * 5]


def conversation(*texts: str) -> dict[str, Any]:
    roles = ("user", "assistant")
    return {"messages": [{"role": roles[number % 2], "content": text} for number, text in enumerate(texts)]}


@given(
    size=st.integers(0, 10_000),
    base=st.integers(0, 1000),
    each=st.integers(0, 200),
    messages=st.integers(1, 50),
    reply=st.integers(1, 10_000),
    allocated=st.integers(256, 40_000),
)
def test_the_bound_is_never_below_what_it_bounds(
    size: int, base: int, each: int, messages: int, reply: int, allocated: int
) -> None:
    if bound_settles(size, PromptOverhead(base, each), messages, reply, allocated):
        assert size + base + messages * each + reply <= allocated


def test_only_plain_text_is_bounded() -> None:
    assert message_bytes([{"role": "user", "content": "é"}]) == 6
    assert message_bytes([{"role": "user", "content": [{"type": "text", "text": "x"}]}]) is None
    assert message_bytes([{"role": "assistant", "content": "x", "tool_calls": []}]) is None
    assert prompts_of("a") == ["a"]
    assert prompts_of([1, 2]) == [[1, 2]]
    assert prompts_of(["a", [1]]) == ["a", [1]]


@pytest.fixture
def with_child(home: Paths, engine_bin: Path) -> Any:
    def go(model: Path, work: Any, kind: str = "chat", settings: SchedulerSettings = QUICK) -> None:
        async def whole() -> None:
            models = {"tiny": library_model("tiny", model, kind)}
            async with rig(home, engine_bin, models, settings) as made, made.scheduler.hold("tiny") as child:
                await work(child)

        asyncio.run(whole())

    return go


def test_a_token_stands_for_a_byte_at_least(with_child: Any, tiny_chat_gguf: Path) -> None:
    async def work(child: Any) -> None:
        await check_fit(child, "chat", conversation("x"))
        overhead = child.upstream.prompt_overhead
        for text in TEXTS:
            wish = conversation(text, text, text)
            bound = message_bytes(wish["messages"]) + overhead.base_bytes + 3 * overhead.message_bytes + SPECIAL_TOKENS
            assert await count_chat_tokens(child, wish) <= bound

    with_child(tiny_chat_gguf, work)


def test_the_border_is_exact(with_child: Any, tiny_chat_gguf: Path) -> None:
    async def work(child: Any) -> None:
        wish = conversation("some words to count")
        prompt = await count_chat_tokens(child, wish)
        room = child.allocated_context - prompt
        await check_fit(child, "chat", {**wish, "max_tokens": room})
        with pytest.raises(ContextExceeded) as refused:
            await check_fit(child, "chat", {**wish, "max_tokens": room + 1})
        error = refused.value
        assert (error.prompt_tokens, error.reply_tokens) == (prompt, room + 1)
        assert error.allocated_context == child.allocated_context
        # and the engine agrees that what was let through is answered in full
        _, value = await child.upstream.json(
            "POST", "/v1/chat/completions", {**wish, "max_tokens": room, "ignore_eos": True}
        )
        assert value["usage"]["completion_tokens"] == room

    with_child(tiny_chat_gguf, work)


def test_tools_are_counted_by_the_child(with_child: Any, tiny_chat_gguf: Path) -> None:
    async def work(child: Any) -> None:
        tool = {"type": "function", "function": {"name": "look", "description": "d" * 5000, "parameters": {}}}
        wish = {**conversation("x"), "tools": [tool]}
        counted = await count_chat_tokens(child, wish)
        if counted + 1 > child.allocated_context:
            with pytest.raises(ContextExceeded):
                await check_fit(child, "chat", wish)
        else:
            await check_fit(child, "chat", wish)

    with_child(tiny_chat_gguf, work)


@pytest.mark.parametrize("kind", ["completion", "infill"])
def test_prompts_of_other_kinds_are_held_to_the_same_number(with_child: Any, tiny_fim_gguf: Path, kind: Any) -> None:
    def wish(size: int) -> dict[str, Any]:
        text = "x" * size
        return {"prompt": text} if kind == "completion" else {"input_prefix": text, "input_suffix": "y"}

    async def work(child: Any) -> None:
        await check_fit(child, kind, wish(child.allocated_context - 50))
        with pytest.raises(ContextExceeded):
            await check_fit(child, kind, wish(child.allocated_context + 1))
        with pytest.raises(ContextExceeded):
            await check_fit(child, kind, {**wish(child.allocated_context - 50), "max_tokens": 100})

    with_child(tiny_fim_gguf, work)


def test_a_prompt_of_tokens_counts_as_many(with_child: Any, tiny_chat_gguf: Path) -> None:
    async def work(child: Any) -> None:
        await check_fit(child, "completion", {"prompt": [65] * (child.allocated_context - 1)})
        with pytest.raises(ContextExceeded):
            await check_fit(child, "completion", {"prompt": [[65], [65] * child.allocated_context]})

    with_child(tiny_chat_gguf, work)


def test_each_text_of_an_embedding_must_fit_alone(with_child: Any, tiny_embedding_gguf: Path) -> None:
    async def work(child: Any) -> None:
        most = child.allocated_context
        await check_fit(child, "embedding", {"input": ["x" * (most - 10)] * 8})
        with pytest.raises(TextTooLong, match="Text 1 ") as refused:
            await check_fit(child, "embedding", {"input": ["x", "x" * (most + 1), "y"]})
        assert refused.value.max_tokens == most
        assert refused.value.tokens > most

    with_child(tiny_embedding_gguf, work, "embedding")


def test_a_rerank_is_refused_by_the_child_with_the_number_of_the_longest_pair(
    with_child: Any, tiny_rerank_gguf: Path
) -> None:
    async def work(child: Any) -> None:
        async def ask(size: int) -> tuple[int, Any]:
            wish = {"query": "q" * 20, "documents": ["a", "x" * size]}
            await check_fit(child, "rerank", wish)
            answer: tuple[int, Any] = await child.upstream.json("POST", "/v1/rerank", wish)
            return answer

        _, value = await ask(1)
        marks = value["usage"]["prompt_tokens"] - 2 * 21  # two pairs
        most = child.allocated_context - 1
        fits = most - 20 - marks // 2
        status, value = await ask(fits)
        assert (status, value["usage"]["prompt_tokens"]) == (200, most + 21 + marks // 2)
        status, value = await ask(fits + 1)
        error = in_terms_of("rerank", refusal_of(status, value))
        assert isinstance(error, TextTooLong)
        assert (error.tokens, error.max_tokens) == (most + 1, most)

    with_child(tiny_rerank_gguf, work, "rerank")


async def filled_in(child: Any, prefix: str, suffix: str, reply: int) -> int:
    """Prompt tokens the child itself read for this infill, after our check let it through."""
    wish = {"input_prefix": prefix, "input_suffix": suffix, "input_extra": [], "max_tokens": reply}
    await check_fit(child, "infill", wish)
    _, value = await child.upstream.json("POST", "/infill", wish)
    assert isinstance(value["tokens_evaluated"], int)
    return value["tokens_evaluated"]


def test_the_border_of_an_infill_is_exact(with_child: Any, tiny_fim_gguf: Path) -> None:
    async def work(child: Any) -> None:
        prompt = await filled_in(child, "def f():", "return", 1)
        room = child.allocated_context - prompt
        assert await filled_in(child, "def f():", "return", room) == prompt
        with pytest.raises(ContextExceeded) as refused:
            await filled_in(child, "def f():", "return", room + 1)
        assert (refused.value.prompt_tokens, refused.value.reply_tokens) == (prompt, room + 1)

    with_child(tiny_fim_gguf, work)


def test_an_infill_is_never_cut(with_child: Any, tiny_fim_gguf: Path) -> None:
    """A mark such as <|im_end|> is ten letters there, and was counted as one token while llama-server cut the rest."""

    async def work(child: Any) -> None:
        marks = await filled_in(child, "", "", 1)
        assert await filled_in(child, "x" * 1536, "y" * 510, 1) == marks + 1536 + 510
        assert await filled_in(child, "<|im_end|>" * 100, "日本" * 10, 1) == marks + 1000 + 60
        for prefix, suffix in (("x" * 1537, ""), ("", "y" * 511), ("<|im_end|>" * 154, ""), ("", "<|im_end|>" * 52)):
            with pytest.raises(TextTooLong) as refused:
                await filled_in(child, prefix, suffix, 1)
            assert refused.value.tokens == len(prefix + suffix)

    roomy = replace(QUICK, wishes=Wishes(context=4096, slots=1, cache_ram_mib=0))
    with_child(tiny_fim_gguf, work, settings=roomy)
