"""From a search to a chat with what was found, through the real client of the Hub, and every no of a Hub in words."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from desktop.client import Client, ClientError
from desktop.paths import Paths, find_paths
from desktop.wire import NewChat, SamplingParameters
from tests.fake_hub import FakeHub
from tests.service.hub_rig import NO_KEYRING, REPO, beside, files_below, pulled, sha256_of
from tests.service.running import RunningService, answer, running

CARD = "---\nlicense: cc0-1.0\n---\n# Tiny\nSee [the data](data/notes.md).\n"
TOKEN = "hf_planted0123456789abcdef"
GATED = "acme/gated-GGUF"


@pytest.fixture(scope="module")
def hub(tiny_chat_gguf: Path, tiny_embedding_gguf: Path) -> Iterator[FakeHub]:
    with FakeHub() as hub:
        facts: dict[str, Any] = {"licence": "cc0-1.0", "downloads": 7, "pipeline_tag": "text-generation"}
        hub.add_repo(REPO, {"tiny-F16.gguf": tiny_chat_gguf}, card=CARD, **facts)
        hub.add_repo("other/embedder-GGUF", {"embedder-F16.gguf": tiny_embedding_gguf}, licence="mit")
        hub.add_repo(GATED, {"gated-F16.gguf": tiny_embedding_gguf}, gated="auto", granted=["ada"])
        hub.tokens[TOKEN] = "ada"
        yield hub


@pytest.fixture
def mended(hub: FakeHub) -> Iterator[FakeHub]:
    yield hub
    hub.mend()


@pytest.fixture
def served(shared: RunningService) -> Iterator[RunningService]:
    """The service all tests of this module share; its connections to the Hub end with each test."""
    yield shared

    async def hang_up(client: Client) -> None:
        for air_gapped in (True, False):
            await client.patch_settings({"air_gapped": air_gapped})

    shared.use(hang_up)


@pytest.fixture(scope="module")
def shared(hub: FakeHub, engine_environ: dict[str, str]) -> Iterator[RunningService]:
    root = Path(tempfile.mkdtemp(prefix="jd-"))
    paths = find_paths(root)
    paths.create()
    with beside(hub, paths, engine_environ) as service:
        yield service
    shutil.rmtree(root)


def test_from_a_search_to_a_chat_with_the_model_on_socket_and_port(
    home: Paths, hub: FakeHub, engine_environ: dict[str, str], tiny_chat_gguf: Path
) -> None:
    """Must show 1: search, repository, card, fit by ranges, download, library, chat."""

    async def find(client: Client) -> str:
        [found] = (await client.hub_search("tiny", author="acme", licence="cc0-1.0", sort="likes")).models
        assert (found.repo, found.licence, found.has_gguf, found.installed) == (REPO, "cc0-1.0", True, [])
        repo = await client.hub_repo(found.repo)
        [variant] = repo.variants
        assert (variant.name, variant.recommended, variant.verdict) == ("F16", True, "fits")
        assert variant.files[0].sha256 == sha256_of(tiny_chat_gguf)
        card = await client.hub_card(found.repo)
        assert card.markdown.startswith("# Tiny")
        assert f"{hub.endpoint}/{REPO}/blob/{repo.commit}/data/notes.md" in card.markdown
        before = sum(seen.sent for seen in hub.seen("cdn", "GET"))
        judged = await client.hub_fit(REPO, variant.files[0].path)
        assert (judged.arch, judged.quant, judged.kind, judged.fit.verdict) == ("qwen2", "F16", "chat", "fits")
        assert sum(seen.sent for seen in hub.seen("cdn", "GET")) - before == judged.bytes_read < variant.bytes
        return repo.commit

    async def fetch_and_chat(client: Client) -> str:
        job = await pulled(client, repo=REPO, variant="f16")
        assert (job.state, job.title, job.subject) == ("done", f"tiny F16 from {REPO}", REPO), job
        assert job.done == job.total == tiny_chat_gguf.stat().st_size
        [model] = await client.models()
        assert (model.source, model.repo, model.quant) == ("hub", REPO, "F16")
        assert sha256_of(Path(model.path)) == sha256_of(tiny_chat_gguf)
        chat = await client.new_chat(NewChat(model=model.id, parameters=SamplingParameters(max_tokens=8)))
        assert (await answer(client, chat.id, "hello")).state == "complete"
        [again] = (await client.hub_search("tiny", author="acme")).models
        [variant] = (await client.hub_repo(REPO)).variants
        assert (again.installed, variant.installed) == ([model.id], model.id)
        return model.id

    with beside(hub, home, engine_environ) as service:
        commit = service.use(find)
        model_id = service.use(fetch_and_chat)
        key = service.use(lambda client: client.new_key("test")).secret
        body = {"model": model_id, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 4}
        headers = {"Authorization": f"Bearer {key}"}
        url = f"http://127.0.0.1:{service.port}/v1/chat/completions"
        said = httpx.post(url, json=body, headers=headers, trust_env=False, timeout=30)
        assert (said.status_code, said.json()["choices"][0]["finish_reason"]) == (200, "length")
    assert files_below(home.models) == [f"{REPO}/{commit}/tiny-F16.gguf"]


def test_what_is_here_already_is_not_fetched_again(served: RunningService, hub: FakeHub) -> None:
    async def run(client: Client) -> None:
        first = await pulled(client, repo="other/embedder-GGUF")
        assert first.result is not None
        fetched = len(hub.seen("cdn", "GET"))
        again = await pulled(client, repo="other/embedder-GGUF", variant="F16")
        assert again.result == {**first.result, "fetched": False, "model": again.result and again.result["model"]}
        assert again.result["model"]["id"] == first.result["model"]["id"]
        assert len(hub.seen("cdn", "GET")) == fetched
        await client.remove_model(first.result["model"]["id"])
        assert files_below(served.paths.models) == []

    served.use(run)


def test_a_gated_repository_asks_for_a_token_and_the_token_goes_to_the_hub_alone(
    served: RunningService, hub: FakeHub
) -> None:
    async def run(client: Client) -> None:
        assert (await client.hub_repo(GATED)).access == "log_in"
        refused = await pulled(client, repo=GATED)
        assert (refused.state, refused.details["kind"], refused.can_resume) == ("failed", "hub_login_needed", True)
        with pytest.raises(ClientError) as error:
            await client.set_hub_token(TOKEN)
        assert (error.value.kind, error.value.status) == ("keyring_missing", 409)
        assert "session" in error.value.hint
        state = await client.set_hub_token(TOKEN, session_only=True)
        assert (state.present, state.kept, state.user) == (True, "session", "ada")
        assert TOKEN not in state.model_dump_json()
        assert (await client.hub_repo(GATED)).access == "granted"
        await client.resume_job(refused.id)
        done = await pulled(client, repo=GATED)  # the same job
        assert (done.id, done.state) == (refused.id, "done")
        assert done.result is not None
        await client.remove_model(done.result["model"]["id"])
        assert (await client.forget_hub_token()).present is False
        with pytest.raises(ClientError, match="cannot be a token"):
            await client.set_hub_token("two words", session_only=True)

    served.use(run)
    assert any(seen.token == TOKEN for seen in hub.seen("hub"))
    assert not any(seen.token for host in ("cdn", "stranger") for seen in hub.seen(host))  # type: ignore[arg-type]
    written = [path.read_bytes() for path in served.paths.data.rglob("*") if path.is_file()]
    assert not any(TOKEN.encode() in content for content in written)


@pytest.mark.parametrize(
    ("fault", "kind", "status", "said"),
    [
        ({"status": 401}, "hub_login_needed", 401, "wants to know who asks"),
        ({"status": 404, "code": "RepoNotFound"}, "hub_not_found", 404, "not"),
        ({"status": 429, "retry_after": "17"}, "hub_rate_limited", 429, "17 s"),
        ({"status": 503}, "hub_trouble", 502, "trouble"),
    ],
)
def test_every_no_of_the_hub_has_its_own_words(
    served: RunningService, mended: FakeHub, fault: dict[str, Any], kind: str, status: int, said: str
) -> None:
    mended.fault("status", on="hub", **fault)

    async def run(client: Client) -> None:
        with pytest.raises(ClientError, match=said) as error:
            await client.hub_repo(REPO)
        assert (error.value.kind, error.value.status) == (kind, status)
        assert error.value.hint

    served.use(run)


@pytest.mark.accept(13)
def test_an_answer_without_end_stops_at_the_cap(served: RunningService, mended: FakeHub) -> None:
    mended.fault("endless", on="hub", path="main")

    async def run(client: Client) -> None:
        with pytest.raises(ClientError) as error:
            await client.hub_repo(REPO)
        assert error.value.kind == "too_large_answer"
        assert (await client.health()).status in ("ok", "starting")

    served.use(run)


@pytest.mark.accept(14)
@pytest.mark.parametrize("name", ["../up", "a/../b", "a\\b/c", "C:/x", "a/b/c", "", "-a/b", "a/b\n", "a/%2e%2e"])
def test_a_name_that_is_none_reaches_nobody(served: RunningService, hub: FakeHub, name: str) -> None:
    before = len(hub.requests)

    async def run(client: Client) -> None:
        for ask in (
            client.hub_repo(name),
            client.hub_fit(name, "x.gguf"),
            client.start_job("download", {"repo": name}),
            client.start_job("download", {"repo": REPO, "files": [f"../{name}.gguf"]}),
            client.start_job("convert", {"repo": name or "-"}),
        ):
            with pytest.raises(ClientError) as error:
                await ask
            assert error.value.status in (400, 422), error.value

    served.use(run)
    assert len(hub.requests) == before


def test_a_search_is_checked_before_anybody_is_asked(served: RunningService, hub: FakeHub) -> None:
    before = len(hub.requests)

    async def run(client: Client) -> None:
        for query in ({"sort": "beauty"}, {"limit": 0}, {"limit": 5000}):
            with pytest.raises(ClientError) as error:
                await client.hub_search("x", **query)  # type: ignore[arg-type]
            assert error.value.kind == "bad_request"

    served.use(run)
    assert len(hub.requests) == before


@pytest.mark.accept(31)
def test_behind_the_air_gap_everything_that_would_ask_is_refused_within_a_second(
    home: Paths, hub: FakeHub, engine_environ: dict[str, str]
) -> None:
    with running(home, environ={**engine_environ, **NO_KEYRING}) as service:

        async def run(client: Client) -> None:
            await client.patch_settings({"hub_endpoint": hub.endpoint, "air_gapped": True})
            before = len(hub.requests)
            for ask in (
                client.hub_search("tiny"),
                client.hub_repo(REPO),
                client.hub_card(REPO),
                client.hub_fit(REPO, "tiny-F16.gguf"),
                client.start_job("download", {"repo": REPO}),
                client.start_job("convert", {"repo": REPO}),
            ):
                with pytest.raises(ClientError, match="air-gapped") as error:
                    await asyncio.wait_for(ask, 1.0)
                assert (error.value.kind, error.value.status) == ("air_gapped", 503)
            assert await client.jobs() == []
            assert len(hub.requests) == before
            assert (await client.catalogue("code")).models  # what ships with us needs nobody
            await client.patch_settings({"air_gapped": False})
            assert (await client.hub_search("tiny")).models

        service.use(run)
