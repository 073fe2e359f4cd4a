"""Pausing, cancelling, going on: what came is used when the server still means the same bytes, and only then."""

from __future__ import annotations

import json
import time

import pytest

from models.download import discard, partials, sweep
from models.errors import Cancelled
from models.progress import Cancel, Progress
from tests.models.download.rig import MODEL, PART, REPO, Rig, tree


def stop_after(rig: Rig, share: float, reason: str) -> None:
    """Let the next fetch be stopped when so much of it is there."""

    def stop(progress: Progress) -> None:
        if progress.done > share * len(MODEL):
            rig.cancel.set(reason)  # type: ignore[arg-type]

    rig.hub.rate = 300_000
    rig.on_progress = stop


def go_on(rig: Rig) -> None:
    rig.hub.rate, rig.on_progress, rig.cancel = None, lambda progress: None, Cancel()
    rig.hub.requests.clear()


def pause(rig: Rig, share: float = 0.4) -> int:
    """Fetch a part of the model; returns how many bytes of it are kept."""
    stop_after(rig, share, "pause")
    with pytest.raises(Cancelled):
        rig.fetch()
    go_on(rig)
    (found,) = partials(rig.folder)
    return found.done


@pytest.mark.parametrize("reason", ["pause", "end"])
def test_a_paused_download_goes_on_with_what_is_missing(rig: Rig, reason: str) -> None:
    stop_after(rig, 0.4, reason)
    with pytest.raises(Cancelled):
        rig.fetch()
    (found,) = partials(rig.folder)
    assert (found.repo, found.path, found.bytes) == (REPO, "model.gguf", len(MODEL))
    assert 0.3 * len(MODEL) < found.done < len(MODEL)
    go_on(rig)
    (path,) = rig.fetch()
    assert path.read_bytes() == MODEL
    assert rig.sent() == len(MODEL) - found.done
    assert all(seen.headers["if-range"] for seen in rig.hub.seen("cdn"))


def test_a_cancelled_download_leaves_nothing(rig: Rig) -> None:
    (rig.folder / "org").mkdir()
    (rig.folder / "org" / "other.txt").write_text("mine")
    before = tree(rig.folder)
    stop_after(rig, 0.4, "cancel")
    with pytest.raises(Cancelled):
        rig.fetch(rig.spec())
    assert tree(rig.folder) == before


@pytest.mark.parametrize("fault", ["stall", "silent"])
def test_cancelling_does_not_wait_for_a_silent_server(rig: Rig, fault: str) -> None:
    rig.limits = type(rig.limits)(part_bytes=PART, floor_bytes=0, stall_s=30.0)
    rig.hub.fault(fault, path="model.gguf", on="cdn", after=100)  # type: ignore[arg-type]
    asked = 0.0

    def stop(progress: Progress) -> None:
        nonlocal asked
        if not asked and rig.hub.seen("cdn"):
            asked = time.monotonic()
            rig.cancel.set()

    rig.on_progress = stop
    with pytest.raises(Cancelled):
        rig.fetch()
    assert time.monotonic() - asked < 2.0
    assert tree(rig.folder) == {}


def test_another_content_behind_the_address_starts_the_file_over(rig: Rig) -> None:
    pause(rig)
    rig.hub.fault("other_etag", path="model.gguf", on="cdn")  # If-Range does not hold: 200 and all of it
    (path,) = rig.fetch()
    assert path.read_bytes() == MODEL
    answers = [seen.status for seen in rig.hub.seen("cdn")]
    assert 200 in answers and 206 not in answers


def test_a_server_without_ranges_sends_all_of_it_again(rig: Rig) -> None:
    pause(rig)
    rig.hub.fault("ignore_range", path="model.gguf", on="cdn")
    (path,) = rig.fetch()
    assert path.read_bytes() == MODEL


def test_a_range_the_server_does_not_have_starts_the_file_over(rig: Rig) -> None:
    pause(rig)
    rig.hub.fault("status", path="model.gguf", on="cdn", status=416, times=1)
    (path,) = rig.fetch()
    assert path.read_bytes() == MODEL


def test_partial_bytes_that_are_wrong_are_noticed_and_fetched_again(rig: Rig) -> None:
    pause(rig)
    (found,) = partials(rig.folder)
    with found.part.open("r+b") as file:
        file.write(b"\0" * 1000)
    (path,) = rig.fetch()
    assert path.read_bytes() == MODEL


def damage_version(manifest: dict[str, object]) -> None:
    manifest["version"] = 99


def damage_ranges(manifest: dict[str, object]) -> None:
    manifest["ranges"] = [[0, 10**12]]


def damage_commit(manifest: dict[str, object]) -> None:
    manifest["commit"] = "../../../.."


def damage_hash(manifest: dict[str, object]) -> None:
    manifest["sha256"] = "0" * 64


def after_power_loss(manifest: dict[str, object]) -> None:
    manifest["boot"] = "another"
    manifest["durable"] = []


@pytest.mark.parametrize("damage", [damage_version, damage_ranges, damage_commit, damage_hash, after_power_loss])
def test_a_manifest_that_does_not_fit_is_not_believed(rig: Rig, damage: object) -> None:
    pause(rig)
    (found,) = partials(rig.folder)
    manifest = json.loads(found.manifest.read_text())
    damage(manifest)  # type: ignore[operator]
    found.manifest.write_text(json.dumps(manifest))
    (path,) = rig.fetch()
    assert path.read_bytes() == MODEL
    assert rig.sent() == len(MODEL)


def test_sweeping_removes_what_nobody_can_go_on_with(rig: Rig) -> None:
    pause(rig)
    (found,) = partials(rig.folder)
    folder = found.part.parent
    before = tree(rig.folder)
    (folder / "orphan.gguf.part").write_bytes(b"x")
    (folder / "lost.gguf.part.json").write_text("{}")
    (folder / "model.gguf.part.json.new").write_text("{")
    empty = rig.folder / "other" / "repo" / ("a" * 40)
    empty.mkdir(parents=True)
    (empty / "orphan.gguf.part").write_bytes(b"x")
    assert len(sweep(rig.folder)) == 4
    assert tree(rig.folder) == before


def test_sweeping_touches_nothing_that_is_not_a_download(rig: Rig) -> None:
    (rig.folder / "mine.gguf.part").write_bytes(b"x")
    (rig.folder / "org").mkdir()
    (rig.folder / "org" / "mine.gguf.part").write_bytes(b"x")
    outside = rig.folder.parent / "outside"
    outside.mkdir()
    (outside / "orphan.gguf.part").write_bytes(b"x")
    (rig.folder / "org" / "linked").mkdir()
    (rig.folder / "org" / "linked" / ("b" * 40)).symlink_to(outside)
    before, there = tree(rig.folder), tree(outside)
    assert sweep(rig.folder) == ()
    assert (tree(rig.folder), tree(outside)) == (before, there)


def test_an_unfinished_download_can_be_thrown_away(rig: Rig) -> None:
    pause(rig)
    (found,) = partials(rig.folder)
    discard(rig.folder, found)
    assert tree(rig.folder) == {}


def test_verified_files_of_an_unfinished_set_are_not_fetched_again(rig: Rig) -> None:
    rig.hub.fault("stall", path="sub/tokenizer.model", on="cdn", after=10)
    rig.on_progress = lambda progress: rig.cancel.set("pause") if progress.done >= len(MODEL) + 10 else None
    with pytest.raises(Cancelled):
        rig.fetch(rig.spec("model.gguf", "sub/tokenizer.model"))
    go_on(rig)
    rig.hub.mend()
    model, tokenizer = rig.fetch(rig.spec("model.gguf", "sub/tokenizer.model"))
    assert (model.read_bytes(), tokenizer.read_bytes()) == (MODEL, MODEL[:1000])
    assert rig.sent("model.gguf") == 0
