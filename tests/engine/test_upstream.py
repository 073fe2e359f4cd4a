"""The client of a child: whole answers and streams from the real engine, and every way an answer can break."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from desktop.paths import Paths
from engine.errors import BadAnswer, ContextExceeded, EngineError, EngineStopped, RequestRefused, TextTooLong
from engine.http_connection import HIGH_WATER_BYTES, MAX_HEAD_BYTES
from engine.sse import MAX_EVENT_BYTES, EventFramer
from engine.upstream import ChatDelta, Upstream, refusal
from tests.engine.rig import chat, library_model, rig

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@asynccontextmanager
async def server(serve: Serve) -> AsyncIterator[Upstream]:
    """An Upstream to a server on a Unix socket that reads one request and then does as `serve` says."""

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = int(head.lower().split("content-length: ")[1].split("\r\n")[0])
            await reader.readexactly(length)
            await serve(reader, writer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    with tempfile.TemporaryDirectory(prefix="jd-") as folder:
        path = Path(folder) / "s.sock"
        async with await asyncio.start_unix_server(one, path):
            upstream = Upstream(path, "key")
            try:
                yield upstream
            finally:
                upstream.close()


def sends(*pieces: bytes, pause_s: float = 0.0) -> Serve:
    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause_s)

    return serve


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello world",
        CHUNKED + chunk(b"hello") + chunk(b" world") + b"0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello world",
    ],
    ids=["length", "chunked", "continue"],
)
@pytest.mark.parametrize("step", [1, 7, 10_000])
def test_a_body_is_the_same_however_it_is_cut(raw: bytes, step: int) -> None:
    async def work() -> None:
        pieces = [raw[at : at + step] for at in range(0, len(raw), step)]
        async with server(sends(*pieces)) as upstream:
            response = await upstream.request("GET", "/")
            assert response.status == 200
            assert await response.read() == b"hello world"

    asyncio.run(work())


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        (b"", EngineStopped),
        (b"HTTP/1.1 200 OK\r\nContent-Le", EngineStopped),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", EngineStopped),
        (CHUNKED + chunk(b"abc"), EngineStopped),
        (b"220 mail ready\r\n\r\n", BadAnswer),
        (CHUNKED + b"zz\r\nabc\r\n", BadAnswer),
        (b"HTTP/1.1 200 OK\r\nX: " + b"a" * (MAX_HEAD_BYTES + 1), BadAnswer),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * MAX_HEAD_BYTES, BadAnswer),
        (CHUNKED + chunk(b"abc") + b"0\r\n" + b"X: y\r\n" * MAX_HEAD_BYTES, BadAnswer),
    ],
)
def test_an_answer_that_breaks_is_an_error(raw: bytes, error: type[EngineError]) -> None:
    async def work() -> None:
        async with server(sends(raw)) as upstream:
            with pytest.raises(error):
                await (await upstream.request("GET", "/")).read()

    asyncio.run(work())


def test_an_endless_body_stops_at_the_limit() -> None:
    async def endless(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(CHUNKED)
        while True:
            writer.write(chunk(b"x" * 65536))
            await writer.drain()

    async def work() -> None:
        async with server(endless) as upstream:
            response = await upstream.request("GET", "/")
            with pytest.raises(BadAnswer, match="larger than 1000000 bytes"):
                await response.read(1_000_000)

    asyncio.run(work())


def test_no_child_is_an_engine_that_stopped(tmp_path: Path) -> None:
    with pytest.raises(EngineStopped):
        asyncio.run(Upstream(tmp_path / "none.sock", "key").json("GET", "/health"))


@pytest.mark.parametrize("how", ["cancel", "close", "break off"])
def test_leaving_closes_the_socket_at_once(how: str) -> None:
    async def work() -> None:
        arrived, left = asyncio.Event(), asyncio.Event()

        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if how != "cancel":
                writer.write(CHUNKED)
            arrived.set()
            await reader.read()
            left.set()

        async with server(silent) as upstream:
            task = asyncio.create_task(upstream.request("GET", "/"))
            await arrived.wait()
            if how == "cancel":
                task.cancel()
            elif how == "close":
                (await task).close()
            else:
                response = await task
                upstream.close()
                with pytest.raises(EngineStopped, match="unloaded"):
                    await response.read()
            async with asyncio.timeout(1):
                await left.wait()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(work())


def test_what_nobody_reads_makes_the_child_wait() -> None:
    async def work() -> None:
        sent = 0

        async def endless(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal sent
            writer.write(CHUNKED)
            while True:
                writer.write(chunk(b"x" * 16384))
                sent += 16384
                await writer.drain()

        async with server(endless) as upstream:
            response = await upstream.request("GET", "/")
            settled = -1
            while settled != sent:
                settled = sent
                await asyncio.sleep(0.1)
            assert sent < 8 * HIGH_WATER_BYTES
            async for data in response.chunks():
                if (settled := settled - len(data)) < 0:  # reading again makes it go on
                    break
            response.close()

    asyncio.run(work())


def test_a_sink_gets_everything_in_order_and_one_end() -> None:
    class Sink:
        def __init__(self) -> None:
            self.data = b""
            self.ends: list[EngineError | None] = []
            self.done = asyncio.Event()

        def feed(self, data: bytes) -> None:
            self.data += data

        def finished(self, error: EngineError | None) -> None:
            self.ends.append(error)
            self.done.set()

    async def work() -> None:
        pieces = [CHUNKED, *(chunk(b"%d," % number) for number in range(100)), b"0\r\n\r\n"]
        async with server(sends(*pieces, pause_s=0.001)) as upstream:
            response = await upstream.request("GET", "/")
            sink = Sink()
            response.pipe(sink)
            await sink.done.wait()
            assert sink.data == b"".join(b"%d," % number for number in range(100))
            assert sink.ends == [None]

    asyncio.run(work())


# The framer


@pytest.mark.parametrize("step", [1, 2, 3, 5, 1000])
def test_events_come_whole_however_they_are_cut(step: int) -> None:
    raw = b'data: {"a": 1}\n\n:\n\ndata: {"b": "\xc3\xa9"}\n\ndata: [DONE]\n\n'
    counted: list[int] = []
    framer = EventFramer(counted.append)
    frames = [framer.feed(raw[at : at + step]) for at in range(0, len(raw), step)]
    assert b"".join(frames) == raw
    assert all(frame.endswith(b"\n\n") for frame in frames if frame)
    assert (framer.done, framer.failed, sum(counted)) == (True, False, 2)


@pytest.mark.parametrize(
    "bad", [b"event: x\n\n", b"data: 5\n\n", b"id: 1\ndata: {}\n\n", b"\xff\n\n", b"data: {\xff}\n\n"]
)
def test_frames_of_no_known_kind_are_refused(bad: bytes) -> None:
    with pytest.raises(BadAnswer):
        EventFramer().feed(b'data: {"a": 1}\n\n' + bad)


def test_a_line_without_end_is_refused_in_bounded_memory() -> None:
    framer = EventFramer()
    with pytest.raises(BadAnswer, match="more than"):
        for _ in range(MAX_EVENT_BYTES // 1024 + 2):
            framer.feed(b"a" * 1024)


# What llama-server refuses


def test_refusals_become_our_errors() -> None:
    context = {"code": 400, "type": "exceed_context_size_error", "message": "m", "n_prompt_tokens": 900, "n_ctx": 512}
    fits = refusal(400, json.dumps({"error": context}).encode())
    assert isinstance(fits, ContextExceeded)
    assert (fits.prompt_tokens, fits.allocated_context) == (900, 512)
    plain = refusal(400, b'{"error": {"message": "no", "type": "invalid_request_error"}}')
    assert isinstance(plain, RequestRefused)
    assert (plain.status, plain.message) == (400, "no")
    for body in (b"", b"[]", b'{"error": 5}', b'{"error": {"message": 5}}', b"\xff", b"[" * 100_000):
        assert isinstance(refusal(500, body), BadAnswer)


def test_the_real_engine_streams_deltas_and_says_what_does_not_fit(
    home: Paths, engine_bin: Path, tiny_chat_gguf: Path
) -> None:
    async def work() -> None:
        models = {"tiny": library_model("tiny", tiny_chat_gguf)}
        async with rig(home, engine_bin, models) as made, made.scheduler.hold("tiny") as child:
            deltas = [delta async for delta in child.upstream.chat_events(chat("hi", max_tokens=12))]
            status, whole = await child.upstream.json("POST", "/v1/chat/completions", chat("hi", max_tokens=12))
            assert status == 200
            assert "".join(delta.content for delta in deltas) == whole["choices"][0]["message"]["content"]
            assert [delta.finish_reason for delta in deltas if delta.finish_reason] == ["length"]
            last: ChatDelta = deltas[-1]
            assert last.usage is not None
            assert last.usage["completion_tokens"] == 12
            assert last.timings is not None
            with pytest.raises(ContextExceeded) as refused:
                async for _ in child.upstream.chat_events(chat("x" * 2 * child.allocated_context)):
                    pass
            assert refused.value.allocated_context == child.allocated_context

    asyncio.run(work())


def test_the_real_engine_words_a_text_that_is_too_long_as_we_expect(
    home: Paths, engine_bin: Path, tiny_embedding_gguf: Path
) -> None:
    """Pins the wording that `refusal` reads the numbers from."""

    async def work() -> None:
        models = {"tiny": library_model("tiny", tiny_embedding_gguf, "embedding")}
        async with rig(home, engine_bin, models) as made, made.scheduler.hold("tiny") as child:
            text = "x" * (child.allocated_context + 100)
            response = await child.upstream.request("POST", "/v1/embeddings", json.dumps({"input": text}).encode())
            error: Any = refusal(response.status, await response.read())
            assert isinstance(error, TextTooLong | ContextExceeded), error
            counted = error.tokens if isinstance(error, TextTooLong) else error.prompt_tokens
            assert counted > child.allocated_context

    asyncio.run(work())
