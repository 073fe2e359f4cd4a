"""Watching folders: what is asked for when files change, with real files and the system's own notices."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from models.errors import DiskFull
from rag.errors import EmbedderFailed
from rag.indexing.watcher import POLL_EVERY_S, Watcher
from rag.store.rows import NewCollectionRow
from rag.store.store import FileStore

SOON_S = 2.0
NAMESPACES = (
    shutil.which("unshare") is not None
    and subprocess.run(
        ("unshare", "-Ur", "test", "-w", "/proc/sys/user/max_inotify_watches"), capture_output=True
    ).returncode
    == 0
)


class Asked:
    """Remembers what the watcher asked for."""

    def __init__(self) -> None:
        self.paths: list[Path] = []
        self.calls = 0
        self.error: Exception | None = None

    async def __call__(self, collection_id: int, paths: Sequence[Path]) -> None:
        self.calls += 1
        self.paths += paths
        if self.error is not None:
            raise self.error

    async def until(self, condition: Callable[[], object], within_s: float = 20.0) -> float:
        """Seconds until it held."""
        began = time.monotonic()
        while not condition():
            assert time.monotonic() - began < within_s, self.paths
            await asyncio.sleep(0.01)
        return time.monotonic() - began

    def covers(self, path: Path) -> bool:
        """Whether a path was asked for, or a folder above it."""
        return any(path.is_relative_to(asked) for asked in self.paths)

    def forget(self) -> None:
        self.paths.clear()
        self.calls = 0


@asynccontextmanager
async def watching(
    folder: Path, *roots: Path, poll_every_s: float = POLL_EVERY_S
) -> AsyncIterator[tuple[Watcher, Asked, FileStore, int]]:
    (folder / "data").mkdir()
    store = await FileStore.open(folder / "data" / "files.db")
    asked = Asked()
    watcher = Watcher(store, asked, lambda _: None, poll_every_s=poll_every_s)
    try:
        collection = await store.create_collection(NewCollectionRow("notes", ""))
        for root in roots:
            await store.add_root(collection.id, str(root))
        await watcher.start()
        await asked.until(lambda: set(asked.paths) >= set(roots))  # everything is looked at once
        asked.forget()
        yield watcher, asked, store, collection.id
    finally:
        await watcher.close()
        await store.close()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path / "root"
    (made / "sub").mkdir(parents=True)
    (made / "a.md").write_text("one")
    return made


def test_a_saved_file_is_looked_at_soon(tmp_path: Path, root: Path) -> None:
    async def work() -> None:
        async with watching(tmp_path, root) as (watcher, asked, _, _):
            assert len(watcher.watched) == 1
            (root / "a.md").write_text("two")
            assert await asked.until(lambda: asked.paths) < SOON_S
            assert set(asked.paths) == {root / "a.md"}
            asked.forget()
            (root / "sub" / "new.md").write_text("three")
            assert await asked.until(lambda: asked.paths) < SOON_S
            assert root / "sub" / "new.md" in asked.paths

    asyncio.run(work())


def test_what_an_embedding_server_could_not_do_is_tried_again_without_a_change(tmp_path: Path, root: Path) -> None:
    async def work() -> None:
        async with watching(tmp_path, root, poll_every_s=0.1) as (_, asked, _, _):
            asked.error = EmbedderFailed("The server does not answer.")
            (root / "a.md").write_text("two")
            await asked.until(lambda: asked.calls >= 2)
            asked.error = None
            asked.forget()
            await asked.until(lambda: root in asked.paths)

    asyncio.run(work())


def test_an_editor_that_writes_another_file_and_renames_it_is_understood(tmp_path: Path, root: Path) -> None:
    async def work() -> None:
        async with watching(tmp_path, root) as (_, asked, _, _):
            beside = root / ".a.md.swp"
            beside.write_text("two")
            beside.replace(root / "a.md")
            await asked.until(lambda: root / "a.md" in asked.paths)
            assert beside not in asked.paths

    asyncio.run(work())


def test_a_folder_that_moves_in_or_out_is_looked_at(tmp_path: Path, root: Path) -> None:
    outside = tmp_path / "outside"
    (outside / "deep").mkdir(parents=True)
    (outside / "deep" / "b.md").write_text("b")

    async def work() -> None:
        async with watching(tmp_path, root) as (_, asked, _, _):
            outside.rename(root / "inside")
            await asked.until(lambda: root / "inside" in asked.paths)
            asked.forget()
            (root / "inside" / "deep" / "b.md").write_text("changed")  # what came in is watched as well
            await asked.until(lambda: root / "inside" / "deep" / "b.md" in asked.paths)
            asked.forget()
            (root / "inside").rename(outside)
            await asked.until(lambda: root / "inside" in asked.paths)

    asyncio.run(work())


def test_a_change_of_branch_is_a_few_looks_that_see_every_file(tmp_path: Path, root: Path) -> None:
    def git(*words: str) -> None:
        settings = ("-c", "user.name=t", "-c", "user.email=t@t", "-c", "gc.auto=0", "-c", "core.fsync=none")
        subprocess.run(("git", *settings, *words), cwd=root, check=True, capture_output=True)

    git("init", "-q", "-b", "main")
    for number in range(2000):
        (root / "sub" / f"{number}.py").write_text(f"x = {number}\n")
    git("add", ".")
    git("commit", "-qm", "main")
    git("checkout", "-qb", "other")
    for number in range(2000):
        (root / "sub" / f"{number}.py").write_text(f"y = {number}\n")
    git("commit", "-qam", "other")

    async def work() -> None:
        async with watching(tmp_path, root) as (_, asked, _, _):
            await asyncio.to_thread(git, "checkout", "-q", "main")
            await asked.until(lambda: root in asked.paths or len(set(asked.paths)) >= 2000)
            assert asked.calls < 100  # two thousand files, a few at a time where the machine is busy
            assert not any(".git" in path.parts for path in asked.paths)

    asyncio.run(work())


def test_another_ignore_file_means_a_look_at_everything(tmp_path: Path, root: Path) -> None:
    async def work() -> None:
        async with watching(tmp_path, root) as (_, asked, _, _):
            (root / "sub" / ".gitignore").write_text("*.log\n")
            await asked.until(lambda: root in asked.paths)

    asyncio.run(work())


def test_a_root_that_goes_and_comes_back_is_watched_again(tmp_path: Path, root: Path) -> None:
    async def work() -> None:
        async with watching(tmp_path, root) as (watcher, asked, _, _):
            root.rename(tmp_path / "away")
            await asked.until(lambda: not watcher.watched)
            asked.forget()
            (tmp_path / "away").rename(root)
            await asked.until(lambda: root in asked.paths and watcher.watched)
            asked.forget()
            (root / "a.md").write_text("two")
            await asked.until(lambda: asked.covers(root / "a.md"))

    asyncio.run(work())


def test_a_root_that_is_a_file_is_noticed_however_it_is_saved(tmp_path: Path, root: Path) -> None:
    alone = root / "a.md"

    async def work() -> None:
        async with watching(tmp_path, alone) as (_, asked, _, _):
            for text in ("two", "three!"):
                beside = root / "a.tmp"
                beside.write_text(text)
                beside.replace(alone)
                assert await asked.until(lambda: asked.paths) < SOON_S
                assert set(asked.paths) == {alone}
                asked.forget()

    asyncio.run(work())


def test_roots_that_come_and_go_are_watched_after_a_refresh(tmp_path: Path, root: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()

    async def work() -> None:
        async with watching(tmp_path, root) as (watcher, asked, store, collection):
            added = await store.add_root(collection, str(other))
            await watcher.refresh()
            await asked.until(lambda: added.id in watcher.watched)
            asked.forget()
            (other / "b.md").write_text("b")
            await asked.until(lambda: asked.covers(other / "b.md"))
            await store.update_collection(collection, paused=True)
            await watcher.refresh()
            assert not watcher.watched
            await store.update_collection(collection, paused=False, watch=False)
            await watcher.refresh()
            assert not watcher.watched

    asyncio.run(work())


def test_a_look_that_fails_does_not_end_the_watching(
    tmp_path: Path, root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def work() -> None:
        async with watching(tmp_path, root) as (_, asked, _, _):
            for error in (DiskFull("The disk is full.", needed_bytes=1, free_bytes=0), ZeroDivisionError()):
                asked.error = error
                (root / "a.md").write_text(str(error))
                await asked.until(lambda: asked.calls)
                asked.forget()
            asked.error = None
            (root / "a.md").write_text("last")
            await asked.until(lambda: asked.paths)

    asyncio.run(work())
    assert "The disk is full." in caplog.text


@pytest.mark.skipif(not NAMESPACES, reason="user namespaces are not allowed here")
@pytest.mark.parametrize(("limit", "most"), [("max_inotify_instances", 0), ("max_inotify_watches", 1)])
def test_where_the_system_does_not_tell_people_are_told_and_files_are_looked_at(
    tmp_path: Path, root: Path, limit: str, most: int
) -> None:
    """With many editors and large trees both limits are reached."""
    script = (
        f"echo {most} > /proc/sys/user/{limit}; exec {sys.executable} -m tests.rag.indexing.limited {tmp_path} {root}"
    )
    done = subprocess.run(("unshare", "-Ur", "sh", "-c", script), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    problem, looked_at = done.stdout.splitlines()
    assert problem.startswith("Changes are noticed only every 1 seconds: ")
    assert looked_at == str(root)


def test_an_index_that_lies_in_its_own_root_does_not_wake_itself(tmp_path: Path, root: Path) -> None:
    async def work() -> None:
        async with watching(root, root) as (_, asked, store, collection):
            for number in range(20):
                await store.update_collection(collection, indexed_at=float(number))
            (root / "a.md").write_text("two")
            await asked.until(lambda: asked.paths)
            assert set(asked.paths) == {root / "a.md"}

    asyncio.run(work())
