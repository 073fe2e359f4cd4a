"""Through a proxy and with certificates: what goes which way, and what is said when it cannot."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from models.download import DownloadSpec, RemoteFile, fetch
from models.errors import ModelsError, NetworkError, Offline
from models.hub.client import Hub
from models.network import Network, NetworkRules, no_answer
from models.network_stream import Puller
from models.progress import Cancel
from tests.fake_hub import FakeHub
from tests.models.download.rig import QUICK
from tests.outside import CERTIFICATE, Outside

REPO = "acme/tiny"
CONTENT = bytes(range(256)) * 2000
HUB = "https://hub.example"


@pytest.fixture
def fake() -> Iterator[FakeHub]:
    with FakeHub() as fake:
        fake.add_repo(REPO, {"m.gguf": CONTENT})
        yield fake


def network(proxy: str, *, endpoint: str = HUB, trusts: bool = True) -> Network:
    """A network that goes through `proxy`, and trusts the authority of the tests, or nobody it should not."""
    made = Network(lambda: NetworkRules(endpoint, proxy))
    if trusts:
        made.tls().load_verify_locations(CERTIFICATE)
    return made


async def get_model(way: Network, folder: Path) -> bytes:
    """What a search finds, and the bytes that a download brings of it."""
    hub = Hub(way, lambda: None)
    try:
        info = await hub.repo(REPO)
        header = [file for file in info.files if file.path == "m.gguf"]
    finally:
        hub.close()
    files = tuple(RemoteFile(file.path, file.bytes, file.sha256) for file in header)
    spec = DownloadSpec(REPO, info.commit, files, folder)
    (path,) = await fetch(spec, way, lambda: None, lambda progress: None, Cancel(), limits=QUICK)
    return path.read_bytes()


def both_ways(way: Network) -> list[str]:
    """What is said when the Hub is asked, and when a file is fetched."""
    said = []
    with way.client() as client, pytest.raises((httpx.HTTPError, ModelsError)) as asked:
        client.get(f"{HUB}/api/models")
    error = asked.value
    said.append(no_answer(error, HUB) if isinstance(error, httpx.HTTPError) else error)
    puller = Puller(way, connect_s=0.3)
    with pytest.raises(ModelsError) as fetched:
        puller.get(f"{HUB}/x", {})
    puller.close()
    said.append(fetched.value)
    assert type(said[0]) is type(said[1])
    return [str(one) for one in said]


def test_questions_and_files_go_through_the_proxy_and_nothing_beside_it(fake: FakeHub, tmp_path: Path) -> None:
    """The names of the hosts mean nothing but to the proxy: anything that went directly would have failed."""
    with Outside(fake) as outside:
        assert asyncio.run(get_model(network(outside.proxy), tmp_path)) == CONTENT
        asked = set(outside.asked)
        with pytest.raises(Offline):  # the same without a proxy
            asyncio.run(get_model(network(""), tmp_path))

    assert asked == {"CONNECT hub.example:443", "CONNECT cdn.example:443"}
    assert fake.seen("hub", path="/m.gguf") and fake.seen("cdn", "GET", "m.gguf")


@pytest.mark.parametrize("answer", ["407 Proxy Authentication Required", "502 Bad Gateway"])
def test_a_proxy_that_refuses_is_named(fake: FakeHub, answer: str) -> None:
    with Outside(fake, answer=answer) as outside:
        for said in both_ways(network(outside.proxy)):
            assert "hub.example cannot be reached through the proxy" in said and answer[:3] in said


def test_a_proxy_that_nobody_can_reach_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    for said in both_ways(network(f"http://127.0.0.1:{port}")):
        assert "hub.example cannot be reached through the proxy: 127.0.0.1" in said


def test_a_proxy_without_an_address_is_named() -> None:
    for said in both_ways(network("http://proxy.invalid:3128")):
        assert "hub.example cannot be reached through the proxy: proxy.invalid" in said


def test_a_proxy_that_never_answers_is_given_up_for_a_file(fake: FakeHub) -> None:
    with Outside(fake, silent=True) as outside:
        puller = Puller(network(outside.proxy), connect_s=0.2)
        with pytest.raises(Offline, match=r"through the proxy: 127\.0\.0\.1: no answer"):
            puller.get(f"{HUB}/x", {})
        puller.close()


@pytest.mark.parametrize("proxy", ["https://proxy.example:3128", "socks5://127.0.0.1:1080", "proxy.example:3128"])
def test_a_proxy_of_another_kind_is_refused_for_questions_and_files_alike(proxy: str) -> None:
    assert both_ways(network(proxy)) == ["The proxy of the settings cannot be used."] * 2


@pytest.mark.accept(15)
def test_a_certificate_nobody_vouches_for_ends_it_before_a_byte_is_said(fake: FakeHub, tmp_path: Path) -> None:
    with Outside(fake) as outside:
        way = network(outside.proxy, trusts=False)
        for said in both_ways(way):
            assert "hub.example showed a certificate that is not trusted (self-signed certificate" in said
        with pytest.raises(NetworkError, match="not trusted"):
            asyncio.run(get_model(way, tmp_path))
    assert fake.requests == []


@pytest.mark.accept(15)
def test_a_certificate_of_another_host_is_no_better_with_a_trusted_authority(fake: FakeHub) -> None:
    with Outside(fake) as outside:
        way = network("", endpoint=f"https://127.0.0.1:{outside.door('hub.example')}")
        with way.client() as client, pytest.raises(httpx.ConnectError) as refused:
            client.get(f"{way.endpoint}/api/models")
        assert "not trusted (IP address mismatch" in str(no_answer(refused.value, way.endpoint))
        puller = Puller(way)
        with pytest.raises(NetworkError, match="not trusted"):
            puller.get(f"{way.endpoint}/x", {})
        puller.close()
    assert fake.requests == []


@pytest.mark.accept(15)
def test_a_file_whose_store_cannot_be_trusted_is_not_tried_again_and_again(fake: FakeHub, tmp_path: Path) -> None:
    """The Hub is this machine's own, and leads to a store with a certificate that is worth nothing here."""
    with Outside(fake) as outside:
        fake.called = {"cdn": f"https://localhost:{outside.door('cdn.example')}"}
        way = network("", endpoint=fake.endpoint, trusts=False)
        with pytest.raises(NetworkError, match="localhost showed a certificate"):
            asyncio.run(get_model(way, tmp_path))
    assert fake.seen("cdn") == []
    assert len(fake.seen("hub", "GET", "/m.gguf")) <= QUICK.connections
