"""The Hub through huggingface_hub and our network, against a Hub of our own on loopback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from models.errors import BadGguf, HubTrouble, LicenceNeeded, LoginNeeded, RateLimited, RepoNotFound, UnsafeName
from models.gguf import read_header
from models.hub.types import HubQuery
from tests.fake_hub import FakeHub
from tests.models.hub.conftest import Side

CARD = "---\nlicense: mit\n---\n# Tiny\n\n![picture](a.png) and [a file](docs/b.md).\n"


def test_a_search_gives_typed_rows_in_the_order_asked_for(fake: FakeHub, side: Side, tiny_chat_gguf: Path) -> None:
    files = {"tiny-Q8_0.gguf": tiny_chat_gguf}
    tags = ("text-generation", "conversational")
    fake.add_repo(
        "acme/one-GGUF", files, licence="mit", tags=tags, pipeline_tag="text-generation", downloads=5, likes=9
    )
    fake.add_repo("acme/two-GGUF", files, licence="apache-2.0", tags=tags, downloads=7, likes=1, gated="auto")
    fake.add_repo("acme/one", {"model.safetensors": b"x", "config.json": b"{}"}, tags=tags, downloads=99)

    page = side.ask(lambda hub: hub.search(HubQuery("gguf", author="acme", task="chat")))
    liked = side.ask(lambda hub: hub.search(HubQuery("gguf", sort="likes", licence="MIT")))
    plain = side.ask(lambda hub: hub.search(HubQuery("one", format="safetensors")))

    assert [model.repo for model in page.models] == ["acme/two-GGUF", "acme/one-GGUF"]
    assert page.next == ""
    assert page.models[0].gated and page.models[0].has_gguf
    (one,) = liked.models
    assert (one.licence, one.architecture, one.downloads, one.likes) == ("mit", "qwen2", 5, 9)
    assert one.params and one.updated_at > 1_700_000_000
    assert plain.models == ()  # the fake Hub gives no safetensors tag


def test_pages_follow_each_other_without_loss_or_repetition(fake: FakeHub, side: Side, tiny_chat_gguf: Path) -> None:
    for number in range(7):
        fake.add_repo(f"acme/m{number}", {"m.gguf": tiny_chat_gguf}, downloads=number)
    seen: list[str] = []
    cursor = ""
    for _ in range(4):
        page = side.ask(lambda hub, cursor=cursor: hub.search(HubQuery(author="acme", limit=3, next=cursor)))
        seen += [model.name for model in page.models]
        cursor = page.next
        if not cursor:
            break

    assert seen == ["m6", "m5", "m4", "m3", "m2", "m1", "m0"]
    assert len(fake.seen("hub", path="/api/models")) == 3


def test_an_architecture_is_looked_for_over_several_pages(fake: FakeHub, side: Side, tiny_chat_gguf: Path) -> None:
    for number in range(130):
        gguf = {"architecture": "llama" if number else "rare", "total": 1, "context_length": 1}
        fake.add_repo(f"acme/m{number}", {"m.gguf": tiny_chat_gguf}, downloads=number, gguf=gguf)

    page = side.ask(lambda hub: hub.search(HubQuery(architecture="rare")))

    assert [model.name for model in page.models] == ["m0"]


def test_a_repository_is_pinned_to_its_commit_and_its_files_are_grouped(
    fake: FakeHub, side: Side, tiny_chat_gguf: Path
) -> None:
    repo = fake.add_repo(
        "acme/tiny-GGUF",
        {
            "tiny-Q4_K_M.gguf": tiny_chat_gguf,
            "tiny-F16.gguf": tiny_chat_gguf,
            "mmproj-F16.gguf": tiny_chat_gguf,
            "../evil.gguf": b"x",
            "setup.py": b"x",
        },
        licence="mit",
        card_data={"base_model": "acme/tiny", "license_link": "https://example.org/licence"},
    )

    info = side.ask(lambda hub: hub.repo("acme/tiny-GGUF"))

    assert info.commit == repo.main
    assert {variant.name for variant in info.variants} == {"F16", "Q4_K_M"}
    assert all(file.sha256 and file.bytes == tiny_chat_gguf.stat().st_size for file in info.variants[0].files)
    assert info.variants[0].projector and info.variants[0].projector.path == "mmproj-F16.gguf"
    assert [variant.name for variant in info.variants if variant.recommended] == ["F16"]
    assert (info.licence, info.licence_url, info.base_model) == ("mit", "https://example.org/licence", "acme/tiny")
    assert (info.access, info.gated, info.context_length) == ("open", False, 4096)
    assert "../evil.gguf" not in {file.path for file in info.files}


@pytest.mark.parametrize(
    ("token", "granted", "access"),
    [(None, (), "log_in"), ("hf_good", (), "accept_licence"), ("hf_good", ("somebody",), "granted")],
)
def test_a_gated_repository_says_what_is_missing(
    token: str | None, granted: tuple[str, ...], access: str, fake: FakeHub, side: Side, tiny_chat_gguf: Path
) -> None:
    fake.add_repo("acme/gated", {"m-Q8_0.gguf": tiny_chat_gguf}, gated="manual", granted=granted)
    side.token = token

    info = side.ask(lambda hub: hub.repo("acme/gated"))

    assert (info.gated, info.access) == (True, access)


def test_the_card_stands_by_itself(fake: FakeHub, side: Side) -> None:
    repo = fake.add_repo("acme/tiny", {"config.json": b"{}"}, card=CARD)
    fake.add_repo("acme/bare", {"config.json": b"{}"})

    assert side.ask(lambda hub: hub.card("acme/tiny")) == (
        "# Tiny\n\n"
        f"![picture]({fake.endpoint}/acme/tiny/resolve/{repo.main}/a.png)"
        f" and [a file]({fake.endpoint}/acme/tiny/blob/{repo.main}/docs/b.md).\n"
    )
    assert side.ask(lambda hub: hub.card("acme/bare")) == ""


def test_a_header_is_read_by_ranges_and_once(fake: FakeHub, side: Side, tiny_chat_gguf: Path) -> None:
    repo = fake.add_repo("acme/tiny", {"m.gguf": tiny_chat_gguf})

    first = side.ask(lambda hub: hub.remote_header("acme/tiny", repo.main, "m.gguf"))
    again = side.ask(lambda hub: hub.remote_header("acme/tiny", repo.main, "m.gguf"))

    assert first.header == read_header(tiny_chat_gguf)
    assert first.bytes_read < tiny_chat_gguf.stat().st_size
    assert again == first
    assert len(fake.seen(path="m.gguf")) == 2  # the redirect and the range
    assert sum(seen.sent for seen in fake.seen("cdn")) == first.bytes_read


def test_a_file_that_is_no_model_is_refused_before_it_is_fetched(fake: FakeHub, side: Side) -> None:
    repo = fake.add_repo("acme/bad", {"m.gguf": b"PK\3\4" + bytes(2_000_000), "empty.gguf": b""})

    for name in ("m.gguf", "empty.gguf"):
        with pytest.raises(BadGguf, match=f"{name} is refused"):
            side.ask(lambda hub, name=name: hub.remote_header("acme/bad", repo.main, name))

    assert sum(seen.sent for seen in fake.seen("cdn")) < 600_000


def test_a_server_without_ranges_is_not_read_to_the_end(fake: FakeHub, side: Side, tiny_chat_gguf: Path) -> None:
    repo = fake.add_repo("acme/tiny", {"m.gguf": tiny_chat_gguf})
    fake.fault("ignore_range", on="cdn")

    with pytest.raises(HubTrouble, match="does not send parts"):
        side.ask(lambda hub: hub.remote_header("acme/tiny", repo.main, "m.gguf"))


def test_whose_token_it_is(fake: FakeHub, side: Side) -> None:
    side.token = "hf_good"
    assert side.ask(lambda hub: hub.whoami()).name == "somebody"
    side.token = None
    with pytest.raises(LoginNeeded, match="no token"):
        side.ask(lambda hub: hub.whoami())
    side.token = "hf_bad"
    with pytest.raises(LoginNeeded, match="does not accept"):
        side.ask(lambda hub: hub.whoami())


@pytest.mark.parametrize(
    ("status", "code", "kind", "says"),
    [
        (401, "GatedRepo", LoginNeeded, "who asks"),
        (403, "GatedRepo", LicenceNeeded, "terms of acme/tiny are not accepted"),
        (404, "RepoNotFound", RepoNotFound, "not on 127.0.0.1, or it is private"),
        (401, "RepoNotFound", RepoNotFound, "not on 127.0.0.1, or it is private"),
        (404, "RevisionNotFound", RepoNotFound, "no such branch"),
        (500, "", HubTrouble, "trouble of its own"),
        (503, "", HubTrouble, "trouble of its own"),
        (418, "", HubTrouble, "refused the request"),
    ],
)
def test_each_refusal_has_its_own_sentence(
    status: int, code: str, kind: type[Exception], says: str, fake: FakeHub, side: Side
) -> None:
    fake.add_repo("acme/tiny", {"config.json": b"{}"})
    fake.fault("status", status=status, code=code)

    with pytest.raises(kind, match=says) as refused:
        side.ask(lambda hub: hub.repo("acme/tiny"))

    assert len(fake.requests) == 1  # nothing is tried again behind the user's back
    if isinstance(refused.value, LicenceNeeded):
        assert refused.value.url == f"{fake.endpoint}/acme/tiny"


@pytest.mark.parametrize(("stated", "seconds"), [("7", 7.0), ("", 60.0), ("nonsense", 60.0), ("999999", 3600.0)])
def test_too_many_requests_say_how_long_to_wait(stated: str, seconds: float, fake: FakeHub, side: Side) -> None:
    fake.fault("status", status=429, retry_after=stated)

    with pytest.raises(RateLimited, match=f"wait {seconds:.0f} s") as refused:
        side.ask(lambda hub: hub.search(HubQuery("x")))

    assert refused.value.retry_after_s == seconds
    assert len(fake.requests) == 1


@pytest.mark.parametrize("repo", ["../etc", "a/b/c", "a", "a/b\n"])
def test_names_that_are_none_are_never_sent(repo: str, fake: FakeHub, side: Side) -> None:
    with pytest.raises(UnsafeName):
        side.ask(lambda hub: hub.repo(repo))
    with pytest.raises(UnsafeName):
        side.ask(lambda hub: hub.card(repo))
    assert not fake.requests


def test_an_answer_that_is_none_is_said_to_be_none(fake: FakeHub, side: Side) -> None:
    fake.add_repo("acme/tiny", {"config.json": b"{}"}, config={"x": 1})
    fake.repos["acme/tiny"].gguf = {"total": "many", "architecture": 7, "context_length": -1}
    assert side.ask(lambda hub: hub.repo("acme/tiny")).context_length == 0

    fake.repos["acme/tiny"].safetensors = {"wrong": True}
    with pytest.raises(HubTrouble, match="not an answer"):
        side.ask(lambda hub: hub.repo("acme/tiny"))


def test_the_users_environment_decides_nothing(fake: FakeHub) -> None:
    """In a process of its own: huggingface_hub reads its variables once, when it is imported."""
    fake.add_repo("acme/tiny", {"config.json": b"{}"}, card="x")
    script = """
import asyncio, os, sys
from models.hub.client import Hub
from models.hub.types import HubQuery
from models.network import Network, NetworkRules
hub = Hub(Network(lambda: NetworkRules(sys.argv[1])), lambda: None)
asyncio.run(hub.repo("acme/tiny")); asyncio.run(hub.search(HubQuery("tiny", format="any")))
assert os.environ["HF_TOKEN"] == "hf_environment"
hub.close()
"""
    hostile = {
        "HF_ENDPOINT": "http://evil.invalid",
        "HF_TOKEN": "hf_environment",
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_ETAG_TIMEOUT": "nonsense",
        "HTTP_PROXY": "http://evil.invalid:1",
        "ALL_PROXY": "http://evil.invalid:1",
        "SSL_CERT_FILE": "/nonexistent",
    }

    done = subprocess.run(
        [sys.executable, "-c", script, fake.endpoint],
        env={**os.environ, **hostile},
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr
    assert len(fake.requests) == 2
    assert not any(seen.token for seen in fake.requests)
    assert {seen.headers["user-agent"] for seen in fake.requests} == {"jackdaw"}


def test_a_request_of_the_library_that_none_of_us_made_goes_nowhere(fake: FakeHub, side: Side) -> None:
    from huggingface_hub import HfApi

    from models.errors import AirGapped

    side.ask(lambda hub: hub.search(HubQuery("x")))
    before = len(fake.requests)

    with pytest.raises(AirGapped, match="Nobody of us asked"):
        HfApi(endpoint=fake.endpoint, token=False).model_info("acme/tiny")

    assert len(fake.requests) == before
