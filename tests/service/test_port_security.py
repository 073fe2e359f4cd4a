"""Who gets through to the port, and what a hostile client can cost. Over real sockets, with the real listeners."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from desktop.paths import Paths
from desktop.service.guard import Guard, Rules
from desktop.service.http_protocol import Limits
from desktop.service.listeners import LOOPBACK, BindRefused, Listeners, check_bind, host_names
from desktop.service.port_app import port_routes
from tests.service.port_rig import Port, misbehaving_engine, open_port, read_answer, run

MEBIBYTE = 1024 * 1024
ROUTES = [
    ("GET", "/health"),
    ("GET", "/v1/models"),
    ("GET", "/v1/models/tiny-chat"),
    ("POST", "/v1/chat/completions"),
    ("POST", "/v1/completions"),
    ("POST", "/v1/embeddings"),
    ("POST", "/v1/rerank"),
    ("POST", "/v1/files/search"),
    ("GET", "/jackdaw/v1/status"),
    ("POST", "/v1/no/such/route"),
]
KEYED = [route for route in ROUTES if route[1] != "/health"]
BAD_HOSTS = [
    "evil.example",
    "evil.example:{port}",
    "127.0.0.1.evil.example:{port}",
    "localhost.:{port}",
    "0.0.0.0:{port}",
    "127.0.0.1",
    "127.0.0.1:1",
    "127.0.0.1:{port}@evil.example",
    "evil.example@127.0.0.1:{port}",
    "127.0.0.1:{port}, evil.example",
    "[::]:{port}",
    "[::ffff:127.0.0.1]:{port}",
    "127.1:{port}",
    "2130706433:{port}",
    "localhost:{port}/",
    "http://127.0.0.1:{port}",
]

WRONG_KEYS: list[dict[str, str]] = [
    {},
    {"Authorization": "Bearer wrong"},
    {"Authorization": "Bearer sch\u00fcssel\u00ff"},
    {"Authorization": "Basic {key}"},
    {"Authorization": "{key}"},
    {"Authorization": "Bearer"},
    {"X-Api-Key": "wrong"},
    {"X-Api-Key": "sch\u00fcssel\u00ff"},
    {"X-Api-Key": "Bearer {key}"},
    {"Api-Key": "{key}"},
    {"Cookie": "key={key}"},
    {"Proxy-Authorization": "Bearer {key}"},
    {"Authorization": "Bearer {key}", "X-Api-Key": "wrong"},
    {"Authorization": "Bearer wrong", "X-Api-Key": "{key}"},
]


@pytest.fixture
def with_port(home: Paths, tiny_chat_gguf: Path, tmp_path: Path) -> Callable[..., Any]:
    """Run a coroutine with a port over the misbehaving engine, which answers most things with an echo."""

    def go(work: Callable[[Port], Any], limits: Limits | None = None) -> Any:
        async def whole() -> Any:
            async with open_port(home, misbehaving_engine(tmp_path), tiny_chat_gguf, limits=limits) as port:
                return await work(port)

        return run(whole())

    return go


def without_cors(headers: dict[str, str]) -> bool:
    return not any(name.startswith("access-control-") for name in headers)


# Line 1


@pytest.mark.accept(1)
def test_a_foreign_host_is_refused_on_every_route(with_port: Any) -> None:
    async def work(port: Port) -> None:
        for method, path in ROUTES:
            for host in BAD_HOSTS:
                answer = await port.ask(port.head(method, path, {"Host": host.format(port=port.number)}))
                assert answer.status in (400, 403), (method, path, host)
                assert answer.error["code"] in ("bad_host", "bad_request")
            for head in (
                b"%b %b HTTP/1.1\r\n\r\n",
                b"%b %b HTTP/1.0\r\n\r\n",
                b"%b %b HTTP/1.1\r\nHost:\r\n\r\n",
                b"%b %b HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nHost: evil.example\r\n\r\n",
                b"%b http://evil.example%b HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\n\r\n",
            ):
                request = (head % (method.encode(), path.encode())).replace(b"PORT", b"%d" % port.number)
                assert (await port.ask(request)).status in (400, 403), request

    with_port(work)


@pytest.mark.accept(1)
def test_the_three_loopback_names_work_on_both_addresses(with_port: Any) -> None:
    async def work(port: Port) -> None:
        for host in ("127.0.0.1", "localhost", "[::1]", "LocalHost"):
            answer = await port.ask(port.head("GET", "/v1/models", {"Host": f"{host}:{port.number}"}))
            assert answer.status == 200
        reader, writer = await asyncio.open_connection("::1", port.number)
        writer.write(port.head("GET", "/health"))
        assert (await read_answer(reader)).status == 200
        writer.close()

    with_port(work)


# Line 2


@pytest.mark.accept(2)
@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:5225", "vscode-webview://x"])
def test_a_web_page_is_refused_with_every_method_even_with_a_good_key(with_port: Any, origin: str) -> None:
    async def work(port: Port) -> None:
        for method in ("GET", "POST", "OPTIONS"):
            for _, path in ROUTES:
                asks = {"Origin": origin, "Access-Control-Request-Method": "POST"}
                answer = await port.ask(port.head(method, path, asks))
                assert (answer.status, answer.error["code"]) == (403, "bad_origin")
                assert without_cors(answer.headers)
        plain = await port.ask(port.head("GET", "/v1/models"))
        assert without_cors(plain.headers)

    with_port(work)


# Line 3


@pytest.mark.accept(3)
@pytest.mark.parametrize(
    "content_type",
    ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonx"],
)
def test_a_body_that_is_not_json_by_its_type_changes_nothing(with_port: Any, content_type: str) -> None:
    async def work(port: Port) -> None:
        for method, path in KEYED:
            if method == "POST":
                body = {"model": port.model, "messages": [{"role": "user", "content": "good"}]}
                answer = await port.post(path, body, {"Content-Type": content_type})
                assert answer.status == 415, path
        assert port.core.scheduler.snapshot() == ()

    with_port(work)


# Line 4


@pytest.mark.accept(4)
@pytest.mark.parametrize("headers", WRONG_KEYS, ids=str)
def test_without_the_right_key_every_route_says_so_before_a_body_is_read(
    with_port: Any, headers: dict[str, str]
) -> None:
    async def work(port: Port) -> None:
        given = {name: value.format(key=port.key) for name, value in headers.items()}
        for method, path in KEYED:
            promised = {"Content-Length": str(10**9), "Content-Type": "application/json"} if method == "POST" else {}
            start = time.monotonic()
            answer = await port.ask(port.head(method, path, {**promised, **given}, key=False))
            assert time.monotonic() - start < 1.0
            assert (answer.status, answer.error["code"]) == (401, "invalid_api_key"), (method, path)

    with_port(work)


@pytest.mark.accept(4)
def test_both_headers_carry_a_key_equally_well(with_port: Any) -> None:
    async def work(port: Port) -> None:
        for headers in (
            {"Authorization": f"Bearer {port.key}"},
            {"authorization": f"bearer {port.key}"},
            {"X-Api-Key": port.key},
            {"X-Api-Key": port.key, "Authorization": f"Bearer {port.key}"},
        ):
            assert (await port.ask(port.head("GET", "/v1/models", headers, key=False))).status == 200
        await port.core.keys.revoke("test")
        assert (await port.ask(port.head("GET", "/v1/models"))).status == 401
        assert (await port.ask(port.head("GET", "/health", key=False))).status == 200

    with_port(work)


# Lines 5 and 6


@pytest.mark.accept(5)
def test_only_loopback_listens(with_port: Any) -> None:
    async def work(port: Port) -> None:
        listening = [
            connection.laddr.ip
            for connection in psutil.Process().net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN
        ]
        assert sorted(listening) == ["127.0.0.1", "::1"]

    with_port(work)


@pytest.mark.accept(5)
def test_listening_wider_needs_the_flag_and_a_key() -> None:
    with pytest.raises(BindRefused, match="--allow-remote"):
        check_bind(["0.0.0.0"], confirmed=False, has_keys=True)
    with pytest.raises(BindRefused, match="jackdaw key new"):
        check_bind(["127.0.0.1", "192.0.2.7"], confirmed=True, has_keys=False)
    check_bind(["0.0.0.0"], confirmed=True, has_keys=True)
    check_bind(LOOPBACK, confirmed=False, has_keys=False)


@pytest.mark.accept(6)
def test_bound_wide_host_origin_and_key_are_checked_as_before(
    home: Paths, tiny_chat_gguf: Path, tmp_path: Path
) -> None:
    own = [
        address.address
        for addresses in psutil.net_if_addrs().values()
        for address in addresses
        if address.family == socket.AF_INET and not address.address.startswith("127.")
    ]

    async def refusals(port: Port, method: str, path: str) -> None:
        for host in (*BAD_HOSTS, "0.0.0.0:{port}", *(f"{address}.evil.example:{{port}}" for address in own)):
            answer = await port.ask(port.head(method, path, {"Host": host.format(port=port.number)}))
            assert answer.status in (400, 403), (method, path, host)
        for origin in ("https://evil.example", "null"):
            for asked in ("GET", "POST", "OPTIONS"):
                answer = await port.ask(port.head(asked, path, {"Origin": origin}))
                assert (answer.status, answer.error["code"]) == (403, "bad_origin"), (asked, path)
                assert without_cors(answer.headers)
        for keys in WRONG_KEYS if path != "/health" else ():
            given = {name: value.format(key=port.key) for name, value in keys.items()}
            body = {"Content-Length": str(10**9), "Content-Type": "application/json"} if method == "POST" else {}
            answer = await port.ask(port.head(method, path, {**body, **given}, key=False), timeout_s=1.0)
            assert (answer.status, answer.error["code"]) == (401, "invalid_api_key"), (method, path, keys)

    async def work() -> None:
        engine = misbehaving_engine(tmp_path)
        async with open_port(home, engine, tiny_chat_gguf, bind=("0.0.0.0", "::1")) as port:
            for method, path in ROUTES:
                await refusals(port, method, path)
            for host in ("127.0.0.1", "localhost", "[::1]", *own):
                answer = await port.ask(port.head("GET", "/v1/models", {"Host": f"{host}:{port.number}"}))
                assert answer.status == 200, host

    run(work())


@pytest.mark.accept(6)
def test_each_rule_is_felt_at_the_wire_in_both_positions(with_port: Any, tmp_path: Path) -> None:
    page = b"https://tool.example:8443"

    async def work(port: Port) -> None:
        rules = [Rules(hosts=host_names(LOOPBACK, 0))]
        guarded = Guard(_hello, port.core.keys, lambda: rules[0])
        other = Listeners(port_app=guarded, control_app=_hello, control_socket=tmp_path / "control.sock", port=0)
        await other.start()
        try:
            seen = Port(port.core, other, port.key, port.models)
            rules[0] = Rules(hosts=other.hosts)
            from_page = {"Origin": page.decode()}
            assert (await seen.ask(seen.head("GET", "/", from_page))).status == 403
            assert (await seen.ask(seen.head("GET", "/", key=False))).status == 401
            rules[0] = Rules(hosts=other.hosts, origins=frozenset({page}))
            allowed = await seen.ask(seen.head("GET", "/", from_page))
            assert (allowed.status, allowed.headers["access-control-allow-origin"]) == (200, page.decode())
            assert "access-control-allow-credentials" not in allowed.headers
            for near in ("https://tool.example", "http://tool.example:8443", "https://tool.example:8443.evil.example"):
                assert (await seen.ask(seen.head("GET", "/", {"Origin": near}))).status == 403
            asked = {**from_page, "Access-Control-Request-Method": "POST"}
            assert (await seen.ask(seen.head("OPTIONS", "/", asked, key=False))).status == 204
            assert (await seen.ask(seen.head("GET", "/", from_page, key=False))).status == 401
            rules[0] = Rules(hosts=other.hosts, require_key=False)
            assert (await seen.ask(seen.head("GET", "/", key=False))).status == 200
            assert (await seen.ask(seen.head("GET", "/", {"Host": "evil.example"}, key=False))).status == 403
        finally:
            await other.close(0)

    with_port(work)


# Line 7

ROUTE_TABLE = {
    ("GET", "/health"),
    ("GET", "/v1/models"),
    ("GET", "/v1/models/{model_id}"),
    ("POST", "/v1/chat/completions"),
    ("POST", "/v1/completions"),
    ("POST", "/v1/embeddings"),
    ("POST", "/v1/rerank"),
    ("POST", "/v1/files/search"),
}
NOT_HERE = [
    "/v1/files",
    "/v1/files/roots",
    "/v1/files/remove",
    "/v1/files/list",
    "/v1/files/preview",
    "/v1/files/open",
    "/v1/files/collections",
    "/v1/files/why",
    "/jackdaw/v1/files/search",
    "/jackdaw/v1/files/roots",
    "/jackdaw/v1/status",
    "/jackdaw/v1/models/import",
    "/jackdaw/v1/keys",
    "/jackdaw/v1/settings",
    "/api/pull",
    "/api/delete",
    "/api/create",
    "/api/push",
    "/v1/files",
    "/models/load",
    "/props",
    "/slots/0?action=save",
    "/lora-adapters",
    "/tools",
    "/cors-proxy",
    "/v1/models/../../jackdaw/v1/status",
    "/v1/%2e%2e/jackdaw/v1/status",
    "//jackdaw/v1/status",
]


@pytest.mark.accept(7)
def test_the_port_has_these_routes_and_no_others(with_port: Any) -> None:
    async def work(port: Port) -> None:
        routes = {
            (method, route.path)
            for route in port_routes(port.core)
            for method in (route.methods or ())
            if method != "HEAD"
        }
        assert routes == ROUTE_TABLE
        for path in NOT_HERE:
            for method in ("GET", "POST", "DELETE"):
                body = {"Content-Type": "application/json", "Content-Length": "2"} if method == "POST" else {}
                answer = await port.ask(port.head(method, path, body) + (b"{}" if body else b""))
                assert answer.status == 404, (method, path, answer)
                assert answer.error["type"] == "not_found_error"
        wrong = await port.ask(port.head("DELETE", "/v1/models/tiny-chat"))
        assert (wrong.status, wrong.error["code"]) == (405, "bad_method")

    with_port(work)


# Lines 10 and 11; with the real deadlines, and line 12, in test_port_load.py


@pytest.mark.accept(10)
@pytest.mark.parametrize("part", ["nothing", "headers", "body"])
def test_connections_that_stop_halfway_are_closed_while_a_stream_runs(with_port: Any, part: str) -> None:
    """The deadlines are 10 s and 60 s; the test shortens them, and the table of defaults is checked below."""

    async def dribble(port: Port) -> float:
        reader, writer = await asyncio.open_connection("127.0.0.1", port.number)
        start = time.monotonic()
        writer.write(
            {
                "nothing": b"",
                "headers": port.head("POST", "/v1/chat/completions")[:-10],
                "body": port.head(
                    "POST", "/v1/chat/completions", {"Content-Length": "100", "Content-Type": "application/json"}
                )
                + b"{",
            }[part]
        )
        answer = await reader.read()
        writer.close()
        assert answer.startswith(b"HTTP/1.1 408 ")
        return time.monotonic() - start

    async def work(port: Port) -> None:
        stream = asyncio.create_task(_ticks(port))
        times = await asyncio.gather(*(dribble(port) for _ in range(200)))
        assert max(times) < 5.0
        assert await stream > 20

    with_port(work, Limits(headers_timeout_s=1.0, body_timeout_s=1.0))


@pytest.mark.accept(10)
def test_the_deadlines_are_within_the_promised_time() -> None:
    limits = Limits()
    assert limits.headers_timeout_s == 10.0
    assert limits.body_timeout_s == 60.0
    assert limits.write_stall_s == 60.0


@pytest.mark.accept(11)
@pytest.mark.parametrize("announced", [True, False])
def test_a_huge_body_is_refused_without_taking_it_in(with_port: Any, announced: bool) -> None:
    async def work(port: Port) -> None:
        await port.chat("good", stream=True)
        before = psutil.Process().memory_info().rss
        size = {"Content-Length": str(64 * MEBIBYTE)} if announced else {"Transfer-Encoding": "chunked"}
        reader, writer = await asyncio.open_connection("127.0.0.1", port.number)
        writer.write(port.head("POST", "/v1/chat/completions", {**size, "Content-Type": "application/json"}))
        peak = 0
        with contextlib.suppress(ConnectionError):
            for _ in range(64):
                data = b" " * MEBIBYTE
                writer.write(data if announced else b"%x\r\n%b\r\n" % (len(data), data))
                await writer.drain()
                peak = max(peak, psutil.Process().memory_info().rss - before)
        answer = await read_answer(reader)
        writer.close()
        assert (answer.status, answer.error["code"]) == (413, "body_too_large")
        assert peak < 100 * MEBIBYTE

    with_port(work)


@pytest.mark.accept(11)
def test_two_ways_to_tell_a_length_are_one_too_many(with_port: Any) -> None:
    async def work(port: Port) -> None:
        both = {"Content-Length": "5", "Transfer-Encoding": "chunked", "Content-Type": "application/json"}
        answer = await port.ask(port.head("POST", "/v1/chat/completions", both) + b"0\r\n\r\n")
        assert answer.status == 400

    with_port(work)


@pytest.mark.parametrize("name", ["a header of 20 KB", "1,000 headers", "a path of 20 KB"])
def test_large_headers_are_refused(with_port: Any, name: str) -> None:
    async def work(port: Port) -> None:
        head = port.head("GET", "/v1/models")
        request = {
            "a header of 20 KB": head[:-2] + b"X-Long: " + b"a" * 20_000 + b"\r\n\r\n",
            "1,000 headers": head[:-2] + b"".join(b"X-%d: aaaaaaaaaaaa\r\n" % i for i in range(1000)) + b"\r\n",
            "a path of 20 KB": head.replace(b"/v1/models", b"/v1/models" + b"x" * 20_000),
        }[name]
        assert (await port.ask(request)).status == 431

    with_port(work)


@pytest.mark.accept(35)
def test_a_port_that_is_taken_is_named_and_taken_over_when_it_is_free(
    home: Paths, tiny_chat_gguf: Path, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        number = holder.getsockname()[1]

        async def work() -> None:
            async with open_port(home, misbehaving_engine(tmp_path), tiny_chat_gguf, number=number) as port:
                assert not port.listeners.open
                assert f"Port {number} is held by" in port.listeners.problem
                assert str(psutil.Process().pid) in port.listeners.problem
                holder.close()
                async with asyncio.timeout(10):
                    while not port.listeners.open:
                        await asyncio.sleep(0.01)
                assert port.number == number
                assert (await port.ask(port.head("GET", "/v1/models"))).status == 200

        run(work())


async def _ticks(port: Port, seconds: float = 2.0) -> int:
    """How many events a slow stream brings in so many seconds."""
    body = b'{"model": "%b", "messages": [{"role": "user", "content": "slow"}], "stream": true}' % port.model.encode()
    head = port.head(
        "POST", "/v1/chat/completions", {"Content-Type": "application/json", "Content-Length": str(len(body))}
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", port.number)
    writer.write(head + body)
    await reader.readuntil(b"data: ")
    events = 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while data := await reader.read(65536):
                events += data.count(b"data: ")
    writer.close()
    return events


async def _hello(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})
