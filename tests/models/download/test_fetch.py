"""Files of a pinned commit arrive whole, right and private; parts are fetched side by side and only once."""

from __future__ import annotations

import asyncio
import stat
import threading
import time
from dataclasses import replace

import pytest

from models.download import DownloadSpec, RemoteFile, partials
from models.errors import AirGapped, Cancelled, DiskFull
from tests.models.download.rig import FILES, MODEL, PART, QUICK, REPO, Rig, tree


def test_every_file_of_a_repository_arrives_below_its_commit(rig: Rig) -> None:
    spec = rig.spec()
    paths = rig.fetch(spec)
    folder = rig.folder / "org" / "name" / spec.commit
    assert {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths} == FILES
    assert sorted(path for path in rig.folder.rglob("*") if path.is_file()) == sorted(paths)
    assert rig.said[-1].done == rig.said[-1].total == sum(len(content) for content in FILES.values())


def test_files_and_folders_are_for_their_owner_alone(rig: Rig) -> None:
    rig.fetch(rig.spec())
    modes = {stat.S_IMODE(path.stat().st_mode) for path in rig.folder.rglob("*") if path.is_file()}
    assert modes == {0o600}
    assert {stat.S_IMODE(path.stat().st_mode) for path in rig.folder.rglob("*") if path.is_dir()} == {0o700}


def test_parts_are_asked_for_by_range_and_each_byte_once(rig: Rig) -> None:
    rig.fetch()
    asked = [seen.headers["range"] for seen in rig.hub.seen("cdn", "GET", "model.gguf")]
    wanted = [(start, min(start + PART, len(MODEL)) - 1) for start in range(0, len(MODEL), PART)]
    assert sorted(asked) == sorted(f"bytes={first}-{last}" for first, last in wanted)
    assert rig.sent() == len(MODEL)
    assert len(rig.hub.seen("hub", "GET", "model.gguf")) == 1  # the address is asked for once


def test_several_connections_work_side_by_side_and_no_more_than_allowed(rig: Rig) -> None:
    rig.hub.rate = 400_000
    most = 0

    def count(_: object) -> None:
        nonlocal most
        most = max(most, sum(thread.name.startswith("download ") for thread in threading.enumerate()))

    rig.on_progress = count
    began = time.monotonic()
    rig.fetch()
    assert time.monotonic() - began < 0.75 * len(MODEL) / rig.hub.rate
    assert most <= QUICK.connections + 1  # and the one that hashes


def test_an_empty_file_arrives_too(rig: Rig) -> None:
    rig.hub.add_repo(REPO, {"empty.txt": b""})
    (path,) = rig.fetch(rig.spec("empty.txt"))
    assert path.read_bytes() == b""


def test_what_is_there_already_is_checked_and_not_fetched_again(rig: Rig) -> None:
    (path,) = rig.fetch()
    sent = rig.sent()
    assert rig.fetch() == (path,)
    assert rig.sent() == sent
    path.write_bytes(b"x" * len(MODEL))  # somebody damaged it
    rig.fetch()
    assert path.read_bytes() == MODEL


def test_nothing_has_its_name_before_all_of_it_is_there(rig: Rig) -> None:
    rig.hub.fault("stall", path="model.gguf", on="cdn", after=10)
    rig.on_progress = lambda progress: rig.cancel.set("pause") if progress.done >= 1033 else None
    with pytest.raises(Cancelled):
        rig.fetch(rig.spec())
    assert all(".part" in path.name for path in rig.folder.rglob("*") if path.is_file())
    assert {found.path for found in partials(rig.folder)} == {"config.json", "model.gguf", "sub/tokenizer.model"}


def test_the_loop_of_the_service_is_free_meanwhile(rig: Rig) -> None:
    async def longest_wait() -> tuple[float, float]:
        began, longest = time.monotonic(), 0.0
        task = asyncio.create_task(rig.fetching())
        while not task.done():
            before = time.monotonic()
            await asyncio.sleep(0.001)
            longest = max(longest, time.monotonic() - before)
        await task
        return longest, time.monotonic() - began

    rig.hub.rate = 300_000
    longest_s, whole_s = asyncio.run(longest_wait())
    assert longest_s < whole_s / 4  # a share, because other programs run beside the tests


def test_room_is_looked_for_before_anything_is_asked(rig: Rig) -> None:
    spec = rig.spec()
    huge = DownloadSpec(REPO, spec.commit, (RemoteFile("model.gguf", 1 << 60, "0" * 64),), rig.folder)
    with pytest.raises(DiskFull) as caught:
        rig.fetch(huge)
    assert caught.value.needed_bytes == 1 << 60
    assert 0 < caught.value.free_bytes < 1 << 60
    assert "are free" in caught.value.message
    assert not rig.hub.requests
    assert tree(rig.folder) == {}


def test_a_reserve_of_the_disk_is_left_alone(rig: Rig) -> None:
    rig.limits = replace(QUICK, floor_bytes=1 << 60)
    with pytest.raises(DiskFull, match="to stay free"):
        rig.fetch()
    assert tree(rig.folder) == {}


def test_the_air_gap_holds_before_anything_leaves(rig: Rig) -> None:
    rig.rules = replace(rig.rules, air_gapped=True)
    with pytest.raises(AirGapped):
        rig.fetch()
    assert not rig.hub.requests


def test_the_air_gap_ends_a_download_that_runs_and_keeps_what_came(rig: Rig) -> None:
    rig.hub.rate = 200_000

    def close_gap(progress: object) -> None:
        if rig.said[-1].done > 0:
            rig.rules = replace(rig.rules, air_gapped=True)

    rig.on_progress = close_gap
    with pytest.raises(AirGapped):
        rig.fetch()
    assert [found.path for found in partials(rig.folder)] == ["model.gguf"]
    rig.rules, rig.on_progress, rig.hub.rate = replace(rig.rules, air_gapped=False), lambda progress: None, None
    (path,) = rig.fetch()
    assert path.read_bytes() == MODEL
