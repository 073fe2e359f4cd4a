"""Downloads as jobs of a real service: killed, paused, cancelled, refused; and never listed before they are whole."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from desktop.client import Client
from desktop.paths import Paths
from desktop.wire import Job
from models.tiny_model import TINY
from tests.conftest import Make
from tests.fake_hub import FakeHub
from tests.service.hub_rig import NO_KEYRING, REPO, beside, ended, files_below, pulled, reached, sha256_of
from tests.service.running import RunningService, eventually_async, running

RATE = 3_000_000.0  # bytes per second: the file takes some seconds


@pytest.fixture(scope="session")
def weights(tiny_models: Make) -> Path:
    """Ten megabytes that are a model."""
    return tiny_models("tiny-wide", name="Tiny Wide", shape=replace(TINY, feed_forward=4096, layers=3))


@pytest.fixture
def hub(weights: Path) -> Iterator[FakeHub]:
    with FakeHub() as hub:
        hub.add_repo(REPO, {"wide-F16.gguf": weights}, licence="mit")
        yield hub


@pytest.fixture
def service(hub: FakeHub, home: Paths, engine_environ: dict[str, str]) -> Iterator[RunningService]:
    with beside(hub, home, engine_environ) as service:
        yield service


async def begun(client: Client, least_bytes: int = 1) -> Job:
    """A download of which something has come."""
    job_id = (await client.start_job("download", {"repo": REPO})).id

    async def some() -> Job | None:
        job = await client.job(job_id)
        assert job.state in ("pending", "running"), job
        return job if job.done >= least_bytes else None

    job = await eventually_async(some, 20)
    assert job is not None
    assert await client.models() == []  # nothing is listed that is not whole
    return job


@pytest.mark.accept(34)
def test_a_download_goes_on_by_itself_after_the_service_was_killed(
    hub: FakeHub, home: Paths, engine_environ: dict[str, str], weights: Path
) -> None:
    hub.rate = RATE
    with beside(hub, home, engine_environ) as service:
        job = service.use(lambda client: begun(client, 3_000_000))
        service.kill()
    hub.rate = None
    before = len(hub.requests)
    with running(home, environ={**engine_environ, **NO_KEYRING}) as service:

        async def run(client: Client) -> None:
            done = await ended(client, job.id)
            assert (done.state, done.error) == ("done", "")
            [model] = await client.models()
            assert (model.repo, sha256_of(Path(model.path))) == (REPO, sha256_of(weights))

        service.use(run)
    resent = sum(seen.sent for seen in hub.requests[before:] if seen.host == "cdn")
    assert resent <= weights.stat().st_size  # one part at most comes twice, and this file is one part
    [file] = files_below(home.models)
    assert file.endswith("/wide-F16.gguf")


def test_a_paused_download_stays_paused_over_a_restart_and_goes_on_when_asked(
    hub: FakeHub, home: Paths, engine_environ: dict[str, str], weights: Path
) -> None:
    hub.rate = RATE

    async def pause(client: Client) -> str:
        job = await begun(client, 2_000_000)
        paused = await client.pause_job(job.id)
        assert (paused.state, paused.can_resume, paused.rate) == ("paused", True, None)
        assert (await client.disk()).partial_bytes > 0
        return job.id

    async def go_on(client: Client, job_id: str) -> None:
        kept = await client.job(job_id)
        assert (kept.state, kept.done >= 2_000_000) == ("paused", True)
        asked = len(hub.requests)
        await client.resume_job(job_id)
        assert (await ended(client, job_id)).state == "done"
        ranges = [seen.headers.get("range", "") for seen in hub.requests[asked:] if seen.host == "cdn"]
        assert ranges
        assert all(not asked_for.startswith("bytes=0-") and asked_for for asked_for in ranges)

    with beside(hub, home, engine_environ) as service:
        job_id = service.use(pause)
    hub.rate = None
    with running(home, environ={**engine_environ, **NO_KEYRING}) as service:
        service.use(lambda client: go_on(client, job_id))
    [file] = files_below(home.models)
    assert sha256_of(home.models / file) == sha256_of(weights)


def test_cancelling_a_download_takes_nothing_from_another_of_the_same_file(
    service: RunningService, hub: FakeHub, weights: Path
) -> None:
    hub.rate = RATE

    async def run(client: Client) -> None:
        rests = await client.pause_job((await begun(client)).id)
        other = await client.start_job("download", {"repo": REPO, "variant": "F16"})

        async def further() -> bool:
            return (await client.job(other.id)).done > rests.done

        assert await eventually_async(further, 20)
        assert (await client.cancel_job(rests.id)).state == "cancelled"
        hub.rate = None
        done = await ended(client, other.id)
        assert (done.state, done.error) == ("done", "")
        [model] = await client.models()
        assert sha256_of(Path(model.path)) == sha256_of(weights)

    service.use(run)


@pytest.mark.parametrize("pause_first", [False, True])
def test_cancelling_leaves_nothing_unless_the_part_is_to_be_kept(
    service: RunningService, hub: FakeHub, home: Paths, pause_first: bool
) -> None:
    hub.rate = RATE

    async def run(client: Client) -> None:
        for keep in (True, False):
            job = await begun(client)
            if pause_first:
                await client.pause_job(job.id)
            asked = time.monotonic()
            assert (await client.cancel_job(job.id, keep_partial=keep)).state == "cancelled"
            assert time.monotonic() - asked < 2
            left = files_below(home.models)
            assert left if keep else not left
        assert await client.models() == []

    service.use(run)
    assert list(home.models.iterdir()) == []


@pytest.mark.accept(31)
def test_the_air_gap_stops_a_running_download_within_a_second_and_it_goes_on_afterwards(
    service: RunningService, hub: FakeHub
) -> None:
    hub.rate = RATE

    async def run(client: Client) -> None:
        job = await begun(client)
        asked = time.monotonic()
        await client.patch_settings({"air_gapped": True})
        stopped = await reached(client, job.id, "paused", 1.0)
        assert time.monotonic() - asked < 1.0
        assert "air-gapped" in stopped.error
        assert (stopped.details["kind"], stopped.can_resume) == ("air_gapped", True)
        hub.rate = None
        quiet = len(hub.requests)
        await asyncio.sleep(0.3)  # nothing may come: there is no event to wait for
        assert len(hub.requests) == quiet
        await client.patch_settings({"air_gapped": False})
        await client.resume_job(job.id)
        assert (await ended(client, job.id)).state == "done"

    service.use(run)


@pytest.mark.accept(15)
@pytest.mark.parametrize(
    ("fault", "kind", "said"),
    [
        ({"kind": "wrong_bytes", "on": "cdn"}, "hash_mismatch", "localhost"),
        ({"kind": "other_commit", "path": "wide-F16.gguf", "on": "hub"}, "commit_changed", "another commit"),
        ({"kind": "redirect", "path": "wide-F16.gguf", "on": "hub", "location": "http://203.0.113.1/x"}, "", "203.0"),
    ],
)
def test_what_is_not_what_was_promised_is_refused_and_nothing_stays(
    service: RunningService, hub: FakeHub, home: Paths, fault: dict[str, Any], kind: str, said: str
) -> None:
    hub.fault(**fault)

    async def run(client: Client) -> None:
        job = await pulled(client, repo=REPO)
        assert (job.state, job.details["kind"]) == ("failed", kind or "redirect_refused"), job
        assert said in job.error
        assert await client.models() == []

    service.use(run)
    assert list(home.models.iterdir()) == []


@pytest.mark.accept(15)
def test_a_file_that_changed_under_its_name_needs_consent(
    service: RunningService, hub: FakeHub, tiny_chat_gguf: Path
) -> None:
    async def run(client: Client) -> None:
        assert (await pulled(client, repo=REPO)).state == "done"
        hub.add_repo(REPO, {"wide-F16.gguf": tiny_chat_gguf})
        refused = await pulled(client, repo=REPO)
        assert (refused.state, refused.details["kind"]) == ("failed", "commit_changed")
        assert "has changed since" in refused.error
        assert len(await client.models()) == 1
        accepted = await pulled(client, repo=REPO, files=["wide-F16.gguf"], accept_change=True)
        assert accepted.state == "done", accepted
        assert len({model.path for model in await client.models()}) == 2

    service.use(run)


def test_two_pulls_of_one_thing_are_one_job_and_progress_has_a_rate(service: RunningService, hub: FakeHub) -> None:
    hub.rate = RATE

    async def run(client: Client) -> None:
        job = await begun(client)
        assert (await client.start_job("download", {"repo": REPO})).id == job.id

        async def told() -> Job | None:
            now = await client.job(job.id)
            return now if now.rate or now.state == "done" else None

        measured = await eventually_async(told, 20)
        assert measured is not None
        assert measured.rate is not None
        assert 0.2 * RATE < measured.rate < 5 * RATE
        assert measured.seconds_left is not None
        assert measured.can_pause
        await client.cancel_job(job.id)

    service.use(run)


def test_a_file_another_program_has_is_used_where_it_lies(
    hub: FakeHub, home: Paths, engine_environ: dict[str, str], weights: Path, tmp_path: Path
) -> None:
    sha256, commit = sha256_of(weights), "a" * 40
    cache = tmp_path / "hub" / "models--acme--tiny-GGUF"
    blob, name = cache / "blobs" / sha256, cache / "snapshots" / commit / "wide-F16.gguf"
    for folder in (blob.parent, name.parent):
        folder.mkdir(parents=True)
    blob.write_bytes(weights.read_bytes())
    name.symlink_to(Path("../../blobs") / sha256)

    async def run(client: Client) -> None:
        scanned = await ended(client, (await client.start_job("scan")).id)
        assert scanned.state == "done", scanned
        assert [model.store for model in (await client.stores()).models] == ["huggingface"]
        [variant] = (await client.hub_repo(REPO)).variants
        assert variant.on_disk == str(name)
        job = await pulled(client, repo=REPO)
        assert job.state == "done", job
        assert job.result is not None
        assert (job.result["fetched"], job.result["model"]["path"]) == (False, str(name))
        assert job.result["model"]["source"] == "huggingface"
        removed = await client.remove_model(job.result["model"]["id"])
        assert not removed.file_deleted

    with beside(hub, home, {**engine_environ, "HF_HOME": str(tmp_path)}) as service:
        service.use(run)
    assert not hub.seen("cdn")
    assert sha256_of(name) == sha256
