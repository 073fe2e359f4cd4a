"""The official openai SDK against the port, with the real engine: what it gets is what llama-server itself says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import openai
import pytest

from desktop.paths import Paths
from engine.llama_server import LlamaServer
from tests.service.port_rig import Port, open_port, run

HELLO: list[Any] = [{"role": "user", "content": "Hello there"}]
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"answer": {"type": "boolean"}},
    "required": ["answer"],
    "additionalProperties": False,
}
TOOLS: list[Any] = [
    {
        "type": "function",
        "function": {
            "name": name,
            "description": "Says how it is.",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        },
    }
    for name in ("weather", "traffic")
]
CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}}
# What each request says of its own, and nothing depends on chance.
REQUESTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "seed": {"temperature": 1.0, "seed": 7},
    "stop": {"stop": ["e", "a"]},
    "penalties": {"frequency_penalty": 1.5, "presence_penalty": 0.5},
    "logit_bias": {"logit_bias": {"101": -100, "65": 5}},
    "logprobs": {"logprobs": True, "top_logprobs": 3},
    "json_schema": {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA}}},
    "strict": {
        "response_format": {"type": "json_schema", "json_schema": {"name": "a", "strict": True, "schema": SCHEMA}}
    },
    "json_object": {"response_format": {"type": "json_object"}, "max_tokens": 8},
    "tools": {"tools": TOOLS},
    "tool_choice": {"tools": TOOLS, "tool_choice": "required"},
    "no tool": {"tools": TOOLS, "tool_choice": "none"},
    "several calls": {"tools": TOOLS, "tool_choice": "auto", "parallel_tool_calls": True},
    "calls that were made": {
        "tools": TOOLS,
        "messages": [
            *HELLO,
            {"role": "assistant", "content": None, "tool_calls": [CALL], "refusal": None},
            {"role": "tool", "tool_call_id": "c1", "content": "sunny"},
        ],
    },
    "developer": {"messages": [{"role": "developer", "content": "Be brief."}, *HELLO]},
    "parts": {
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hello "}, {"type": "text", "text": "you"}]}]
    },
    "new name": {"max_completion_tokens": 7},
    "reasoning": {"reasoning_effort": "low"},
    "extra": {"extra_body": {"top_k": 5, "min_p": 0.1, "repeat_penalty": 1.1, "reasoning_format": "none"}},
}
CHANGING = {"id", "created", "timings"}


@asynccontextmanager
async def sdk(port: Port) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=port.url, api_key=port.key, max_retries=0, timeout=60) as client:
        yield client


@pytest.fixture
def with_real(home: Paths, engine_bin: Path) -> Any:
    """Run a coroutine with a port over the real engine and these models."""

    def go(work: Any, *models: Path) -> Any:
        async def whole() -> Any:
            async with open_port(home, engine_bin, *models) as port, sdk(port) as client:
                return await work(port, client)

        return run(whole())

    return go


def steady(value: Any) -> Any:
    """An answer without what differs from one request to the next."""
    if isinstance(value, dict):
        return {name: steady(item) for name, item in value.items() if name not in CHANGING and item is not None}
    return [steady(item) for item in value] if isinstance(value, list) else value


async def own_answer(server: LlamaServer, target: str, payload: dict[str, Any]) -> Any:
    """llama-server's own answer to the same request, nothing of ours in between but the socket."""
    body = json.dumps(
        {name: value for name, value in payload.items() if name != "extra_body"} | payload.get("extra_body", {})
    )
    response = await server.upstream.request("POST", target, body.encode())
    data = await response.read()
    assert response.status == 200, data
    if not payload.get("stream"):
        return json.loads(data)
    frames = [frame[6:] for frame in data.split(b"\n\n") if frame]
    assert frames[-1] == b"[DONE]"
    return [json.loads(frame) for frame in frames[:-1]]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_answers_equal_llama_servers_own(with_real: Any, tiny_chat_gguf: Path, stream: bool) -> None:
    async def work(port: Port, client: openai.AsyncOpenAI) -> None:
        async with port.core.scheduler.hold(port.model) as server:
            for name, fields in REQUESTS.items():
                wish: dict[str, Any] = {
                    "model": port.model,
                    "messages": HELLO,
                    "max_tokens": 24,
                    "temperature": 0,
                    **fields,
                }
                # the same prompt three times: what is cached differs from the first to the second only
                own_fields = {**wish, "extra_body": {**wish.get("extra_body", {}), "cache_prompt": False}}
                if stream and "logprobs" in fields:
                    own_fields["stream_options"] = {"include_usage": True}
                ours = await _ask(client, own_fields, stream)
                own = await own_answer(server, "/v1/chat/completions", {**own_fields, "stream": stream})
                assert steady(ours) == steady(own), name

    with_real(work, tiny_chat_gguf)


async def _ask(client: openai.AsyncOpenAI, fields: dict[str, Any], stream: bool) -> Any:
    if not stream:
        return (await client.chat.completions.create(**fields)).model_dump(exclude_unset=True)
    return [
        event.model_dump(exclude_unset=True)
        async for event in await client.chat.completions.create(**fields, stream=True)
    ]


def test_schema_and_tools_shape_the_answer(with_real: Any, tiny_chat_gguf: Path) -> None:
    async def work(port: Port, client: openai.AsyncOpenAI) -> None:
        fields: dict[str, Any] = {"model": port.model, "messages": HELLO, "max_tokens": 64, "temperature": 0}
        shaped = await client.chat.completions.create(**fields, **REQUESTS["json_schema"])
        assert set(json.loads(shaped.choices[0].message.content or "")) == {"answer"}
        unknown: Any = {"type": "function", "function": {"name": "missing"}}
        with pytest.raises(openai.BadRequestError) as refused:
            await client.chat.completions.create(**fields, tools=TOOLS, tool_choice=unknown)
        assert refused.value.param == "tool_choice"

    with_real(work, tiny_chat_gguf)


def test_text_completions_and_filling_in(with_real: Any, tiny_chat_gguf: Path, tiny_fim_gguf: Path) -> None:
    async def work(port: Port, client: openai.AsyncOpenAI) -> None:
        plain, fim = port.models
        fields: dict[str, Any] = {"prompt": "def f(x):", "max_tokens": 12, "temperature": 0}
        async with port.core.scheduler.hold(plain) as server:
            own = await own_answer(server, "/v1/completions", {**fields, "cache_prompt": False})
            ours = await client.completions.create(model=plain, **fields, extra_body={"cache_prompt": False})
            assert ours.choices[0].text == own["choices"][0]["text"]
        wish = {"model": fim, **fields, "suffix": "return y"}
        whole = await client.completions.create(**wish)
        stream = await client.completions.create(**wish, stream=True, stream_options={"include_usage": True})
        events = [event async for event in stream]
        assert "".join(event.choices[0].text for event in events if event.choices) == whole.choices[0].text
        assert events[-1].usage == whole.usage
        assert (whole.object, whole.choices[0].finish_reason) == ("text_completion", "length")
        assert whole.usage is not None
        assert whole.usage.completion_tokens == 12
        async with port.core.scheduler.hold(fim) as server:
            payload = {"input_prefix": "def f(x):", "input_suffix": "return y", "n_predict": 12, "temperature": 0}
            _, own = await server.upstream.json("POST", "/infill", payload)
            assert whole.choices[0].text == own["content"]
        with pytest.raises(openai.BadRequestError, match="not trained to fill in"):
            await client.completions.create(model=plain, **fields, suffix="return y")

    with_real(work, tiny_chat_gguf, tiny_fim_gguf)


def test_embeddings_as_floats_and_base64(with_real: Any, tiny_embedding_gguf: Path) -> None:
    async def work(port: Port, client: openai.AsyncOpenAI) -> None:
        texts = ["one", "two", "one"]
        packed = await client.embeddings.create(model=port.model, input=texts)  # the SDK asks for base64 by itself
        plain = await client.embeddings.create(model=port.model, input=texts, encoding_format="float")
        for mine, other in zip(packed.data, plain.data, strict=True):
            assert mine.embedding == pytest.approx(other.embedding, abs=1e-6)
        assert packed.data[0].embedding == pytest.approx(packed.data[2].embedding, abs=1e-5)
        assert packed.data[0].embedding != pytest.approx(packed.data[1].embedding, abs=1e-3)
        tokens = await client.embeddings.create(model=port.model, input=[[101, 102], [103]])
        assert len(tokens.data) == 2
        own = len(packed.data[0].embedding)
        assert len((await client.embeddings.create(model=port.model, input="x", dimensions=own)).data) == 1
        with pytest.raises(openai.BadRequestError, match=f"have {own}"):
            await client.embeddings.create(model=port.model, input="x", dimensions=own // 2)

    with_real(work, tiny_embedding_gguf)


def test_texts_too_long_for_an_embedding_are_refused_with_the_numbers(
    with_real: Any, tiny_embedding_gguf: Path
) -> None:
    async def work(port: Port, client: openai.AsyncOpenAI) -> None:
        async with port.core.scheduler.hold(port.model) as server:
            most = server.allocated_context
        with pytest.raises(openai.BadRequestError) as refused:
            await client.embeddings.create(model=port.model, input=["short", "x" * (most + 500)])
        error: Any = refused.value.body
        assert error["code"] == "text_too_long"
        assert error["max_tokens"] == most
        assert error["tokens"] > most
        assert str(error["tokens"]) in error["message"]

    with_real(work, tiny_embedding_gguf)


def test_reranking(with_real: Any, tiny_rerank_gguf: Path) -> None:
    async def work(port: Port, _client: openai.AsyncOpenAI) -> None:
        wish = {"model": port.model, "query": "a", "documents": ["bbb", {"text": "a"}, "c"], "return_documents": True}
        answer = await port.post("/v1/rerank", wish)
        results = answer.json["results"]
        assert sorted(result["index"] for result in results) == [0, 1, 2]
        assert [result["document"]["text"] for result in sorted(results, key=lambda r: r["index"])] == ["bbb", "a", "c"]
        scores = [result["relevance_score"] for result in results]
        assert scores == sorted(scores, reverse=True)
        top = await port.post("/v1/rerank", {**wish, "top_n": 1})
        assert [result["index"] for result in top.json["results"]] == [results[0]["index"]]

    with_real(work, tiny_rerank_gguf)


def test_the_list_tells_the_allocated_context_before_and_after_loading(with_real: Any, tiny_chat_gguf: Path) -> None:
    async def work(port: Port, client: openai.AsyncOpenAI) -> None:
        before = (await client.models.list()).data[0].model_dump()
        assert (before["loaded"], before["state"]) == (False, "unloaded")
        async with port.core.scheduler.hold(port.model) as server:
            after = (await client.models.retrieve(port.model)).model_dump()
            assert after["context_length"] == server.allocated_context == before["context_length"]
            assert (after["loaded"], after["state"]) == (True, "ready")
        assert after["max_context_length"] >= after["context_length"]
        assert "tools" in after["capabilities"]
        with pytest.raises(openai.NotFoundError):
            await client.models.retrieve("missing")

    with_real(work, tiny_chat_gguf)


@pytest.mark.parametrize("stream", [False, True])
def test_what_does_not_fit_is_refused_with_the_numbers(with_real: Any, tiny_chat_gguf: Path, stream: bool) -> None:
    async def work(port: Port, client: openai.AsyncOpenAI) -> None:
        async with port.core.scheduler.hold(port.model) as server:
            allocated = server.allocated_context
        for content, most in (("x" * (2 * allocated), None), ("x", allocated), ("x" * (allocated - 200), 400)):
            wish: dict[str, Any] = {"model": port.model, "messages": [{"role": "user", "content": content}]}
            with pytest.raises(openai.BadRequestError) as refused:
                await client.chat.completions.create(**wish, max_tokens=most, stream=stream)
            error: Any = refused.value.body
            assert error["code"] == "context_length_exceeded"
            assert error["allocated_context"] == allocated
            assert error["reply_tokens"] == (most or 1)
            assert error["prompt_tokens"] + error["reply_tokens"] > allocated
            assert str(error["prompt_tokens"]) in error["message"]
        room = allocated - 200
        wish = {"model": port.model, "messages": [{"role": "user", "content": "x" * room}], "temperature": 0}
        fits = await client.chat.completions.create(**wish)
        assert fits.choices[0].finish_reason == "length"
        assert fits.usage is not None
        assert fits.usage.prompt_tokens > room

    with_real(work, tiny_chat_gguf)


@pytest.mark.accept(38)
def test_a_client_that_leaves_frees_its_slot_and_disturbs_no_neighbour(
    with_real: Any, tiny_models: Any, endless_chat_gguf: Path
) -> None:
    async def busy(port: Port) -> int:
        return sum(slot["is_processing"] for slot in await port.child("/slots"))

    async def work(port: Port, client: openai.AsyncOpenAI) -> None:
        wish: dict[str, Any] = {"model": port.model, "messages": HELLO, "temperature": 0}
        alone = await client.chat.completions.create(**wish, max_tokens=300)
        neighbour = asyncio.create_task(client.chat.completions.create(**wish, max_tokens=300))
        streams = [await client.chat.completions.create(**wish, stream=True) for _ in range(2)]
        for stream in streams:
            await anext(aiter(stream))
            await stream.close()
        # in its prompt, and queued behind full slots
        long: dict[str, Any] = {**wish, "messages": [{"role": "user", "content": "x" * 3500}]}
        leaving = [asyncio.create_task(client.chat.completions.create(**long)) for _ in range(8)]
        await asyncio.sleep(0.05)
        for task in leaving:
            task.cancel()
        await asyncio.gather(*leaving, return_exceptions=True)
        undisturbed = await neighbour
        assert undisturbed.choices[0].message.content == alone.choices[0].message.content
        async with asyncio.timeout(2.0):
            while await busy(port):
                await asyncio.sleep(0.02)

    with_real(work, endless_chat_gguf)
