"""The user's files on the port, asked with the official openai SDK: search, and model@collection with citations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from desktop.client import Client
from desktop.paths import Paths
from desktop.wire_files import AddRoots, SearchRequest
from rag.answer.prompt import NOT_IN_FILES
from tests.service.files_rig import indexed
from tests.service.running import RunningService, running

NOTE = "# Bergholm\n\nThe mayor of Bergholm is Sunniva Dahl.\n"


@dataclass(frozen=True)
class Port:
    """A service whose port is asked with a key."""

    service: RunningService
    key: str
    model: str

    @property
    def openai(self) -> openai.OpenAI:
        return openai.OpenAI(base_url=f"http://127.0.0.1:{self.service.port}/v1", api_key=self.key, max_retries=0)

    def post(self, path: str, body: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.key}"}
        with httpx.Client(trust_env=False, timeout=60) as client:
            return client.post(f"http://127.0.0.1:{self.service.port}{path}", json=body, headers=headers)


@pytest.fixture(scope="module")
def port(
    module_home: Paths, engine_environ: dict[str, str], tiny_chat_gguf: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Port]:
    folder = tmp_path_factory.mktemp("towns")
    (folder / "bergholm.md").write_text(NOTE)
    (folder / "goats.md").write_text("# Goats\n\nGoats climb on roofs where grass grows.\n")
    with running(module_home, environ=engine_environ) as started:

        async def prepare(client: Client) -> tuple[str, str]:
            model = await client.load_model((await client.import_model(tiny_chat_gguf)).id)
            await indexed(client, AddRoots(collection="towns", paths=[str(folder)]))
            await client.search_files(SearchRequest(query="warm"))
            return (await client.new_key("sdk")).secret, model.id

        yield Port(started, *started.use(prepare))


def asked(port: Port, question: str = "Who is the mayor of Bergholm?", **more: Any) -> Any:
    """The answer, or all chunks of a streamed one."""
    messages: Any = more.pop("messages", [{"role": "user", "content": question}])
    model = more.pop("model", f"{port.model}@towns")
    with port.openai as client:
        answer = client.chat.completions.create(model=model, messages=messages, max_tokens=16, **more)
        return list(answer) if more.get("stream") else answer


def test_a_search_answers_as_on_the_control_socket(port: Port) -> None:
    body = {"collection": "towns", "query": "mayor of Bergholm", "k": 2}
    answer = port.post("/v1/files/search", body)
    assert answer.status_code == 200
    best = answer.json()["results"][0]
    assert best["path"] == "bergholm.md"
    assert NOTE[best["start_char"] : best["end_char"]] == best["text"]
    mine = port.service.use(lambda client: client.search_files(SearchRequest(**body)))
    assert [hit.model_dump() for hit in mine.results] == answer.json()["results"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"collection": "towns"}, 400, "invalid_value"),
        ({"collection": "towns", "query": "x", "k": 0}, 400, "invalid_value"),
        ({"collection": "towns", "query": "x", "unknown": 1}, 400, "invalid_value"),
        ({"collection": "towns", "query": 7}, 400, "invalid_value"),
        ({"collection": "nowhere", "query": "x"}, 404, "collection_not_found"),
        ({"collection": "towns", "query": "   "}, 400, "bad_query"),
    ],
)
def test_a_search_that_cannot_be_is_refused_in_words(port: Port, body: Any, status: int, code: str) -> None:
    answer = port.post("/v1/files/search", body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def test_each_chat_model_is_listed_with_each_collection(port: Port) -> None:
    with port.openai as client:
        listed = {model.id: model for model in client.models.list()}
        one: Any = client.models.retrieve(f"{port.model}@towns")
    assert set(listed) == {port.model, f"{port.model}@towns"}
    assert one.collection == "towns"
    assert one.context_length == listed[port.model].context_length  # type: ignore[attr-defined]


def test_a_whole_answer_carries_its_citations(port: Port) -> None:
    answer = asked(port)
    assert answer.model == f"{port.model}@towns"
    first = answer.citations[0]
    assert set(first) == {"number", "path", "file", "lines", "page", "text", "score", "collection", "cited"}
    assert (first["number"], first["path"], first["collection"]) == (1, "bergholm.md", "towns")
    assert "Sunniva Dahl" in first["text"]
    assert first["lines"][0] <= first["lines"][1]
    # All of the prompt is counted, with the passages in it.
    assert answer.usage.prompt_tokens > len(first["text"])
    assert answer.usage.completion_tokens == 16


def test_a_streamed_answer_carries_them_in_its_last_chunk(port: Port) -> None:
    whole = asked(port, temperature=0)
    chunks = asked(port, temperature=0, stream=True, stream_options={"include_usage": True})
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    (ended,) = [chunk for chunk in chunks if chunk.choices and chunk.choices[0].finish_reason]
    assert ended.citations == whole.citations
    assert chunks[-1].usage.total_tokens == whole.usage.total_tokens
    assert chunks[-1].citations == whole.citations
    without_usage = asked(port, temperature=0, stream=True)
    assert without_usage[-1].citations == whole.citations


def test_what_is_in_no_file_is_said_without_asking_the_model(port: Port) -> None:
    question = "zyxgorf quantum blockchain tariffs of Bolivia?"
    answer = asked(port, question)
    assert answer.choices[0].message.content == NOT_IN_FILES
    assert answer.citations == []
    assert answer.usage.total_tokens == 0
    chunks = asked(port, question, stream=True, stream_options={"include_usage": True})
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == NOT_IN_FILES
    assert chunks[-1].citations == []


def test_a_collection_there_is_not_is_no_model(port: Port) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        asked(port, model=f"{port.model}@nowhere")
    assert caught.value.code == "model_not_found"
    assert "nowhere" in str(caught.value)
    with pytest.raises(openai.NotFoundError) as caught:
        asked(port, model="nobody@towns")
    assert caught.value.code == "model_not_found"


def test_a_conversation_that_does_not_fit_is_refused_with_the_numbers(port: Port) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        asked(port, "Who is the mayor of Bergholm? " + "And why? " * 3000)
    assert caught.value.code == "context_length_exceeded"


def test_passages_take_only_what_the_messages_leave(port: Port) -> None:
    earlier = [
        {"role": "user", "content": "x" * 2500},
        {"role": "assistant", "content": "As [1] says."},
        {"role": "user", "content": "Who is the mayor of Bergholm?"},
    ]
    answer = asked(port, messages=earlier)
    assert answer.usage.prompt_tokens + 16 <= 4096


def test_the_setting_takes_files_off_the_port(port: Port) -> None:
    async def switch(client: Client, on: bool) -> None:
        await client.patch_settings({"files_on_port": on})

    port.service.use(lambda client: switch(client, False))
    try:
        refused = port.post("/v1/files/search", {"query": "mayor"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "files_not_shared")
        with port.openai as client:
            assert [model.id for model in client.models.list()] == [port.model]
        with pytest.raises(openai.NotFoundError):
            asked(port)
    finally:
        port.service.use(lambda client: switch(client, True))
    assert asked(port).citations
