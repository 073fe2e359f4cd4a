"""The one way out: what is refused, where a token goes, and that no other module reaches the network."""

from __future__ import annotations

import ast
import asyncio
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from models.errors import AirGapped, NetworkError, RedirectRefused
from models.network import Network, NetworkRules, is_loopback, no_answer, origin, refuse
from tests.fake_hub import FakeHub

ROOT = Path(__file__).parents[2]
PUBLIC = NetworkRules("https://huggingface.co")
LOCAL = NetworkRules("http://127.0.0.1:5000")


@pytest.mark.accept(15)
@pytest.mark.parametrize(
    "url",
    [
        "http://huggingface.co/api",
        "http://192.0.2.1/",
        "ftp://huggingface.co/",
        "file:///etc/passwd",
        "https://",
        "https://a..b/",
        "https://xn--/",
        f"https://{'a' * 64}.example/",
        "https://user:password@huggingface.co/",
        "https://127.0.0.1/admin",
        "http://127.0.0.1:8080/admin",
        "http://localhost/admin",
        "http://[::1]/admin",
        "http://[::ffff:127.0.0.1]/admin",
        "https://10.0.0.1/",
        "https://192.168.1.1/",
        "https://169.254.169.254/latest/meta-data",
        "https://[fe80::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://0.0.0.0/",
    ],
)
def test_a_public_hub_leads_nowhere_unsafe(url: str) -> None:
    with pytest.raises(RedirectRefused) as refused:
        refuse(httpx.URL(url), PUBLIC)

    assert "password@" not in refused.value.message


@pytest.mark.parametrize(
    ("url", "rules"),
    [
        ("https://huggingface.co/api", PUBLIC),
        ("https://cdn-lfs.hf.co/x?signature=1", PUBLIC),
        ("https://8.8.8.8/", PUBLIC),
        ("http://127.0.0.1:5000/api", LOCAL),
        ("http://localhost:6000/cdn", LOCAL),
        ("https://10.1.2.3/api", NetworkRules("https://10.1.2.3")),
    ],
)
def test_what_the_hub_needs_is_let_through(url: str, rules: NetworkRules) -> None:
    refuse(httpx.URL(url), rules)


@pytest.mark.accept(31)
@pytest.mark.parametrize("url", ["https://huggingface.co/", "http://127.0.0.1:5000/", "nonsense"])
def test_with_the_air_gap_on_nothing_is_asked(url: str) -> None:
    with pytest.raises(AirGapped, match="air-gapped"):
        refuse(httpx.URL(url), replace(LOCAL, air_gapped=True))


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("localhost", True),
        ("localhost.example.com", False),
        ("127.0.0.1.example.com", False),
        ("0.0.0.0", False),
        ("10.0.0.1", False),
    ],
)
def test_which_hosts_are_this_machine(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


@pytest.mark.parametrize(
    ("url", "same"),
    [
        ("https://hub.example/x", True),
        ("https://HUB.example:443/x", True),
        ("https://hub.example:8443/x", False),
        ("http://hub.example/x", False),
        ("https://hub.example.evil/x", False),
        ("https://sub.hub.example/x", False),
    ],
)
def test_the_token_knows_one_origin(url: str, same: bool) -> None:
    network = Network(lambda: NetworkRules("https://hub.example/"))

    assert network.is_endpoint(url) is same
    assert network.endpoint == "https://hub.example"
    assert (origin(httpx.URL(url)) == ("https", "hub.example", 443)) is same


@pytest.fixture
def fake() -> Iterator[FakeHub]:
    with FakeHub() as fake:
        fake.add_repo("acme/tiny", {"m.gguf": bytes(4 << 20)})
        yield fake


def file_of(fake: FakeHub) -> str:
    return f"{fake.endpoint}/acme/tiny/resolve/main/m.gguf"


@pytest.mark.accept(15)
def test_a_client_that_sends_its_token_everywhere_cannot(fake: FakeHub) -> None:
    """The rule stands below the client: a caller's mistake is not enough to tell a token to somebody else."""
    network = Network(lambda: NetworkRules(fake.endpoint))
    mine = {"authorization": "Bearer hf_secret"}

    async def ask_async() -> None:
        async with network.async_client() as client:
            await client.get(f"{fake.url('cdn')}/x", headers=mine)

    with network.client() as client:
        client.get(f"{fake.url('stranger')}/x", headers=mine)
    asyncio.run(ask_async())

    assert [seen.token for seen in fake.seen("stranger") + fake.seen("cdn")] == ["", ""]


@pytest.mark.accept(31)
def test_an_answer_under_way_ends_when_the_air_gap_is_switched_on(fake: FakeHub) -> None:
    fake.rate = 1 << 20
    rules = NetworkRules(fake.endpoint)
    network = Network(lambda: rules)
    with network.client() as client, client.stream("GET", file_of(fake)) as response:
        chunks = response.iter_raw()
        next(chunks)
        rules = replace(rules, air_gapped=True)
        with pytest.raises(AirGapped):
            list(chunks)

    async def under_way() -> None:
        nonlocal rules
        async with network.async_client() as client, client.stream("GET", file_of(fake)) as response:
            async for _ in response.aiter_raw():
                rules = replace(rules, air_gapped=True)

    rules = replace(rules, air_gapped=False)
    with pytest.raises(AirGapped):
        asyncio.run(under_way())


def test_a_proxy_of_the_settings_is_used_from_the_next_request_on(fake: FakeHub) -> None:
    """Here the proxy is a port where nobody listens: what reaches the Hub went around it."""
    rules = NetworkRules("https://hub.invalid")
    network = Network(lambda: rules)
    with network.client() as client:
        with pytest.raises(httpx.ConnectError):
            client.get("https://hub.invalid/")
        rules = replace(rules, proxy=f"{fake.endpoint}")
        with pytest.raises(httpx.ProxyError):  # the fake Hub answers CONNECT with an error
            client.get("https://hub.invalid/")
        rules = replace(rules, endpoint=fake.endpoint)
        assert client.get(f"{fake.endpoint}/api/models").status_code == 200  # this machine needs no proxy


def test_a_proxy_that_is_none_is_said_so() -> None:
    network = Network(lambda: NetworkRules(proxy="nonsense://x"))
    with network.client() as client, pytest.raises(NetworkError, match="proxy of the settings"):
        client.get("https://huggingface.co/")


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (httpx.ConnectTimeout(""), "did not answer within 10 s"),
        (httpx.ReadTimeout(""), "fell silent for 30 s"),
        (httpx.ConnectError("no route"), "cannot be reached: no route"),
        (httpx.ProxyError("407"), "through the proxy"),
        (httpx.RemoteProtocolError(""), "broke the connection off"),
    ],
)
def test_a_failure_names_the_host_and_what_happened(error: httpx.HTTPError, says: str) -> None:
    said = no_answer(error, "https://hub.example/x?signature=secret")

    assert "hub.example" in said.message and says in said.message
    assert "secret" not in said.message
    assert said.kind == "offline"


def test_making_clients_from_many_threads_is_safe() -> None:
    network = Network(lambda: PUBLIC)
    contexts: list[object] = []
    threads = [threading.Thread(target=lambda: contexts.append(network.tls())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(contexts) == 8 and len(set(map(id, contexts))) == 1


# What may open a connection, and why it is not the outside.
NETWORK_MODULES = {"httpx", "httpx2", "requests", "urllib", "urllib3", "aiohttp", "socket", "http", "huggingface_hub"}
NETWORK_MODULES |= {"websockets", "ftplib", "smtplib", "telnetlib", "xmlrpc", "hf_xet", "socketserver", "ollama"}
HARMLESS = {"urllib.parse", "http.HTTPStatus"}  # text only
ALLOWED = {
    "models/network.py": {"httpx"},  # the way out
    "models/network_stream.py": {"httpx", "http", "socket"},  # its part for large bodies, under the same checks
    "models/hub/answer.py": {"httpx"},  # types and errors; its clients are arguments
    "models/hub/client.py": {"httpx"},
    "models/hub/remote_header.py": {"httpx"},
    "models/hub/session.py": {"httpx", "httpx2", "huggingface_hub"},  # a client whose transport is ours
    "models/worker.py": {"socket"},  # a socketpair with a child
    "models/worker_loop.py": {"socket"},  # its other end
    "rag/embedding/ollama_server.py": {"ollama"},  # a client whose transport is ours
    "desktop/client.py": {"httpx"},  # our own service, over its Unix socket
    "desktop/connection.py": {"httpx"},
    "desktop/event_stream.py": {"httpx"},
    "desktop/service/http_protocol.py": {"http", "socket"},  # the server's side
    "desktop/service/listeners.py": {"socket"},
    "desktop/service/logs.py": {"socket"},
    "desktop/qt/signals.py": {"socket"},  # a socketpair that wakes Qt up
}


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.accept(31)
def test_only_the_network_module_reaches_the_network() -> None:
    found: dict[str, set[str]] = {}
    for package in ("desktop", "rag", "engine", "models"):
        for path in sorted((ROOT / package).rglob("*.py")):
            names = {name for name in imported(path) if not any(name.startswith(text) for text in HARMLESS)}
            if used := {name.partition(".")[0] for name in names} & NETWORK_MODULES:
                found[path.relative_to(ROOT).as_posix()] = used

    unexpected = {file: used - ALLOWED.get(file, set()) for file, used in found.items()}
    assert {file: used for file, used in unexpected.items() if used} == {}
    assert "models/network.py" in found  # the test looks where it should


@pytest.mark.accept(31)
def test_only_the_network_module_makes_clients_and_transports_for_the_outside() -> None:
    makers = {"Client", "AsyncClient", "HTTPTransport", "AsyncHTTPTransport", "get", "post", "stream", "request"}
    found = set()
    for package in ("rag", "engine", "models"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in makers:
                    owner = node.func.value
                    if isinstance(owner, ast.Name) and owner.id in ("httpx", "httpx2"):
                        found.add(f"{path.relative_to(ROOT).as_posix()}: {owner.id}.{node.func.attr}")

    assert found == {
        "models/network.py: httpx.Client",
        "models/network.py: httpx.AsyncClient",
        "models/network.py: httpx.HTTPTransport",
        "models/network.py: httpx.AsyncHTTPTransport",
        "models/hub/session.py: httpx2.Client",  # with a transport that hands every request to ours
    }
