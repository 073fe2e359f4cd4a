"""Streams through the port: whole or visibly broken, and a client that leaves takes its work with it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from desktop.paths import Paths
from desktop.service.http_protocol import Limits
from tests.service.port_rig import Answer, Port, misbehaving_engine, open_port, read_answer, run, until

MEBIBYTE = 1024 * 1024


@pytest.fixture
def with_stub(home: Paths, tiny_chat_gguf: Path, tmp_path: Path) -> Callable[..., Any]:
    """Run a coroutine with a port whose llama-server misbehaves on request."""

    def go(work: Callable[[Port], Any], limits: Limits | None = None) -> Any:
        async def whole() -> Any:
            async with open_port(home, misbehaving_engine(tmp_path), tiny_chat_gguf, limits=limits) as port:
                return await work(port)

        return run(whole())

    return go


def test_a_good_stream_ends_cleanly(with_stub: Any) -> None:
    async def work(port: Port) -> None:
        answer = await port.chat("good", stream=True)
        assert (answer.status, answer.whole) == (200, True), answer
        assert answer.headers["content-type"].startswith("text/event-stream")
        texts = [event["choices"][0]["delta"]["content"] for event in answer.events[:-1]]
        assert "".join(texts) == "0 1 2 3 4 "
        assert answer.events[-1] == "[DONE]"

    with_stub(work)


@pytest.mark.accept(8)
@pytest.mark.parametrize(
    ("wish", "said"),
    [
        ("gigabyte_line", "more than 4194304 bytes"),
        ("bad_utf8", "not UTF-8"),
        ("unknown_events", "unknown kind"),
        ("early_end", "ended its answer early"),
    ],
)
def test_a_hostile_stream_ends_in_a_typed_error(with_stub: Any, wish: str, said: str) -> None:
    async def work(port: Port) -> None:
        await port.chat("good", stream=True)
        before = psutil.Process().memory_info().rss
        answer = await port.chat(wish, stream=True)
        assert psutil.Process().memory_info().rss - before < 50 * MEBIBYTE
        assert answer.events[0]["choices"][0]["delta"]["content"] == "first "
        assert said in answer.events[-1]["error"]["message"]
        assert answer.events[-1]["error"]["type"] == "server_error"
        assert "[DONE]" not in answer.events
        assert not answer.whole

    with_stub(work)


@pytest.mark.accept(8)
@pytest.mark.parametrize("wish", ["no_http", "endless_headers", "no_json", "unexplained"])
@pytest.mark.parametrize("stream", [False, True])
def test_a_hostile_answer_is_a_typed_error_before_anything_is_sent(with_stub: Any, wish: str, stream: bool) -> None:
    async def work(port: Port) -> None:
        await port.chat("good", stream=True)
        before = psutil.Process().memory_info().rss
        if wish == "no_json" and stream:
            return  # a whole answer is looked into only when no stream was asked for
        answer = await port.chat(wish, stream=stream)
        assert psutil.Process().memory_info().rss - before < 50 * MEBIBYTE
        assert answer.status == 502
        assert answer.error["code"] == "bad_answer"

    with_stub(work)


def test_an_error_event_of_the_engine_is_no_clean_end(with_stub: Any) -> None:
    async def work(port: Port) -> None:
        answer = await port.chat("own_error", stream=True)
        assert answer.events[-1]["error"]["message"] == "Compute error."
        assert not answer.whole

    with_stub(work)


@pytest.mark.accept(37)
def test_a_child_killed_mid_stream_gives_a_terminal_error_and_the_next_request_works(with_stub: Any) -> None:
    async def work(port: Port) -> None:
        answer = await port.chat("killed", stream=True)
        assert [event["choices"][0]["delta"]["content"] for event in answer.events[:-1]] == [f"{n} " for n in range(5)]
        error = answer.events[-1]["error"]
        assert error["code"] == "engine_stopped"
        assert "SIGKILL" in error["message"]
        assert "[DONE]" not in answer.events
        assert not answer.whole
        after = await port.chat("good", stream=True)
        assert after.events[-1] == "[DONE]"

    with_stub(work)


@pytest.mark.accept(37)
def test_the_sixth_crash_in_ten_minutes_is_not_started_again(with_stub: Any) -> None:
    async def work(port: Port) -> None:
        for _ in range(6):
            answer = await port.chat("die", stream=True)
            assert (answer.status, answer.error["code"]) == (502, "engine_stopped")
        refused = await port.chat("good", stream=True)
        assert (refused.status, refused.error["code"]) == (503, "engine_crash_loop")
        assert int(refused.headers["retry-after"]) > 0

    with_stub(work)


def test_a_child_that_dies_before_its_answer_is_a_plain_error(with_stub: Any) -> None:
    async def work(port: Port) -> None:
        answer = await port.chat("die")
        assert (answer.status, answer.error["code"], answer.whole) == (502, "engine_stopped", True)

    with_stub(work)


@pytest.mark.accept(38)
@pytest.mark.parametrize("wish", ["slow", "never", "endless"])
def test_a_client_that_leaves_closes_the_childs_socket_within_two_seconds(with_stub: Any, wish: str) -> None:
    async def work(port: Port) -> None:
        await port.chat("good", stream=True)
        _, writer = await begin(port, wish)
        await until(lambda: counts(port, open_requests=1))
        writer.transport.abort()
        await until(lambda: counts(port, open_requests=0, left=1), within_s=2.0)
        assert port.core.scheduler.state(port.model).busy_slots == 0

    with_stub(work)


@pytest.mark.accept(38)
def test_five_hundred_leaving_clients_leak_nothing(with_stub: Any) -> None:
    async def cycle(port: Port) -> None:
        reader, writer = await begin(port, "slow")
        await reader.readuntil(b"data: ")
        writer.transport.abort()

    async def work(port: Port) -> None:
        for _ in range(20):
            await cycle(port)
        await until(lambda: counts(port, open_requests=0, left=20))
        me = psutil.Process()
        before, files = me.memory_info().rss, open_files()
        for _ in range(100):
            await asyncio.gather(*(cycle(port) for _ in range(5)))
        await until(lambda: counts(port, open_requests=0, left=520))
        assert me.memory_info().rss - before < 20 * MEBIBYTE
        await until(lambda: no_more_than(files))
        assert port.core.scheduler.state(port.model).busy_slots == 0

    with_stub(work)


def test_a_client_that_reads_nothing_makes_the_child_wait(with_stub: Any) -> None:
    async def work(port: Port) -> None:
        await port.chat("good", stream=True)
        before = psutil.Process().memory_info().rss
        reader, writer = await begin(port, "endless")
        await reader.readuntil(b"data: ")
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        sent = -1
        while sent != (sent := io_bytes(port)):  # until nothing moves any more
            await asyncio.sleep(0.3)
        assert psutil.Process().memory_info().rss - before < 50 * MEBIBYTE
        writer.transport.abort()

    with_stub(work)


def test_a_client_that_reads_nothing_for_too_long_is_dropped(with_stub: Any) -> None:
    async def work(port: Port) -> None:
        reader, writer = await begin(port, "endless")
        await reader.readuntil(b"data: ")
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        await until(lambda: counts(port, open_requests=0, left=1))
        writer.transport.abort()

    with_stub(work, Limits(write_stall_s=0.3))


def test_stopping_the_service_breaks_off_what_still_streams(
    home: Paths, tiny_chat_gguf: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def work() -> Answer:
        async with open_port(home, misbehaving_engine(tmp_path), tiny_chat_gguf) as port:
            reader, writer = await begin(port, "slow")
            task = asyncio.create_task(read_answer(reader))
            await until(lambda: counts(port, open_requests=1))
        answer = await task
        writer.close()
        return answer

    answer = run(work())
    assert answer.status == 200
    assert not answer.whole
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


def io_bytes(port: Port) -> int:
    """Bytes the child has written so far."""
    pid = port.core.scheduler.state(port.model).pid
    assert pid is not None
    return int(psutil.Process(pid).io_counters().write_chars)


async def begin(port: Port, wish: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Send a streaming request and return at once."""
    body = b'{"model": "%b", "messages": [{"role": "user", "content": "%b"}], "stream": true}'
    body %= port.model.encode(), wish.encode()
    head = port.head(
        "POST", "/v1/chat/completions", {"Content-Type": "application/json", "Content-Length": str(len(body))}
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", port.number, limit=MEBIBYTE)
    writer.write(head + body)
    return reader, writer


async def counts(port: Port, *, open_requests: int, left: int | None = None) -> bool:
    """Whether the stub has so many requests open, and so many clients left it."""
    found = await port.child("/closed")
    return found["open"] == open_requests and left in (None, found["left"])


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


async def no_more_than(files: int) -> bool:
    return open_files() <= files


def test_answers_can_be_read_one_after_another_on_one_connection(with_stub: Any) -> None:
    async def work(port: Port) -> None:
        reader, writer = await begin(port, "good")
        first = await read_answer(reader)
        assert first.whole
        body = b'{"model": "%b", "messages": [{"role": "user", "content": "hi"}]}' % port.model.encode()
        writer.write(
            port.head(
                "POST", "/v1/chat/completions", {"Content-Type": "application/json", "Content-Length": str(len(body))}
            )
            + body
        )
        second = await read_answer(reader)
        assert second.json["received"]["messages"] == [{"role": "user", "content": "hi"}]
        writer.close()

    with_stub(work)
