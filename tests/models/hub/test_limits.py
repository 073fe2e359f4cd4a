"""A hostile Hub: answers without end, packed bombs, redirects elsewhere; and where the token goes."""

from __future__ import annotations

import os
import resource
import time
from pathlib import Path

import pytest

from models.errors import AirGapped, HubTrouble, NetworkError, Offline, RedirectRefused, TooLarge
from models.hub.answer import MAX_CARD_BYTES, fetch
from models.hub.types import HubQuery
from models.network import Network, NetworkRules
from tests.fake_hub import FakeHub, Fault
from tests.models.hub.conftest import Side

MIB = 1 << 20


def peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@pytest.mark.accept(13)
@pytest.mark.parametrize("kind", ["gzip_bomb", "endless"])
@pytest.mark.parametrize("what", ["search", "repo", "card"])
def test_an_answer_without_end_stops_at_the_cap(kind: Fault, what: str, fake: FakeHub, side: Side) -> None:
    repo = fake.add_repo("acme/tiny", {"config.json": b"{}"}, card="# x")
    fake.fault(kind, skip=1 if what == "card" else 0)  # a card's address is a redirect first
    calls = {
        "search": lambda hub: hub.search(HubQuery("x")),
        "repo": lambda hub: hub.repo("acme/tiny"),
        "card": lambda hub: hub.card("acme/tiny", repo.main),
    }
    before, started = peak_bytes(), time.monotonic()

    with pytest.raises(TooLarge, match="reading was stopped"):
        side.ask(calls[what])

    assert time.monotonic() - started < 20
    assert peak_bytes() - before < 120 * MIB  # the bomb is sent 64 MiB at a time


@pytest.mark.accept(13)
def test_a_bomb_of_many_small_members_costs_no_more_than_its_cap(fake: FakeHub, side: Side) -> None:
    """What follows the first member was kept and copied with each chunk: the square of what came, for a minute."""
    fake.add_repo("acme/tiny", {"config.json": b"{}"}, card="# x")
    fake.fault("gzip_bomb", skip=1)
    started = time.process_time()

    with side.network.client() as client, pytest.raises(TooLarge):
        fetch(client, "GET", f"{fake.endpoint}/acme/tiny/resolve/main/README.md", max_bytes=MAX_CARD_BYTES)

    assert time.process_time() - started < 3


@pytest.mark.accept(13)
def test_a_redirect_with_a_bomb_for_a_body_is_followed_without_reading_it(fake: FakeHub, side: Side) -> None:
    """httpx reads a redirect's body whole, and unpacks it, before it goes on: this ran out of memory."""
    repo = fake.add_repo("acme/tiny", {"config.json": b"{}"}, card="# x")
    fake.fault("gzip_bomb", path="/README.md", times=1)
    before = peak_bytes()

    assert side.ask(lambda hub: hub.card("acme/tiny", repo.main)) == "# x\n"
    assert peak_bytes() - before < 120 * MIB


@pytest.mark.accept(13)
def test_a_header_without_end_stops_at_the_range_that_was_asked_for(
    fake: FakeHub, side: Side, tiny_chat_gguf: Path
) -> None:
    repo = fake.add_repo("acme/tiny", {"m.gguf": tiny_chat_gguf})
    fake.fault("endless", on="cdn")

    with pytest.raises(HubTrouble, match="does not send parts"):
        side.ask(lambda hub: hub.remote_header("acme/tiny", repo.main, "m.gguf"))


def test_an_answer_that_drips_ends_at_its_deadline(fake: FakeHub, side: Side) -> None:
    fake.add_repo("acme/tiny", {"m.gguf": bytes(MIB)})
    fake.rate = 64 * 1024

    with side.network.client() as client, pytest.raises(Offline, match="too slowly"):
        fetch(client, "GET", f"{fake.endpoint}/acme/tiny/resolve/main/m.gguf", deadline_s=0.3)


def test_silence_is_given_up_after_the_stall_limit(fake: FakeHub, side: Side) -> None:
    fake.fault("silent")

    with side.network.client(stall_s=0.3) as client, pytest.raises(Offline, match="fell silent"):
        fetch(client, "GET", f"{fake.endpoint}/api/models")


@pytest.mark.accept(15)
def test_the_token_goes_to_the_hub_and_never_to_the_second_host(
    fake: FakeHub, side: Side, tiny_chat_gguf: Path
) -> None:
    repo = fake.add_repo("acme/gated", {"m.gguf": tiny_chat_gguf}, gated="auto", granted=("somebody",), card="# x")
    side.token = "hf_good"

    side.ask(lambda hub: hub.search(HubQuery("gated")))
    side.ask(lambda hub: hub.repo("acme/gated"))
    side.ask(lambda hub: hub.card("acme/gated", repo.main))
    side.ask(lambda hub: hub.remote_header("acme/gated", repo.main, "m.gguf"))

    assert {seen.token for seen in fake.seen("hub")} == {"hf_good"}
    assert fake.seen("cdn")
    assert all("hf_good" not in str(seen.headers) + str(seen.query) for seen in fake.seen("cdn"))


@pytest.mark.accept(15)
@pytest.mark.parametrize("path", ["/api/models", "/api/models/acme/tiny/revision/main", "README.md", "m.gguf"])
def test_a_redirect_to_a_stranger_carries_no_token(path: str, fake: FakeHub, side: Side, tiny_chat_gguf: Path) -> None:
    repo = fake.add_repo("acme/tiny", {"m.gguf": tiny_chat_gguf}, card="# x")
    side.token = "hf_good"
    fake.fault("redirect", on="hub", path=path, location=f"{fake.url('stranger')}/elsewhere?next=1")
    calls = {
        "/api/models": lambda hub: hub.search(HubQuery("x")),
        "README.md": lambda hub: hub.card("acme/tiny", repo.main),
        "m.gguf": lambda hub: hub.remote_header("acme/tiny", repo.main, "m.gguf"),
    }

    with pytest.raises(Exception):  # noqa: B017 - what the stranger answers is no answer of a Hub, in several ways
        side.ask(calls.get(path, lambda hub: hub.repo("acme/tiny")))

    assert fake.seen("stranger")
    assert not any(seen.token for seen in fake.seen("stranger"))


@pytest.mark.accept(15)
@pytest.mark.parametrize(
    "location",
    ["http://example.com/x", "ftp://example.com/x", "file:///etc/passwd", "https://user:secret@127.0.0.1:1/x"],
)
def test_a_redirect_off_the_safe_ways_is_refused(location: str, fake: FakeHub, side: Side) -> None:
    fake.fault("redirect", location=location)

    with pytest.raises(NetworkError) as refused:
        side.ask(lambda hub: hub.search(HubQuery("x")))

    assert isinstance(refused.value, RedirectRefused | Offline)
    assert "secret" not in refused.value.message
    assert len(fake.requests) == 1


def test_a_circle_of_redirects_ends(fake: FakeHub, side: Side) -> None:
    fake.fault("redirect", location="/api/models")

    with pytest.raises(RedirectRefused, match="from one address to the next"):
        side.ask(lambda hub: hub.search(HubQuery("x")))


@pytest.mark.accept(15)
@pytest.mark.parametrize("endpoint", ["http://example.com", "http://192.0.2.1:8080", "http://[2001:db8::1]"])
def test_an_endpoint_without_encryption_is_refused(endpoint: str, side: Side) -> None:
    side.change(endpoint=endpoint)
    side.token = "hf_good"

    with pytest.raises(RedirectRefused, match="without encryption"):
        side.ask(lambda hub: hub.search(HubQuery("x")))


@pytest.mark.accept(31)
def test_the_air_gap_stops_every_action_of_the_hub_at_once(fake: FakeHub, side: Side, tiny_chat_gguf: Path) -> None:
    repo = fake.add_repo("acme/tiny", {"m.gguf": tiny_chat_gguf}, card="# x")
    side.token = "hf_good"
    actions = [
        lambda hub: hub.search(HubQuery("x")),
        lambda hub: hub.repo("acme/tiny"),
        lambda hub: hub.card("acme/tiny", repo.main),
        lambda hub: hub.remote_header("acme/tiny", repo.main, "m.gguf"),
        lambda hub: hub.whoami(),
    ]
    side.ask(actions[0])  # works, and leaves a connection that could be used again
    before = len(fake.requests)
    side.change(air_gapped=True)
    for action in actions:
        started = time.monotonic()
        with pytest.raises(AirGapped, match="air-gapped"):
            side.ask(action)
        assert time.monotonic() - started < 1
    assert len(fake.requests) == before

    side.change(air_gapped=False)
    for action in actions:
        side.ask(action)


@pytest.mark.skipif("GITHUB_ACTIONS" in os.environ, reason="their resolver answers for names that do not exist")
def test_a_host_that_is_not_there_is_offline_with_its_name() -> None:
    network = Network(lambda: NetworkRules("https://hub.invalid"))

    with network.client() as client, pytest.raises(Offline, match=r"hub\.invalid cannot be reached") as refused:
        fetch(client, "GET", "https://hub.invalid/api/models")

    assert refused.value.host == "hub.invalid"
