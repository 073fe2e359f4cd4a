"""`kill -9` at any moment: the next run goes on, the hash is right, at most one part comes twice, nothing is left."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from models.download import DownloadSpec, partials, sweep
from models.network import NetworkRules
from tests.fake_hub import FakeHub
from tests.models.download.child import described
from tests.models.download.rig import REPO, Rig, tree

KIB = 1024
PART = 1024 * KIB
SIZE = 6 * 1024 * KIB + 123
LIMITS = {"part_bytes": PART, "floor_bytes": 0, "connections": 2, "backoff_s": 0.01}
KILLS = 10
DEADLINE_S = 20.0


def start(rig: Rig, spec: DownloadSpec) -> subprocess.Popen[bytes]:
    text = described(spec, rig.hub.endpoint, LIMITS)
    return subprocess.Popen([sys.executable, "-m", "tests.models.download.child", text])


def sent(rig: Rig, since: int = 0) -> int:
    """Bytes of bodies; `since` leaves out so many of the first requests, whose threads may still be sending."""
    return sum(seen.sent for seen in rig.hub.seen("cdn", "GET")[since:])


def kill_when(rig: Rig, process: subprocess.Popen[bytes], sent_bytes: int) -> None:
    """Kill -9 as soon as the server has sent so much to all of them together."""
    deadline = time.monotonic() + DEADLINE_S
    while sent(rig) < sent_bytes and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    process.kill()
    process.wait()


@pytest.mark.accept(34)
def test_killed_at_ten_offsets_it_still_arrives_and_at_most_a_part_comes_twice(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    content = random.Random(9).randbytes(SIZE)
    with FakeHub(rate=2_500_000) as hub:
        hub.add_repo(REPO, {"model.gguf": content})
        rig = Rig(hub, folder, NetworkRules(endpoint=hub.endpoint))
        spec = rig.spec()
        for offset in sorted(random.Random().sample(range(SIZE), KILLS)):
            since, kept = len(rig.hub.seen("cdn", "GET")), sum(found.done for found in partials(folder))
            kill_when(rig, start(rig, spec), max(offset, sent(rig) + 1))
            lost = sent(rig, since) - (sum(found.done for found in partials(folder)) - kept)
            assert lost <= PART, f"{lost} bytes of what came by {offset} would be fetched again"
            assert all(".part" in path.name for path in folder.rglob("*") if path.is_file())
        since, kept = len(rig.hub.seen("cdn", "GET")), sum(found.done for found in partials(folder))
        assert start(rig, spec).wait(DEADLINE_S) == 0
        assert sent(rig, since) == SIZE - kept
    assert spec.target(spec.files[0]).read_bytes() == content
    assert [path for path in folder.rglob("*") if path.is_file()] == [spec.target(spec.files[0])]


@pytest.mark.accept(34)
def test_killed_at_twenty_random_moments_it_leaves_nothing_that_a_start_does_not_tidy(tmp_path: Path) -> None:
    chance = random.Random()
    files = {f"part-{number}.gguf": chance.randbytes(60 * KIB) for number in range(6)}
    folder = tmp_path / "models"
    folder.mkdir()
    with FakeHub(rate=800_000) as hub:
        hub.add_repo(REPO, {**files, "config.json": b"{}"})
        rig = Rig(hub, folder, NetworkRules(endpoint=hub.endpoint))
        for _ in range(20):
            process = start(rig, rig.spec())
            kill_when(rig, process, sent(rig) + chance.randrange(1, 200 * KIB))
            sweep(folder)
            kept = {path.name.removesuffix(".json") for path in folder.rglob("*.part*")}
            assert kept == {found.part.name for found in partials(folder)}
            for path in (path for path in folder.rglob("*") if path.is_file() and ".part" not in path.name):
                assert path.read_bytes() == {**files, "config.json": b"{}"}[path.name]
            if process.returncode == 0:  # it was faster than we: once more from nothing
                for path in folder.rglob("*.*"):
                    path.unlink()
        rig.hub.rate = None
        rig.token = None
        paths = rig.fetch(rig.spec())
    assert {path.name: path.read_bytes() for path in paths} == {**files, "config.json": b"{}"}
    assert len([path for path in folder.rglob("*") if path.is_file()]) == len(files) + 1


def test_sweeping_an_empty_or_missing_folder_is_nothing(tmp_path: Path) -> None:
    assert sweep(tmp_path) == ()
    assert sweep(tmp_path / "missing") == ()
    assert partials(tmp_path / "missing") == ()
    assert tree(tmp_path) == {}
