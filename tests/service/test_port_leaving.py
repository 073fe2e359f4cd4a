"""Clients that leave at every moment, beside others that stay, with the real engine: nothing is left behind."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import random
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from desktop.paths import Paths
from tests.service.port_rig import SETTINGS, Answer, Port, open_port, read_answer, run, until

MEBIBYTE = 1024 * 1024
CYCLES = 500
AT_ONCE = 20
MOMENTS = ("streaming", "prompt", "queued", "whole")


async def begin(port: Port, content: str, **fields: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Send a request for an answer that would take long, and return at once."""
    messages = [{"role": "user", "content": content}]
    wish = {"model": port.model, "messages": messages, "temperature": 0, "ignore_eos": True, **fields}
    body = json.dumps(wish).encode()
    headers = {"Content-Type": "application/json", "Content-Length": str(len(body))}
    reader, writer = await asyncio.open_connection("127.0.0.1", port.number, limit=MEBIBYTE)
    writer.write(port.head("POST", "/v1/chat/completions", headers) + body)
    return reader, writer


async def leave(port: Port, chance: random.Random, moment: str) -> None:
    """Ask, and go away: in the middle of a stream, while a long prompt is read, or before anybody looked at it."""
    content = "x" * 3000 if moment == "prompt" else "hello"
    reader, writer = await begin(port, content, stream=moment in ("streaming", "queued"))
    if moment == "streaming":
        with contextlib.suppress(asyncio.IncompleteReadError):
            await reader.readuntil(b"data: ")
    elif moment != "queued":
        await asyncio.sleep(chance.random() * 0.1)
    writer.transport.abort()


async def whole_stream(port: Port, tokens: int) -> Answer:
    reader, writer = await begin(port, "a neighbour", stream=True, max_tokens=tokens, cache_prompt=False)
    try:
        return await read_answer(reader)
    finally:
        writer.close()


async def slots_idle(port: Port) -> bool:
    return not any(slot["is_processing"] for slot in await port.child("/slots"))


def holdings() -> tuple[int, int]:
    """Open descriptors and running tasks."""
    return len(os.listdir("/proc/self/fd")), len(asyncio.all_tasks())


async def back_to(before: tuple[int, int]) -> bool:
    return all(now <= then for now, then in zip(holdings(), before, strict=True))


@pytest.mark.slow
@pytest.mark.accept(38)
def test_five_hundred_leavers_cost_no_slot_no_file_no_task_and_no_memory_and_a_neighbour_nothing(
    home: Paths, engine_bin: Path, tiny_chat_gguf: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def work(port: Port) -> None:
        chance = random.Random(38)
        for _ in range(AT_ONCE):
            await asyncio.gather(*(leave(port, chance, moment) for moment in MOMENTS))
        await until(lambda: slots_idle(port), within_s=2.0)
        gc.collect()
        before, memory = holdings(), psutil.Process().memory_info().rss
        neighbours: list[Answer] = []
        leaving = asyncio.create_task(crowd(port, chance))
        while not leaving.done():
            neighbours.append(await whole_stream(port, 400))
        await leaving
        await until(lambda: slots_idle(port), within_s=2.0)
        await until(lambda: back_to(before), within_s=2.0)
        gc.collect()
        assert psutil.Process().memory_info().rss - memory < 20 * MEBIBYTE
        state = port.core.scheduler.state(port.model)
        assert (state.busy_slots, state.queued) == (0, 0)
        assert len(neighbours) > 1
        assert all(answer.whole and answer.events[-1] == "[DONE]" for answer in neighbours)
        # the same words are not promised: sums are rounded otherwise in a batch with others
        assert {answer.events[-2]["timings"]["predicted_n"] for answer in neighbours} == {400}

    async def crowd(port: Port, chance: random.Random) -> None:
        for start in range(0, CYCLES, AT_ONCE):
            moments = [MOMENTS[number % len(MOMENTS)] for number in range(start, start + AT_ONCE)]
            await asyncio.gather(*(leave(port, chance, moment) for moment in moments))

    async def whole() -> None:
        async with open_port(home, engine_bin, tiny_chat_gguf) as port:
            await work(port)

    run(whole())
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


Disturb = Callable[[Port], Awaitable[None]]


async def kill_the_child(port: Port) -> None:
    state = port.core.scheduler.state(port.model)
    if state.pid is not None:
        psutil.Process(state.pid).kill()


async def unload(port: Port) -> None:
    await port.core.scheduler.unload(port.model)


async def nothing(_port: Port) -> None:
    """The model unloads by itself as soon as nobody asks."""


@pytest.mark.parametrize("disturb", [kill_the_child, unload, nothing], ids=lambda disturb: disturb.__name__)
def test_thirty_two_clients_all_end_well_or_with_a_reason_whatever_becomes_of_the_engine(
    home: Paths, engine_bin: Path, tiny_chat_gguf: Path, caplog: pytest.LogCaptureFixture, disturb: Disturb
) -> None:
    async def client(port: Port, chance: random.Random) -> str:
        await asyncio.sleep(chance.random())
        if chance.random() < 0.3:
            await leave(port, chance, chance.choice(MOMENTS))
            return "left"
        stream = chance.random() < 0.6
        reader, writer = await begin(port, "hello" * chance.randrange(1, 200), stream=stream, max_tokens=200)
        try:
            answer = await read_answer(reader)
        finally:
            writer.close()
        if answer.status != 200:
            return str(answer.error["code"])
        if not stream:
            assert answer.json["usage"]["completion_tokens"] == 200
        elif answer.events[-1] != "[DONE]":
            assert not answer.whole
            return str(answer.events[-1]["error"]["code"])
        return "done"

    async def whole() -> None:
        chance = random.Random(3)
        settings = replace(SETTINGS, idle_s=0.05)
        async with open_port(home, engine_bin, tiny_chat_gguf, settings=settings) as port:
            await whole_stream(port, 1)
            before = holdings()
            ended: list[str] = []
            for _ in range(2):
                clients = [asyncio.create_task(client(port, chance)) for _ in range(32)]
                await until(lambda: at_work(port))  # while it is still loading other words would be right
                await disturb(port)
                async with asyncio.timeout(60):
                    ended += await asyncio.gather(*clients)
                await until(lambda: gone_idle(port))
            allowed = {"done", "left"} | ({"engine_stopped"} if disturb is kill_the_child else set())
            assert set(ended) <= allowed
            assert ended.count("done") > 10
            assert (await whole_stream(port, 5)).events[-1] == "[DONE]"
            await until(lambda: gone_idle(port))
            await until(lambda: back_to(before), within_s=5.0)
            assert port.core.scheduler.state(port.model).queued == 0

    async def at_work(port: Port) -> bool:
        state = port.core.scheduler.state(port.model)
        return state.state == "ready" and state.busy_slots > 0

    async def gone_idle(port: Port) -> bool:
        return port.core.scheduler.state(port.model).state in ("unloaded", "failed")

    run(whole())
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


def test_two_models_with_room_for_one_take_turns(
    home: Paths, engine_bin: Path, tiny_chat_gguf: Path, tiny_fim_gguf: Path
) -> None:
    async def ask(port: Port, model: str) -> Answer:
        body = {"model": model, "prompt": "hello", "max_tokens": 5}
        return await port.post("/v1/completions", body)

    async def whole() -> None:
        async with open_port(home, engine_bin, tiny_chat_gguf, tiny_fim_gguf) as port:
            scheduler = port.core.scheduler
            plan, _ = await scheduler.plan(port.model)
            port.memory.bytes = plan.needed_bytes + plan.needed_bytes // 2
            for _ in range(3):
                for model in port.models:
                    answer = await ask(port, model)
                    assert answer.status == 200, answer.body
                    states = {loaded.model_id: loaded.state for loaded in scheduler.snapshot()}
                    assert [name for name, state in states.items() if state == "ready"] == [model]
            together = await asyncio.gather(*(ask(port, model) for model in port.models * 4))
            for answer in together:  # who finds the other one at work is told so, with the numbers
                assert answer.status == 200 or answer.error["code"] == "out_of_memory", answer.body
            assert any(answer.status == 200 for answer in together)
            await asyncio.gather(*(scheduler.unload(model) for model in port.models))
            assert scheduler.snapshot() and all(loaded.state == "unloaded" for loaded in scheduler.snapshot())

    run(whole())
