"""`kill -9` of the service while it indexes: the job goes on by itself, no child is left, and search is right."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from desktop.client import Client
from desktop.paths import Paths
from desktop.wire_files import AddRoots, FilesDoctorRequest, NewCollection, SearchRequest
from tests.service.files_rig import ended
from tests.service.running import RunningService, eventually, eventually_async, running

FILES = 240
KILLS = 3


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Path]:
    """Files of which each says something no other does."""
    for number in range(FILES):
        sentence = f"Parcel {number:04d} lies in the cellar of house {number * 7 % FILES:04d}. "
        (tmp_path / f"parcel-{number:04d}.txt").write_text(sentence + "It waits there for its owner to come. " * 12)
    return (yield tmp_path)


@pytest.mark.accept(34)
def test_a_killed_service_goes_on_indexing_and_finds_everything(
    home: Paths, engine_environ: dict[str, str], shelf: Path
) -> None:
    chance = random.Random(34)
    job_id = ""
    for kill in range(KILLS):
        at_least = FILES * kill // (KILLS + 1) + chance.randrange(1, 20)
        job_id = _index_until_killed(RunningService(home, environ=engine_environ), shelf, job_id, at_least)

    with running(home, environ=engine_environ) as service:

        async def look(client: Client) -> None:
            job = await ended(client, job_id)
            assert job.state == "done", job.error
            (collection,) = await client.collections()
            assert (collection.files, collection.failed) == (FILES, 0)
            assert collection.chunks >= FILES
            for number in chance.sample(range(FILES), 12):
                query = SearchRequest(collection="shelf", query=f"Where does parcel {number:04d} lie?", k=1)
                (best,) = (await client.search_files(query)).results
                assert best.path == f"parcel-{number:04d}.txt"
            report = await client.files_doctor(FilesDoctorRequest())
            assert report.ok, report.findings

        service.use(look)


def _index_until_killed(service: RunningService, shelf: Path, job_id: str, files: int) -> str:
    """Kill the service once it has read so many files; no child of its may stay."""
    try:
        service.wait_until_listening()
        begun = service.use(lambda client: _begin(client, shelf, job_id))
        service.use(lambda client: _reach(client, begun, files))
        children = psutil.Process(service.process.pid).children(recursive=True)
    finally:
        service.kill()
        service.close()
    eventually(lambda: not any(child.is_running() and child.status() != "zombie" for child in children))
    return begun


async def _begin(client: Client, shelf: Path, job_id: str) -> str:
    """Start the indexing, or find that it has gone on by itself."""
    if job_id:
        job = await client.job(job_id)
        assert job.state in ("pending", "running", "done")
        return job_id
    return (await client.add_roots(AddRoots(collection="shelf", paths=[str(shelf)]))).job_id


async def _reach(client: Client, job_id: str, files: int) -> None:
    async def reached() -> bool:
        job = await client.job(job_id)
        return job.state == "done" or (job.state == "running" and job.done >= files)

    await eventually_async(reached, 60)


def test_a_damaged_index_is_told_and_its_collections_are_read_again(
    home: Paths, engine_environ: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "heron.txt").write_text("The heron stands in the shallow water of the mill pond every morning.\n")

    async def fill(client: Client) -> None:
        made = await client.new_collection(
            NewCollection(name="birds", roots=[str(tmp_path)], local_only=True, watch=False)
        )
        assert (await ended(client, made.job_id)).state == "done"

    with running(home, environ=engine_environ) as service:
        service.use(fill)
    with home.files_database.open("r+b") as file:
        file.write(bytes(4096))

    async def look(client: Client) -> None:
        async def read_again() -> bool:
            (birds,) = await client.collections()
            return (birds.files, birds.state, birds.problem) == (1, "ready", "")

        await eventually_async(read_again, 60)
        (birds,) = await client.collections()
        assert (birds.name, birds.local_only, birds.watch) == ("birds", True, False)
        (best,) = (await client.search_files(SearchRequest(collection="birds", query="mill pond", k=1))).results
        assert best.path == "heron.txt"
        told = (await client.files_status()).problem
        assert "damaged" in told and "read again" in told
        report = await client.files_doctor(FilesDoctorRequest(repair=True))
        assert any(told in finding.message for finding in report.findings if finding.kind == "quarantined")
        assert (await client.files_status()).problem == ""

    with running(home, environ=engine_environ) as service:
        service.use(look)
