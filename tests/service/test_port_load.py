"""What a crowd, dribblers and a crashing engine do to a real service, measured from outside, with its real defaults."""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from desktop.client import AskEnd, Client
from desktop.paths import Paths
from desktop.wire import AskRequest, NewChat
from tests.service.port_rig import Answer, misbehaving_engine, read_answer, run
from tests.service.running import RunningService, collect, running

MEBIBYTE = 1024 * 1024
WINDOW_S = 2.0


@pytest.fixture
def usual_files() -> Iterator[None]:
    """The limit of open files that most people have; a child inherits it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 4096:
        pytest.skip(f"a client of 1,000 connections and its service need 4,096 open files; the hard limit is {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class Target:
    """The port of a running service, a key for it and its one model."""

    def __init__(self, service: RunningService, key: str, model: str) -> None:
        self.service = service
        self.key = key
        self.model = model

    @property
    def rss_bytes(self) -> int:
        return int(psutil.Process(self.service.process.pid).memory_info().rss)

    def head(self, method: str, path: str, length: int | None = None) -> bytes:
        body = "" if length is None else f"Content-Type: application/json\r\nContent-Length: {length}\r\n"
        return (
            f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.service.port}\r\n"
            f"Authorization: Bearer {self.key}\r\n{body}\r\n"
        ).encode()

    def chat(self, wish: str, **fields: Any) -> bytes:
        messages = [{"role": "user", "content": wish}]
        body = json.dumps({"model": self.model, "messages": messages, **fields}).encode()
        return self.head("POST", "/v1/chat/completions", len(body)) + body

    def completion(self, wish: str) -> bytes:
        body = json.dumps({"model": self.model, "prompt": wish, "stream": True}).encode()
        return self.head("POST", "/v1/completions", len(body)) + body

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.service.port)

    async def ask(self, request: bytes) -> Answer:
        reader, writer = await self.connect()
        writer.write(request)
        try:
            async with asyncio.timeout(60):
                return await read_answer(reader)
        finally:
            writer.close()


@contextlib.contextmanager
def target(paths: Paths, engine: Path, model: Path) -> Iterator[Target]:
    """A service over the engine in this folder, with the model loaded."""
    with running(paths, environ={"JACKDAW_ENGINE": str(engine)}) as service:

        async def prepare(client: Client) -> tuple[str, str]:
            model_id = (await client.import_model(model)).id
            await client.load_model(model_id)
            return (await client.new_key("test")).secret, model_id

        yield Target(service, *service.use(prepare))


class Pace:
    """A stream that runs all the time: when each of its events came."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.broken = False

    def rate(self, begin: float, end: float) -> float:
        return sum(begin <= at < end for at in self.times) / (end - begin)

    def slowest(self, begin: float, end: float) -> float:
        """The lowest rate of any window between these times."""
        starts = [begin + WINDOW_S * step for step in range(int((end - begin) / WINDOW_S))]
        return min(self.rate(start, start + WINDOW_S) for start in starts)


@contextlib.asynccontextmanager
async def streaming(at: Target) -> AsyncIterator[Pace]:
    """A stream of 50 events a second, read while the block runs."""
    pace = Pace()
    reader, writer = await at.connect()
    writer.write(at.chat("slow", stream=True))
    await reader.readuntil(b"data: ")

    async def read() -> None:
        while data := await reader.read(65536):
            pace.times += [time.monotonic()] * data.count(b"data: ")
        pace.broken = True

    task = asyncio.create_task(read())
    try:
        yield pace
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        writer.close()


@dataclass(frozen=True)
class Dribbled:
    """How 200 connections ended that say little: after how long and with what; and the stream beside them."""

    closed: list[tuple[float, bytes]]
    slowest_rate: float
    stream_broken: bool


async def dribble(at: Target, connected: Callable[[], None]) -> Dribbled:
    async def one(start: bytes, more: bytes) -> tuple[float, bytes]:
        """Sends a byte now and then, as an attacker does that wants to look alive; returns when it was closed."""
        began = time.monotonic()
        reader, writer = await at.connect()
        everybody.release()
        writer.write(start)
        answer = asyncio.create_task(reader.read())
        while more and not answer.done():
            writer.write(more)
            await asyncio.wait([answer], timeout=1.0)
        said = await answer
        writer.close()
        return time.monotonic() - began, said

    head, body = at.head("GET", "/v1/models")[:-2], at.head("POST", "/v1/chat/completions", 1000)
    kinds = [(b"", b""), (head, b""), (head + b"X-Slow: ", b"x"), (body, b""), (body + b"{", b" ")]
    everybody = asyncio.Semaphore(0)
    async with streaming(at) as pace:
        began = time.monotonic()
        dribblers = [asyncio.create_task(one(*kinds[number % len(kinds)])) for number in range(200)]
        for _ in dribblers:
            await everybody.acquire()
        connected()
        closed = await asyncio.gather(*dribblers)
        return Dribbled(closed, pace.slowest(began, time.monotonic()), pace.broken)


@pytest.fixture(scope="module")
def dribblers(
    module_home: Paths, engine_bin: Path, tiny_chat_gguf: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Future[Dribbled]]:
    """200 dribblers at a service of their own: a minute of waiting, in which another test can do its own waiting."""
    engine = misbehaving_engine(tmp_path_factory.mktemp("engine"), proven_by=engine_bin)
    connected = threading.Event()
    with ThreadPoolExecutor(1) as threads, target(module_home, engine, tiny_chat_gguf) as at:
        dribbled = threads.submit(lambda: run(dribble(at, connected.set)))
        assert connected.wait(30) or dribbled.result(0)
        yield dribbled


@pytest.mark.slow
@pytest.mark.accept(37)
@pytest.mark.usefixtures("dribblers")
def test_a_crash_mid_stream_is_an_error_in_every_dialect_and_the_sixth_ends_the_attempts(
    home: Paths, engine_bin: Path, tiny_chat_gguf: Path, tmp_path: Path
) -> None:
    async def over_the_port(at: Target, request: bytes) -> None:
        answer = await at.ask(request)
        assert (answer.status, answer.whole) == (200, False)
        assert "[DONE]" not in answer.events
        assert len(answer.events) == 6  # five of text, then the error
        assert (answer.events[-1]["error"]["code"], "SIGKILL" in answer.events[-1]["error"]["message"]) == (
            "engine_stopped",
            True,
        )

    async def in_the_window(at: Target) -> AskEnd:
        async with at.service.client() as client:
            chat = await client.new_chat(NewChat(model=at.model))
            end = (await collect(client, chat.id, AskRequest(content="killed")))[-1]
        assert isinstance(end, AskEnd)
        assert end.message.state == "failed"
        return end

    async def work(at: Target) -> None:
        for _ in range(2):
            await over_the_port(at, at.chat("killed", stream=True))
            await over_the_port(at, at.completion("killed"))
            end = await in_the_window(at)
            assert "SIGKILL" in end.message.error
            assert end.message.content == "0 1 2 3 4 "
        for request in (at.chat("good", stream=True), at.completion("good")):
            refused = await at.ask(request)
            assert (refused.status, refused.error["code"]) == (503, "engine_crash_loop")
            assert 0 < int(refused.headers["retry-after"]) <= 600
        end = await in_the_window(at)
        assert "crashed 6 times within ten minutes" in end.message.error
        assert at.service.children() == []

    with target(home, misbehaving_engine(tmp_path, proven_by=engine_bin), tiny_chat_gguf) as at:
        run(work(at))


@pytest.mark.slow
@pytest.mark.accept(10)
def test_two_hundred_dribblers_are_gone_within_65_seconds_and_a_stream_notices_nothing(
    dribblers: Future[Dribbled],
) -> None:
    dribbled = dribblers.result(65)
    assert len(dribbled.closed) == 200
    assert max(after_s for after_s, _ in dribbled.closed) < 65.0
    assert all(said.startswith(b"HTTP/1.1 408 ") for _, said in dribbled.closed)
    assert not dribbled.stream_broken
    assert dribbled.slowest_rate > 0.8 * 50


@pytest.mark.accept(5)
def test_the_service_listens_on_loopback_alone_and_its_engine_on_nothing(
    home: Paths, engine_bin: Path, tiny_chat_gguf: Path
) -> None:
    def listening(process: psutil.Process) -> set[tuple[str, int]]:
        found = process.net_connections("inet")
        return {(entry.laddr.ip, entry.laddr.port) for entry in found if entry.status == psutil.CONN_LISTEN}

    with target(home, engine_bin, tiny_chat_gguf) as at:
        port = at.service.port
        assert listening(psutil.Process(at.service.process.pid)) == {("127.0.0.1", port), ("::1", port)}
        (child,) = at.service.children()
        assert child.net_connections("inet") == []


@pytest.mark.slow
@pytest.mark.accept(12)
def test_of_a_thousand_clients_at_once_each_gets_an_answer_and_a_stream_keeps_its_pace(
    home: Paths, engine_bin: Path, tiny_chat_gguf: Path, tmp_path: Path, usual_files: None
) -> None:
    async def stay(at: Target, everybody: asyncio.Event, told: list[Answer]) -> None:
        reader, writer = await at.connect()
        writer.write(at.head("GET", "/v1/models"))
        try:
            told.append(await read_answer(reader))
            await everybody.wait()  # so that all of them are connected at the same time
        finally:
            writer.close()

    async def responds(at: Target) -> float:
        began = time.monotonic()
        async with at.service.client() as client:
            await client.status()
        return time.monotonic() - began

    async def work(at: Target) -> None:
        async with streaming(at) as pace:
            await asyncio.sleep(2 * WINDOW_S)  # measured alone for as long as in the crowd
            before = at.rss_bytes
            crowd_began = time.monotonic()
            told: list[Answer] = []
            everybody = asyncio.Event()
            clients = [asyncio.create_task(stay(at, everybody, told)) for _ in range(1000)]
            peak, slowest_window_s = before, 0.0
            while len(told) < 1000 or time.monotonic() < crowd_began + WINDOW_S:
                assert not any(client.done() for client in clients), "one was cut off without an answer"
                peak = max(peak, at.rss_bytes)
                slowest_window_s = max(slowest_window_s, await responds(at))
                await asyncio.sleep(0.05)
            crowd_ended = time.monotonic()
            everybody.set()
            await asyncio.gather(*clients)
            assert not pace.broken
        alone = pace.rate(crowd_began - 2 * WINDOW_S, crowd_began)
        assert pace.rate(crowd_began, crowd_ended) >= 0.8 * alone
        refused = [answer for answer in told if answer.status == 503]
        assert {answer.status for answer in told} == {200, 503}
        assert len(refused) >= 1000 - 255
        assert all(answer.headers["retry-after"] and answer.error["code"] == "overloaded" for answer in refused)
        assert peak - before < 100 * MEBIBYTE
        assert slowest_window_s < 1.0
        assert (await at.ask(at.head("GET", "/v1/models"))).status == 200

    with target(home, misbehaving_engine(tmp_path, proven_by=engine_bin), tiny_chat_gguf) as at:
        resource.setrlimit(resource.RLIMIT_NOFILE, (2048, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        run(work(at))
