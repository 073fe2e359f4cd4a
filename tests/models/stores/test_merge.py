"""Merging replaces a file by itself or leaves it alone: whatever happens, at whatever moment."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from models.blocks import freed_bytes, shares_with
from models.errors import Cancelled
from models.progress import Cancel, Progress
from models.stores.duplicates import find_duplicates, stored_files
from models.stores.merge import LEFTOVER, Merged, merge, sweep
from models.stores.types import FoundModel
from tests.models.stores.conftest import Use
from tests.models.stores.layouts import sha256, snapshot

CONTENT = os.urandom(1 << 20)
HASH = sha256(CONTENT)
Twins = Callable[..., list[Path]]


@pytest.fixture
def twins(tmp_path: Path) -> Twins:
    def make(count: int = 2, content: bytes = CONTENT) -> list[Path]:
        paths = [tmp_path / "stores" / str(number) / "model.gguf" for number in range(count)]
        for path in paths:
            path.parent.mkdir(parents=True)
            path.write_bytes(content)
        return paths

    return make


def allocated(*paths: Path) -> int:
    return sum({path.stat().st_ino: path.stat().st_blocks * 512 for path in paths}.values())


def test_twins_become_one_file_and_what_was_saved_is_true(twins: Twins) -> None:
    paths = twins(3)
    before = allocated(*paths)
    seen: list[Progress] = []

    merged = merge(paths, HASH, "hardlink", seen.append)

    assert [(one.path, one.method, one.problem) for one in merged] == [(path, "hardlink", "") for path in paths[1:]]
    assert sum(one.saved_bytes for one in merged) == before - allocated(*paths) == 2 * allocated(paths[0])
    assert all(path.samefile(paths[0]) and path.read_bytes() == CONTENT for path in paths)
    assert [path.name for path in paths[0].parent.parent.rglob("*") if path.is_file()] == ["model.gguf"] * 3
    assert seen[-1].done == seen[-1].total == 4 * len(CONTENT)
    assert merge(paths, HASH, "hardlink") == (Merged(paths[1], "hardlink"), Merged(paths[2], "hardlink"))


@pytest.fixture(scope="module")
def sharing_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A small btrfs of our own, whose files can share blocks."""
    folder = tmp_path_factory.mktemp("btrfs")
    image, mounted = folder / "image", folder / "disk"
    mounted.mkdir()
    with image.open("wb") as file:
        file.truncate(128 << 20)
    try:
        subprocess.run(["mkfs.btrfs", "-q", image], check=True, capture_output=True, timeout=30)
        subprocess.run(["mount", "-o", "loop", image, mounted], check=True, capture_output=True, timeout=30)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this machine does not let us make and mount a btrfs")
    try:
        yield mounted
    finally:
        subprocess.run(["umount", mounted], check=True, timeout=30)


def test_a_clone_shares_the_blocks_and_keeps_mode_dates_and_owner(sharing_disk: Path, use: Use) -> None:
    paths = [sharing_disk / name for name in "abc"]
    for path in paths:
        path.write_bytes(CONTENT)
    os.chmod(paths[1], 0o640)
    os.chown(paths[1], 12345, 12345)
    os.utime(paths[1], ns=(10**18, 10**18 + 1))
    before = paths[1].stat()
    os.sync()
    models = [FoundModel(path, path.name, "folder", path.name, 1, files=(path,)) for path in paths]
    (found,), _ = use(lambda tools: find_duplicates(stored_files(models), tools.hashes))
    assert (found.method, found.wasted_bytes) == ("reflink", 2 * len(CONTENT))

    merged = merge(paths, HASH)

    assert [(one.method, one.problem, one.saved_bytes) for one in merged] == [("reflink", "", len(CONTENT))] * 2
    after = paths[1].stat()
    assert (after.st_mode, after.st_mtime_ns, after.st_uid, after.st_gid) == (
        before.st_mode,
        before.st_mtime_ns,
        before.st_uid,
        before.st_gid,
    )
    assert after.st_ino != before.st_ino and {path.read_bytes() for path in paths} == {CONTENT}
    (again,), _ = use(lambda tools: find_duplicates(stored_files(models), tools.hashes))
    assert again.wasted_bytes == 0
    assert freed_bytes([paths[0]]) == 0 and set(shares_with(paths[0], paths)) == {paths[1], paths[2]}
    paths[1].write_bytes(b"changed")  # a copy, not a link: the others keep their bytes
    assert paths[0].read_bytes() == paths[2].read_bytes() == CONTENT


def test_a_disk_that_cannot_share_blocks_is_told_when_only_that_is_wanted(twins: Twins) -> None:
    paths = twins()
    before = snapshot(paths[0].parent.parent)
    (merged,) = merge(paths, HASH, "reflink")
    if merged.method == "reflink":
        pytest.skip("the temp folder's file system shares blocks; what it does then is tested on a disk of our own")
    assert "cannot share blocks" in merged.problem
    assert {path: about[-1] for path, about in snapshot(paths[0].parent.parent).items()} == {
        path: about[-1] for path, about in before.items()
    }


def test_a_link_is_followed_to_the_file_and_stays_a_link(twins: Twins, tmp_path: Path) -> None:
    paths = twins()
    link = tmp_path / "named.gguf"
    link.symlink_to(paths[1])
    assert merge([paths[0], link], HASH, "hardlink")[0].problem == ""
    assert link.is_symlink() and link.samefile(paths[0]) and paths[1].samefile(paths[0])


def test_a_file_of_which_other_names_remain_saves_nothing_by_itself(twins: Twins, tmp_path: Path) -> None:
    paths = twins(2)
    other = tmp_path / "other-name"
    os.link(paths[1], other)
    os.link(paths[0], tmp_path / "x")
    os.link(paths[0], tmp_path / "y")
    (merged,) = merge(paths, HASH, "hardlink")
    assert (merged.path, merged.saved_bytes) == (paths[1], 0)
    assert merge([paths[0], other], HASH, "hardlink")[0].saved_bytes == allocated(paths[0])


def test_other_content_than_was_agreed_to_is_left_alone(twins: Twins) -> None:
    paths = twins()
    with paths[1].open("r+b") as file:
        file.seek(500_000)
        file.write(b"!")
    before = snapshot(paths[0].parent.parent)
    (merged,) = merge(paths, HASH)
    assert "no longer has the content" in merged.problem and merged.saved_bytes == 0
    assert snapshot(paths[0].parent.parent) == before


@pytest.mark.parametrize("written", [0, 1])
def test_a_file_that_is_open_for_writing_is_left_alone(twins: Twins, written: int) -> None:
    paths = twins()
    before = snapshot(paths[0].parent.parent)
    with paths[written].open("r+b"):
        (merged,) = merge(paths, HASH)
    assert "open for writing" in merged.problem
    assert snapshot(paths[0].parent.parent) == before
    assert merge(paths, HASH)[0].problem == ""


def test_somebody_who_wants_to_write_meanwhile_is_let_in_and_the_file_left_alone(twins: Twins) -> None:
    paths = twins(content=CONTENT * 12)
    writer: list[subprocess.Popen[bytes]] = []

    def begin_writing(_: Progress) -> None:
        if not writer:
            code = f"import sys; f = open({str(paths[1])!r}, 'r+b'); f.write(b'!'); f.close()"
            writer.append(subprocess.Popen([sys.executable, "-c", code]))
            until_it_waits(writer[0].pid)

    (merged,) = merge(paths, sha256(CONTENT * 12), "hardlink", begin_writing)

    assert writer[0].wait(30) == 0
    assert "open for writing" in merged.problem
    assert not paths[0].samefile(paths[1])
    assert paths[1].read_bytes()[:1] == b"!" and paths[0].read_bytes()[:1] == CONTENT[:1]


def until_it_waits(pid: int) -> None:
    """Until the process sleeps in open(2) because of our lease, or has ended."""
    while True:
        try:
            if (
                "lease" in Path(f"/proc/{pid}/wchan").read_text()
                or Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"
            ):
                return
        except OSError:
            return


def test_a_file_replaced_at_the_last_moment_is_left_alone(twins: Twins) -> None:
    paths = twins()
    steps: list[int] = []

    def replace(progress: Progress) -> None:
        steps.append(progress.done)
        if progress.done == progress.total:  # both were verified
            new = paths[1].with_name("new")
            new.write_bytes(b"new content")
            new.replace(paths[1])

    (merged,) = merge(paths, HASH, "hardlink", replace)
    assert "replaced meanwhile" in merged.problem
    assert paths[1].read_bytes() == b"new content"
    assert [path.name for path in paths[1].parent.iterdir()] == ["model.gguf"]


def test_files_of_different_users_are_not_linked(twins: Twins) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a file to somebody else")
    paths = twins()
    os.chown(paths[1], 12345, 12345)
    (merged,) = merge(paths, HASH, "hardlink")
    assert "different users" in merged.problem
    assert paths[1].stat().st_uid == 12345 and not paths[1].samefile(paths[0])


def test_no_program_loses_its_model_to_the_rights_of_a_file_with_more_names(twins: Twins) -> None:
    """Another user's program reads the one; ours has two names for a file that is ours alone."""
    ours, theirs = twins()
    ours.chmod(0o600)
    theirs.chmod(0o644)
    second = ours.with_name("second.gguf")
    os.link(ours, second)

    merged = merge([ours, second, theirs], HASH, "hardlink")

    assert [one.problem for one in merged] == ["", ""]
    assert ours.samefile(theirs) and second.samefile(theirs)
    assert stat.S_IMODE(theirs.stat().st_mode) == 0o644


def test_a_kept_file_that_changes_hands_before_it_is_linked_is_not_taken(
    twins: Twins, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last moment there is: the name of the kept file leads elsewhere once it has been looked at."""
    paths = twins()
    kept, real = paths[0], os.link

    def link_late(source: Path, target: Path, **named: bool) -> None:
        new = kept.with_name("new")
        new.write_bytes(b"other content")
        new.replace(kept)
        real(source, target, **named)

    monkeypatch.setattr(os, "link", link_late)
    (merged,) = merge(paths, HASH, "hardlink")
    assert "replaced meanwhile" in merged.problem
    assert paths[1].read_bytes() == CONTENT
    assert [path.name for path in paths[1].parent.iterdir()] == ["model.gguf"]


def test_a_merge_can_be_cancelled_while_it_reads(twins: Twins) -> None:
    paths = twins()
    before = snapshot(paths[0].parent.parent)
    cancel = Cancel()
    with pytest.raises(Cancelled):
        merge(paths, HASH, "", lambda _: cancel.set(), cancel)
    assert snapshot(paths[0].parent.parent) == before


STEPS = ("open", "link", "rename", "fsync", "unlink")


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_kill_at_any_step_leaves_every_file_whole(twins: Twins, step: str, when: str) -> None:
    """The child kills itself with SIGKILL around its n-th system call of one kind, for every n there is."""
    for number in range(20):
        paths = twins()
        code = f"""
import os, signal
from pathlib import Path
real, calls = os.{step}, 0
def watched(*arguments, **named):
    global calls
    calls += 1
    if calls == {number + 1} and {when == "before"}: os.kill(os.getpid(), signal.SIGKILL)
    result = real(*arguments, **named)
    if calls == {number + 1}: os.kill(os.getpid(), signal.SIGKILL)
    return result
from models.stores import merge
os.{step} = watched
merged = merge.merge([Path(path) for path in {[str(path) for path in paths]!r}], {HASH!r})
assert not merged[0].problem, merged
"""
        status = subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode
        assert status in (0, -signal.SIGKILL)
        assert [path.read_bytes() == CONTENT for path in paths] == [True, True]
        left = [path for path in paths[0].parent.parent.rglob("*") if path.is_file() and path not in paths]
        assert all(path.name.endswith(LEFTOVER) for path in left)
        assert sweep(paths) == left
        assert merge(paths, HASH)[0].problem == "" and [path.read_bytes() for path in paths] == [CONTENT] * 2
        shutil.rmtree(paths[0].parent.parent)
        if status == 0:
            assert number > 0 or step == "unlink"
            return
    pytest.fail("it never came to its end")


def test_sweeping_takes_only_what_a_merge_left(twins: Twins) -> None:
    paths = twins()
    mine = paths[0].with_name(f".model.gguf{LEFTOVER}")
    folder = paths[1].with_name(f".model.gguf{LEFTOVER}")
    stranger = paths[0].with_name(f".other.gguf{LEFTOVER}")
    mine.touch()
    stranger.touch()
    folder.mkdir()
    assert sweep(paths) == [mine]
    assert stranger.exists() and stat.S_ISDIR(folder.stat().st_mode)


def test_a_folder_that_cannot_be_written_is_told(twins: Twins) -> None:
    paths = twins()
    paths[1].with_name(f".model.gguf{LEFTOVER}").mkdir()  # in the way, also of root
    (merged,) = merge(paths, HASH)
    assert "cannot be changed" in merged.problem and merged.saved_bytes == 0
    assert not paths[1].samefile(paths[0])
