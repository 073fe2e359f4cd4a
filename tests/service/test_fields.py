"""Which fields of a request reach llama-server, and which are refused. Pure; the fuzzing goes through the wire."""

from __future__ import annotations

import asyncio
import json
import random
from pathlib import Path
from typing import Any

import pytest

from desktop.paths import Paths
from desktop.service.api_errors import ApiError
from desktop.service.fields import (
    CHAT,
    COMPLETION,
    EMBEDDING,
    RERANK,
    chat_payload,
    completion_payload,
    embedding_payload,
    rerank_payload,
)
from desktop.service.infill import infill_payload
from tests.service.port_rig import Port, misbehaving_engine, open_port, run

HELLO = [{"role": "user", "content": "hi"}]
PLAIN: dict[str, Any] = {"messages": HELLO, "prompt": "hi", "input": "hi", "query": "q", "documents": ["a", "b"]}
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}

# Fields of llama-server that steer other people's slots, files or debug output.
DANGEROUS = {
    "id_slot": 0,
    "n_discard": -5,
    "n_keep": -1,
    "verbose": True,
    "return_tokens": True,
    "response_fields": ["x"],
    "samplers": "x",
    "chat_format": 3,
    "chat_parser": "x",
    "grammar_triggers": [],
    "preserved_tokens": [],
    "generation_prompt": "x",
    "n_cache_reuse": -1,
    "t_max_predict_ms": -9,
    "post_sampling_probs": True,
    "sse_ping_interval": 1,
    "n_probs": 50,
    "reasoning_control": True,
    "tool_choice": "auto",
    "unheard_of": {"a": 1},
}


def refused(make: Any, body: dict[str, Any]) -> ApiError:
    with pytest.raises(ApiError) as caught:
        make(body)
    assert caught.value.status == 400
    return caught.value


def test_adapters_are_named_by_id() -> None:
    body = {"messages": HELLO, "prompt": "hi", "lora": [{"id": "poems", "scale": 0.5, "path": "/etc"}, {"id": "law"}]}
    for make in (chat_payload, completion_payload):
        assert make(body)["lora"] == [{"id": "poems", "scale": 0.5}, {"id": "law", "scale": 1.0}]


@pytest.mark.parametrize(
    "lora",
    [{}, "poems", [{"id": 0, "scale": 1}], [{"id": ""}], [{"scale": 1}], [{"id": "a", "scale": 99}], [None] * 9],
)
def test_adapters_by_number_or_beyond_reason_are_refused(lora: Any) -> None:
    assert (refused(chat_payload, {"messages": HELLO, "lora": lora}).param or "").startswith("lora")


def chat(**fields: Any) -> dict[str, Any]:
    return {"messages": HELLO, **fields}


@pytest.mark.accept(8)
@pytest.mark.parametrize("name", sorted(set(DANGEROUS) - {"tool_choice"}))
def test_unknown_fields_are_dropped(name: str) -> None:
    assert chat_payload(chat(**{name: DANGEROUS[name]})) == {"messages": HELLO}
    assert completion_payload({"prompt": "x", name: DANGEROUS[name]}) == {"prompt": "x"}


@pytest.mark.accept(8)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", -0.1),
        ("temperature", 1e9),
        ("temperature", float("inf")),
        ("temperature", "hot"),
        ("temperature", True),
        ("temperature", 10**400),
        ("top_p", -(10**400)),
        ("logit_bias", {"1": 10**400}),
        ("logit_bias", {"1" * 400: 1}),
        ("top_p", 1.01),
        ("top_p", [1]),
        ("top_k", -2),
        ("top_k", 1.5),
        ("top_k", 10**30),
        ("min_p", -1),
        ("repeat_last_n", -1),
        ("frequency_penalty", 2.1),
        ("presence_penalty", -3),
        ("mirostat", 3),
        ("max_tokens", 0),
        ("max_tokens", -2),
        ("max_tokens", 2**31),
        ("max_completion_tokens", "5"),
        ("n", 0),
        ("n", 10**6),
        ("seed", 2**70),
        ("stop", ["x"] * 17),
        ("stop", [1]),
        ("stop", {"a": 1}),
        ("logit_bias", {"x": 1}),
        ("logit_bias", {"1": 101}),
        ("logit_bias", {"-1": 1}),
        ("logit_bias", {"1": "a"}),
        ("logit_bias", 5),
        ("stream", "yes"),
        ("stream_options", 3),
        ("response_format", {"type": "xml"}),
        ("response_format", {"type": "json_schema"}),
        ("response_format", "json"),
        ("top_logprobs", 5),
        ("logprobs", 3),
        ("tools", [{}]),
        ("tools", {"a": 1}),
        ("tools", [{"type": "code_interpreter"}]),
        ("tool_choice", "sometimes"),
        ("tool_choice", "required"),
        ("tool_choice", {"type": "function", "function": {"name": "look"}}),
        ("functions", [{"name": "look"}]),
        ("function_call", {"name": "look"}),
        ("audio", {"voice": "alloy", "format": "wav"}),
        ("modalities", ["text", "audio"]),
        ("web_search_options", {"search_context_size": "low"}),
        ("reasoning_effort", "extreme"),
        ("reasoning_format", "xml"),
        ("chat_template_kwargs", [1]),
        ("grammar", 7),
        ("messages", []),
        ("messages", "hi"),
        ("messages", ["hi"]),
        ("messages", [{"role": "root", "content": "x"}]),
        ("messages", [{"role": "user"}]),
        ("messages", [{"role": "user", "content": 5}]),
        ("messages", [{"role": "user", "content": "\ud800"}]),
        ("messages", [{"role": "user", "content": [{"type": "video_url", "video_url": {"url": "data:"}}]}]),
        ("messages", [{"role": "assistant", "tool_calls": [{}]}]),
    ],
)
def test_wrong_types_and_ranges_are_refused_by_name(name: str, value: Any) -> None:
    error = refused(chat_payload, chat(**{name: value}))
    assert error.param is not None
    assert error.param.split("[")[0].split(".")[0] == name


@pytest.mark.accept(7)
@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest",
        "https://evil.example/x.png",
        "file:///etc/passwd",
        "FILE:///etc/passwd",
        "//server/share/x.png",
        "\\\\server\\share\\x.png",
        "data:text/html;base64,AAAA",
        "data:image/svg+xml;base64,AAAA",
        " data:image/png;base64,AAAA",
        "",
        None,
        5,
    ],
)
def test_images_come_inside_the_request_or_not_at_all(url: Any) -> None:
    for image in ({"url": url}, url):
        part = {"type": "image_url", "image_url": image}
        error = refused(chat_payload, chat(messages=[{"role": "user", "content": [part]}]))
        assert error.code == "invalid_image_url"


def test_an_image_inside_the_request_is_passed_on() -> None:
    url = "data:image/png;base64,AAAA"
    parts = [{"type": "text", "text": "what is it"}, {"type": "image_url", "image_url": {"url": url, "detail": "low"}}]
    payload = chat_payload(chat(messages=[{"role": "user", "content": parts}]))
    assert payload["messages"][0]["content"][1] == {"type": "image_url", "image_url": {"url": url}}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"max_completion_tokens": 5, "max_tokens": 9}, {"max_tokens": 5}),
        ({"max_tokens": 9}, {"max_tokens": 9}),
        ({"n_predict": 3}, {"max_tokens": 3}),
        ({"max_tokens": -1}, {}),
        ({"max_tokens": 3.0}, {"max_tokens": 3}),
        ({"top_k": -1}, {"top_k": 0}),
        ({"seed": -1}, {"seed": -1}),
        ({"seed": 2**40 + 5}, {"seed": 5}),
        ({"stop": "x"}, {"stop": ["x"]}),
        ({"logit_bias": {"5": -100}}, {"logit_bias": [[5, -100]]}),
        ({"temperature": None, "tools": [], "stop": None}, {}),
        ({"functions": [], "function_call": None, "modalities": ["text"]}, {}),
        ({"logprobs": True}, {"logprobs": True, "top_logprobs": 1}),
        ({"logprobs": False}, {}),
        ({"response_format": {"type": "text", "x": 1}}, {"response_format": {"type": "text"}}),
        ({"tools": [TOOL], "tool_choice": "none"}, {"tools": [TOOL], "tool_choice": "none"}),
        (
            {"stream": True, "stream_options": {"include_usage": True, "x": 1}},
            {"stream": True, "stream_options": {"include_usage": True}},
        ),
    ],
)
def test_fields_arrive_in_llama_servers_terms(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    assert chat_payload(chat(**fields)) == {"messages": HELLO, **expected}


def test_a_named_function_becomes_the_only_tool() -> None:
    other = {"type": "function", "function": {"name": "other", "parameters": {"type": "object", "properties": {}}}}
    choice = {"type": "function", "function": {"name": "look"}}
    payload = chat_payload(chat(tools=[other, TOOL], tool_choice=choice))
    assert payload["tools"] == [TOOL]
    assert payload["tool_choice"] == "required"


def test_conversations_with_tools_keep_what_belongs_to_them() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    messages = [
        {"role": "developer", "content": "Be brief.", "cache_control": {"type": "ephemeral"}},
        {"role": "assistant", "content": None, "tool_calls": [{**call, "index": 0}], "reasoning_content": "hm"},
        {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "sunny"}]},
    ]
    assert chat_payload(chat(messages=messages))["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "assistant", "content": None, "tool_calls": [call], "reasoning_content": "hm"},
        {"role": "tool", "content": "sunny", "tool_call_id": "c1"},
    ]


def test_deep_and_huge_schemas_are_refused() -> None:
    deep: Any = {}
    for _ in range(100):
        deep = {"a": deep}
    assert refused(chat_payload, chat(json_schema=deep)).param == "json_schema"
    assert refused(chat_payload, chat(json_schema={"a": "x" * 300_000})).param == "json_schema"


def test_several_texts_need_no_best_of() -> None:
    assert completion_payload({"prompt": "x", "n": 3}) == {"prompt": "x", "n": 3}
    assert completion_payload({"prompt": "x", "n": 3, "best_of": 3}) == {"prompt": "x", "n": 3}
    assert refused(completion_payload, {"prompt": "x", "best_of": 3}).param == "best_of"
    assert refused(completion_payload, {"prompt": "x", "n": 3, "best_of": 4}).param == "best_of"
    assert refused(completion_payload, {"prompt": "x", "echo": True}).param == "echo"


def test_filling_in_takes_one_prompt() -> None:
    payload = completion_payload({"prompt": "a", "suffix": "b", "max_tokens": 4, "n": 1})
    assert infill_payload(payload) == {"input_prefix": "a", "input_suffix": "b", "input_extra": [], "max_tokens": 4}
    refused(infill_payload, completion_payload({"prompt": ["a", "c"], "suffix": "b"}))
    assert "suffix" not in completion_payload({"prompt": "a", "suffix": ""})


@pytest.mark.parametrize("value", ["", [""], [], [[]], [1.5], [{"a": 1}], {"text": "x"}, 5, [-1], [True], ["a", 1]])
def test_embedding_inputs_are_texts_or_tokens(value: Any) -> None:
    assert refused(embedding_payload, {"input": value}).param == "input"


@pytest.mark.parametrize("documents", [[], "x", [1], [{"x": 1}], None])
def test_documents_are_texts(documents: Any) -> None:
    assert refused(rerank_payload, {"query": "q", "documents": documents}).param == "documents"


@pytest.mark.accept(8)
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/rerank"])
def test_two_thousand_strange_bodies_do_no_harm(
    home: Paths, request: pytest.FixtureRequest, tmp_path: Path, path: str
) -> None:
    """Against an engine that echoes what reached it: no 5xx, no restart, nothing but known fields."""
    known = {*CHAT, *COMPLETION, *EMBEDDING, *RERANK, "max_tokens", "stream_options", "tool_choice", "model"}
    kind = {"/v1/embeddings": "embedding", "/v1/rerank": "rerank"}.get(path, "chat")
    gguf: Path = request.getfixturevalue(f"tiny_{kind}_gguf")

    async def one(port: Port, body: bytes) -> None:
        answer = await port.post(path, body)
        assert answer.status < 500, (body, answer.body)
        if answer.status == 200 and answer.headers["content-type"].startswith("application/json"):
            assert set(answer.json["received"]) <= known, body

    async def work() -> None:
        chance = random.Random(5)
        async with open_port(home, misbehaving_engine(tmp_path), gguf) as port:
            await port.core.scheduler.load(port.model)
            pid = port.core.scheduler.state(port.model).pid
            assert (await port.post(path, {"model": port.model, **PLAIN})).status == 200
            for _ in range(100):
                await asyncio.gather(*(one(port, strange_body(chance, port.model)) for _ in range(20)))
            assert port.core.scheduler.state(port.model).pid == pid

    run(work())


def test_an_adapter_that_is_not_attached_is_refused_by_name(
    home: Paths, engine_bin: Path, tiny_chat_gguf: Path
) -> None:
    async def work() -> None:
        async with open_port(home, engine_bin, tiny_chat_gguf) as port:
            answer = await port.chat("hi", max_tokens=1, lora=[{"id": "poems"}])
            error = json.loads(answer.body)["error"]
            assert (answer.status, error["code"], error["param"]) == (400, "bad_option", "lora")
            assert "'poems'" in error["message"]
            assert (await port.chat("hi", max_tokens=1, lora=[])).status == 200

    run(work())


@pytest.mark.accept(8)
def test_strange_bodies_do_no_harm_to_the_real_engine(home: Paths, engine_bin: Path, tiny_chat_gguf: Path) -> None:
    """What passed the checks is still strange; llama-server's own refusals are the request's fault, never a 5xx."""

    async def one(port: Port, body: dict[str, Any]) -> None:
        path = "/v1/chat/completions" if "messages" in body else "/v1/completions"
        answer = await port.post(path, {**body, "max_tokens": 2})
        assert answer.status < 500, (body, answer.body)

    async def work() -> None:
        chance = random.Random(6)
        async with open_port(home, engine_bin, tiny_chat_gguf) as port:
            await port.chat("hi", max_tokens=1)
            pid = port.core.scheduler.state(port.model).pid
            for _ in range(60):
                bodies = [plausible_body(chance, port.model) for _ in range(5)]
                await asyncio.gather(*(one(port, body) for body in bodies))
            assert port.core.scheduler.state(port.model).pid == pid

    run(work())


def plausible_body(chance: random.Random, model: str) -> dict[str, Any]:
    """Right types, odd values: what the checks let through."""
    odd: dict[str, list[Any]] = {
        "temperature": [0, 10, 1e-30],
        "top_k": [-1, 1, 1_000_000],
        "top_p": [0, 1],
        "min_p": [0, 1],
        "typical_p": [0, 1],
        "top_n_sigma": [-1, 0, 100],
        "mirostat": [0, 1, 2],
        "mirostat_tau": [0, 100],
        "dry_multiplier": [0, 100],
        "dry_base": [1, 100],
        "xtc_probability": [0, 1],
        "dynatemp_range": [0, 10],
        "repeat_penalty": [0, 10],
        "seed": [-1, 2**62],
        "n": [1, 2, 64],
        "stop": ["", "\x00", ["a"] * 16],
        "logit_bias": [{"0": -100}, {"2147483647": 5}, [[5, False]]],
        "grammar": ["", "root ::= ", 'root ::= "a"', "root ::= root", "\x00"],
        "json_schema": [{}, {"type": 5}, {"$ref": "#/x"}, {"pattern": "("}, {"type": "string", "minLength": 10**9}],
        "response_format": [{"type": "json_object"}, {"type": "json_schema", "json_schema": {"schema": {"$ref": 1}}}],
        "ignore_eos": [True],
        "stream": [True],
        "logprobs": [True, 3],
        "tools": [[TOOL], [{"type": "function", "function": {"name": "x", "parameters": {"type": 7}}}]],
        "tool_choice": ["none", "required"],
        "chat_template_kwargs": [{"enable_thinking": "x"}, {"messages": 1}],
        "reasoning_effort": ["none", "high"],
        "continue_final_message": [True],
        "add_generation_prompt": [False],
    }
    body: dict[str, Any] = {name: chance.choice(odd[name]) for name in chance.sample(sorted(odd), k=3)}
    prompts: list[Any] = ["", "x", [5], [[5], [6]], ["a", "b"], [2**31 - 1], "\x00"]
    if chance.random() < 0.3:
        return {"model": model, "prompt": chance.choice(prompts), **body}
    conversations: list[Any] = [
        HELLO,
        [{"role": "assistant", "content": "x"}],
        [{"role": "assistant", "content": "x"}] * 2,
        [{"role": "tool", "content": "x"}],
        [{"role": "user", "content": []}],
        [{"role": "user", "content": "<|im_end|>"}],
        [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}]}],
    ]
    return {"model": model, "messages": chance.choice(conversations), **body}


def strange_body(chance: random.Random, model: str) -> bytes:
    """A request with some fields wrong, some unknown, and now and then no JSON at all."""
    body: dict[str, Any] = {"model": model, **PLAIN}
    names = {*CHAT, *COMPLETION, *EMBEDDING, *RERANK, *DANGEROUS, "max_tokens", "stream_options", "model"}
    for name in chance.sample(sorted(names), k=4):
        body[name] = strange_value(chance, 0) if name not in DANGEROUS or chance.random() < 0.5 else DANGEROUS[name]
    data = json.dumps(body).encode()
    if chance.random() < 0.05:
        data = chance.choice(
            [b"[" * 200_000, b'{"a":' * 50_000, b'{"seed":' + b"9" * 5000 + b"," + data[1:], b"", b"0"]
        )
    elif chance.random() < 0.2:
        at = chance.randrange(len(data))
        data = data[:at] + bytes([chance.randrange(256)]) + data[at + chance.randrange(3) :]
    return data


def strange_value(chance: random.Random, depth: int) -> Any:
    simple = [None, True, False, 0, -1, 1, 2**31, -(2**63), 10**400, -(10**4000), 1e308, 0.5, 5e-324, "", "x", "0"]
    simple += ["\ud800", "\x00", "\U0001f600" * 50, float("nan"), float("-inf")]
    kind = chance.random()
    if kind < 0.6 or depth > 3:
        return chance.choice(simple)
    if kind < 0.8:
        return [strange_value(chance, depth + 1) for _ in range(chance.randrange(4))]
    if kind < 0.83:
        value: Any = "x"
        for _ in range(chance.choice([63, 64, 65, 900])):
            value = [value] if kind < 0.81 else {"a": value}
        return value
    names = ("type", "role", "content", "function", "name", "schema", "5", "url")
    return {chance.choice(names): strange_value(chance, depth + 1) for _ in range(chance.randrange(4))}
