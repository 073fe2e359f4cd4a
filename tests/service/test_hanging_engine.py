"""A llama-server that hangs in the middle of an answer: stopped by SIGSTOP, as a stuck driver or a deadlock looks."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from desktop.client import AskDelta, AskEnd, Client
from desktop.paths import Paths
from desktop.service.app import Options, Service, build
from desktop.wire import AskRequest, ChatPatch, Message, NewChat, SamplingParameters
from engine.llama_server import Patience
from tests.service.running import answer

LONG = NewChat(parameters=SamplingParameters(max_tokens=25_000, temperature=0))
SHORT = ChatPatch(parameters=SamplingParameters(max_tokens=8))

# Either the health check finds out, or the silence of the answer itself; the other one would take an hour.
BY_HEALTH = {"patience": Patience(health_interval_s=0.1, health_timeout_s=1.0, grace_s=0.5), "stream_idle_s": 3600.0}
BY_SILENCE = {"patience": Patience(health_interval_s=3600.0, health_timeout_s=1.0, grace_s=0.5), "stream_idle_s": 2.0}


@dataclass(frozen=True)
class Rig:
    """A service in this very process, so that its limits can be short; `model_id` is loaded."""

    service: Service
    client: Client
    model_id: str

    def child(self) -> psutil.Process:
        pid = self.service.core.scheduler.state(self.model_id).pid
        assert pid is not None
        return psutil.Process(pid)


@contextlib.asynccontextmanager
async def started(home: Paths, environ: dict[str, str], gguf: Path, limits: dict[str, Any]) -> AsyncIterator[Rig]:
    service = await build(home, Options(port=0, environ=environ, **limits))
    try:
        await service.start()
        async with Client(home.control_socket) as client:
            model = await client.import_model(gguf)
            await client.load_model(model.id)
            yield Rig(service, client, model.id)
    finally:
        await service.close()


@pytest.fixture
def rig(
    home: Paths, engine_environ: dict[str, str], endless_chat_gguf: Path
) -> Callable[[dict[str, Any], Callable[[Rig], Coroutine[Any, Any, None]]], None]:
    def run(limits: dict[str, Any], use: Callable[[Rig], Coroutine[Any, Any, None]]) -> None:
        async def whole() -> None:
            async with started(home, engine_environ, endless_chat_gguf, limits) as made:
                await asyncio.wait_for(use(made), 60)

        asyncio.run(whole())

    return run


Run = Callable[[dict[str, Any], Callable[[Rig], Coroutine[Any, Any, None]]], None]


async def ask_and_stop_the_child(rig: Rig, chat_id: str) -> Message:
    """Ask; when the first words are here, the child stands still. Returns the answer as it ended."""
    text, end = "", None
    async for event in rig.client.ask(chat_id, AskRequest(content="write for ever")):
        if isinstance(event, AskDelta):
            if not text:
                rig.child().suspend()
            text += event.content
        if isinstance(event, AskEnd):
            end = event.message
    assert end is not None
    assert text
    assert end.content == text
    return end


@pytest.mark.parametrize("limits", [BY_HEALTH, BY_SILENCE], ids=["by its health check", "by its silence"])
def test_an_answer_whose_engine_hangs_says_so_and_the_next_one_works(rig: Run, limits: dict[str, Any]) -> None:
    async def use(rig: Rig) -> None:
        chat = await rig.client.new_chat(LONG)
        child = rig.child()

        hung = await ask_and_stop_the_child(rig, chat.id)

        assert hung.state == "failed"
        assert "it hung" in hung.error
        assert "Ask again" in hung.hint
        assert (await rig.client.chat(chat.id)).messages[-1] == hung
        assert not child.is_running()

        await rig.client.patch_chat(chat.id, SHORT)
        again = await answer(rig.client, chat.id, "and now?", hung.id)
        assert (again.state, again.error) == ("complete", "")
        assert rig.child() != child

    rig(limits, use)


def test_an_engine_that_hangs_before_the_first_word_is_found_out_as_well(rig: Run) -> None:
    async def use(rig: Rig) -> None:
        chat = await rig.client.new_chat(LONG)
        rig.child().suspend()
        hung = await answer(rig.client, chat.id, "hello")
        assert (hung.state, hung.content) == ("failed", "")
        assert "it hung" in hung.error
        await rig.client.patch_chat(chat.id, SHORT)
        assert (await answer(rig.client, chat.id, "hello again", hung.id)).state == "complete"

    rig(BY_SILENCE, use)


def test_a_stream_on_the_port_ends_in_an_error_too(rig: Run) -> None:
    async def use(rig: Rig) -> None:
        key = (await rig.client.new_key("reader")).secret
        url = f"http://127.0.0.1:{rig.service.listeners.port}/v1/chat/completions"
        headers = {"authorization": f"Bearer {key}"}
        request: dict[str, Any] = {"model": rig.model_id, "messages": [{"role": "user", "content": "write"}]}
        said = b""
        async with httpx.AsyncClient(trust_env=False, timeout=30) as http:
            with contextlib.suppress(httpx.RemoteProtocolError):  # it breaks off after the error, so nobody can miss it
                async with http.stream(
                    "POST", url, headers=headers, json={**request, "max_tokens": 25_000, "stream": True}
                ) as response:
                    async for data in response.aiter_bytes():
                        if not said:
                            rig.child().suspend()
                        said += data
            last = json.loads(said.strip().rpartition(b"data: ")[2])
            assert last["error"]["code"] == "engine_stopped"
            assert "it hung" in last["error"]["message"]
            whole = await http.post(url, headers=headers, json={**request, "max_tokens": 8})
            assert whole.status_code == 200
            assert whole.json()["choices"][0]["message"]["content"]

    rig(BY_HEALTH, use)
