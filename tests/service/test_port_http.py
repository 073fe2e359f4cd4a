"""HTTP at its edges: what unusual, careless and hostile clients send, over real sockets to the real listeners."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from desktop.paths import Paths
from tests.service.port_rig import Answer, Port, misbehaving_engine, open_port, read_answer, run, until

MEBIBYTE = 1024 * 1024
CHAT = "/v1/chat/completions"
HI = {"messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture
def with_port(home: Paths, tiny_chat_gguf: Path, tmp_path: Path) -> Callable[..., Any]:
    """Run a coroutine with a port over an engine that answers most things with an echo."""

    def go(work: Callable[[Port], Any]) -> Any:
        async def whole() -> Any:
            async with open_port(home, misbehaving_engine(tmp_path), tiny_chat_gguf) as port:
                return await work(port)

        return run(whole())

    return go


def request(port: Port, body: dict[str, Any], headers: dict[str, str] | None = None) -> bytes:
    data = json.dumps({"model": port.model, **body}).encode()
    fields = {"Content-Type": "application/json", "Content-Length": str(len(data)), **(headers or {})}
    return port.head("POST", CHAT, fields) + data


def chunked(port: Port, body: bytes, extra: str = "") -> bytes:
    """A request with a body in one chunk; the caller adds the end, 0 and maybe trailers."""
    head = port.head("POST", CHAT, {"Content-Type": "application/json", "Transfer-Encoding": "chunked" + extra})
    return head + b"%x\r\n%b\r\n" % (len(body), body)


async def until_eof(port: Port, data: bytes) -> bytes:
    """Everything the port says to these bytes until it closes."""
    async with asyncio.timeout(10):
        reader, writer = await asyncio.open_connection("127.0.0.1", port.number)
        writer.write(data)
        try:
            return await reader.read()
        finally:
            writer.close()


# The body is checked in front of the engine, so that a head that lets it through shows as an echo: status 200.
MALFORMED: dict[str, Callable[[Port], bytes]] = {
    "HTTP/2.0": lambda port: port.head("GET", "/v1/models").replace(b"HTTP/1.1", b"HTTP/2.0"),
    "HTTP/2 by prior knowledge": lambda _: b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": lambda _: b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
    "absolute target": lambda port: port.head("GET", f"http://127.0.0.1:{port.number}/v1/models"),
    "asterisk": lambda port: port.head("OPTIONS", "*"),
    "CONNECT": lambda port: port.head("CONNECT", "127.0.0.1:80"),
    "lower case method": lambda port: port.head("get", "/v1/models"),
    "bytes beyond ASCII in the path": lambda port: port.head("GET", "/v1/models/\xff"),
    "control byte in the path": lambda port: port.head("GET", "/v1/models/\x01"),
    "lines end in LF alone": lambda port: port.head("GET", "/v1/models").replace(b"\r\n", b"\n"),
    "CR alone": lambda port: port.head("GET", "/v1/models", {"X": "a\rHost: evil.example"}),
    "NUL in a header": lambda port: port.head("GET", "/v1/models", {"X": "a\0b"}),
    "folded header": lambda port: port.head("GET", "/v1/models", {"X": "a\r\n b"}),
    "space before the colon": lambda port: port.head("GET", "/v1/models")[:-2] + b"X : a\r\n\r\n",
    "two lengths": lambda port: request(port, HI)[:-2].replace(b"Content-L", b"Content-Length: 2\r\nContent-L"),
    "a list of lengths": lambda port: request(port, HI, {"Content-Length": "2, 2"}),
    "a length with a sign": lambda port: request(port, HI, {"Content-Length": "+2"}),
    "a negative length": lambda port: request(port, HI, {"Content-Length": "-2"}),
    "a length beyond 64 bits": lambda port: request(port, HI, {"Content-Length": str(2**64 + 2)}),
    "length and chunks": lambda port: request(port, HI, {"Transfer-Encoding": "chunked"}),
    "unknown coding": lambda port: chunked(port, b"{}").replace(b"chunked", b"xchunked"),
    "chunked is not last": lambda port: chunked(port, b"{}", ", identity"),
    "no chunk size": lambda port: chunked(port, b"{}").replace(b"2\r\n{}", b"zz\r\n{}"),
    "negative chunk": lambda port: chunked(port, b"{}").replace(b"2\r\n{}", b"-2\r\n{}"),
    "chunk beyond 64 bits": lambda port: chunked(port, b"{}").replace(b"2\r\n{}", b"f" * 20 + b"\r\n{}"),
}


def test_what_is_not_plain_http_1_1_is_refused_with_400(with_port: Any) -> None:
    async def work(port: Port) -> None:
        for name, make in MALFORMED.items():
            answer = await port.ask(make(port))
            assert (answer.status, answer.error["code"]) == (400, "bad_request"), name
        assert port.core.scheduler.snapshot() == ()

    with_port(work)


def test_a_body_packed_before_it_was_cut_in_chunks_is_not_taken(with_port: Any) -> None:
    async def work(port: Port) -> None:
        data = json.dumps({"model": port.model, **HI}).encode()
        plain = await port.ask(chunked(port, data) + b"0\r\n\r\n")
        assert plain.status == 200
        packed = (chunked(port, data) + b"0\r\n\r\n").replace(b"chunked", b"gzip, chunked")
        assert (await port.ask(packed)).status == 415

    with_port(work)


def test_the_path_is_taken_as_it_is(with_port: Any) -> None:
    async def work(port: Port) -> None:
        for path in ("//v1/models", "/v1//models", "/v1/models/", "/./v1/models", "/V1/models", "/v1/models%2F"):
            assert (await port.ask(port.head("GET", path))).status == 404, path
        for path in ("/v1/models/%ff%00", "/v1/models/%", "/v1/models/%ed%a0%80", "/v1/models/" + "x" * 4000):
            answer = await port.ask(port.head("GET", path))
            assert (answer.status, answer.error["code"]) == (404, "model_not_found"), path
        assert (await port.ask(port.head("GET", "/v1/%6dodels?x=%ff#y"))).status == 200
        assert (await port.ask(port.head("GET", "//health", key=False))).status == 401

    with_port(work)


@pytest.mark.parametrize("at_once", [True, False], ids=["in one piece", "body later"])
def test_an_offer_to_upgrade_does_not_swallow_the_body(with_port: Any, at_once: bool) -> None:
    """Java's HttpClient, which IDE plugins use, offers HTTP/2 with its first request."""
    offer = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAEAAEAAAAIAAAABAAMAAABk"}

    async def work(port: Port) -> None:
        whole = request(port, HI, offer)
        cuts = (len(whole),) if at_once else (whole.index(b"\r\n\r\n") + 4, len(whole) - 3, len(whole))
        reader, writer = await asyncio.open_connection("127.0.0.1", port.number)
        start = 0
        for cut in cuts:
            writer.write(whole[start:cut])
            await writer.drain()
            start = cut
            await asyncio.sleep(0)
        answer = await read_answer(reader)
        assert (answer.status, answer.json["received"]["messages"]) == (200, HI["messages"])
        assert await reader.read() == b""
        writer.close()
        packed = json.dumps({"model": port.model, **HI}).encode()
        head = port.head("POST", CHAT, {**offer, "Content-Type": "application/json", "Transfer-Encoding": "chunked"})
        answer = await port.ask(head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(packed), packed))
        assert answer.status == 200
        assert (await port.ask(port.head("GET", "/v1/models", {**offer, "Upgrade": "websocket"}))).status == 200
        assert (await port.ask(port.head("GET", "/v1/models", offer, key=False))).status == 401

    with_port(work)


def test_trailers_do_not_pass_for_headers(with_port: Any) -> None:
    async def work(port: Port) -> None:
        data = json.dumps({"model": port.model, **HI}).encode()
        trailers = b"0\r\nHost: evil.example\r\nOrigin: https://evil.example\r\n\r\n"
        assert (await port.ask(chunked(port, data) + trailers)).status == 200
        without_key = chunked(port, data).replace(f"Authorization: Bearer {port.key}\r\n".encode(), b"")
        answer = await port.ask(without_key + f"0\r\nAuthorization: Bearer {port.key}\r\n\r\n".encode())
        assert answer.status == 401

    with_port(work)


@pytest.mark.parametrize("kind", ["one trailer", "trailers", "chunk extension"])
def test_what_comes_with_a_body_and_is_none_has_an_end(with_port: Any, kind: str) -> None:
    async def work(port: Port) -> None:
        start = {"one trailer": b"0\r\nX: ", "trailers": b"0\r\n", "chunk extension": b"1;x="}[kind]
        more = {"trailers": b"X: yyyyyyyyyyyyyy\r\n"}.get(kind, b"a" * 18) * 58_255
        before = psutil.Process().memory_info().rss
        reader, writer = await asyncio.open_connection("127.0.0.1", port.number)
        writer.write(chunked(port, b"{}") + start)
        for _ in range(64):
            writer.write(more)
            await writer.drain()
        answer = await read_answer(reader)
        writer.close()
        assert answer.status == 431
        assert psutil.Process().memory_info().rss - before < 50 * MEBIBYTE

    with_port(work)


def test_a_body_after_many_requests_without_one_is_taken_though_its_head_came_alone(with_port: Any) -> None:
    """As httpx sends it on a connection kept alive: what the requests before it weighed does not count for this one."""

    async def work(port: Port) -> None:
        async with asyncio.timeout(20):
            reader, writer = await asyncio.open_connection("127.0.0.1", port.number)
            for _ in range(20):
                writer.write(port.head("GET", "/v1/models", {"X-Filler": "x" * 1000}))
                assert (await read_answer(reader)).status == 200
            whole = request(port, HI)
            head, _, body = whole.partition(b"\r\n\r\n")
            writer.write(head + b"\r\n\r\n")
            await asyncio.sleep(0.05)  # the head alone is read: nothing tells when
            writer.write(body)
            assert (await read_answer(reader)).status == 200
            writer.close()

    with_port(work)


def test_a_client_that_sent_a_second_request_and_left_frees_its_slot(with_port: Any) -> None:
    """The second request must not stop us from reading: the end of a connection is seen by reading only."""

    async def work(port: Port) -> None:
        wish = {"messages": [{"role": "user", "content": "never"}]}
        for second in (port.head("GET", "/health"), request(port, wish), request(port, {"prompt": "x" * MEBIBYTE})):
            _, writer = await asyncio.open_connection("127.0.0.1", port.number)
            writer.write(request(port, wish) + second)
            await writer.drain()
            await until(lambda: _busy(port, 1))
            writer.transport.abort()
            await until(lambda: _busy(port, 0), within_s=2.0)

    with_port(work)


async def _busy(port: Port, slots: int) -> bool:
    return port.core.scheduler.state(port.model).busy_slots == slots


def test_a_second_request_before_the_first_answer_ends_the_connection_with_that_answer(with_port: Any) -> None:
    async def work(port: Port) -> None:
        answer = await until_eof(port, request(port, HI) + request(port, HI) + port.head("GET", "/health"))
        assert answer.count(b"HTTP/1.1 ") == 1
        assert b"\r\nconnection: close\r\n" in answer
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["received"]["messages"] == HI["messages"]
        stream = {"messages": [{"role": "user", "content": "good"}], "stream": True}
        answer = await until_eof(port, request(port, stream) + request(port, HI))
        assert answer.count(b"HTTP/1.1 ") == 1
        assert answer.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
        refused = await until_eof(port, port.head("GET", "/v1/models", key=False) + port.head("GET", "/v1/models"))
        assert refused.startswith(b"HTTP/1.1 401 ")
        assert refused.count(b"HTTP/1.1 ") == 1

    with_port(work)


def test_http_1_0_gets_whole_answers_and_no_stream(with_port: Any) -> None:
    """Without chunks a stream that broke off would look complete."""

    def old(port: Port, body: dict[str, Any]) -> bytes:
        return request(port, body).replace(b"HTTP/1.1", b"HTTP/1.0")

    async def work(port: Port) -> None:
        whole = await until_eof(port, old(port, HI))
        assert b"\r\ncontent-length: " in whole
        assert b"chunked" not in whole
        refused: Answer = await port.ask(old(port, {**HI, "stream": True}))
        assert (refused.status, refused.error["param"]) == (400, "stream")

    with_port(work)


def test_a_body_is_asked_for_only_after_its_head_was_found_good(with_port: Any) -> None:
    async def work(port: Port) -> None:
        wish = request(port, HI, {"Expect": "100-continue"})
        assert (await until_eof(port, wish.replace(b"HTTP/1.1\r\n", b"HTTP/1.1\r\nConnection: close\r\n"))).startswith(
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"
        )
        bad = port.head("POST", CHAT, {"Expect": "100-continue", "Content-Length": "50"}, key=False)
        assert (await until_eof(port, bad)).startswith(b"HTTP/1.1 401 ")

    with_port(work)
