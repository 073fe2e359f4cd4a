"""The vector index: what it acknowledged stays, what it lost is made anew, and it never stops search."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import stat
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import numpy as np
import pytest

from rag.errors import EmbeddingMismatch, VectorsBroken
from rag.store.rows import Removed, Space
from rag.store.store import FileStore
from rag.vectors.index import VectorIndex
from rag.vectors.quarantine import quarantined
from tests.rag.store.filled import IDENTITY, add_files, embed, new_collection, vector
from tests.rag.threads import start_threads

pytestmark = pytest.mark.anyio

MANY = 1300  # more than Chroma keeps in its log: some are in the graph's files, some are not


class Filled:
    """A store and its index with `MANY` chunks in one space."""

    def __init__(self, folder: Path, store: FileStore, space: Space) -> None:
        self.folder, self.store, self.space = folder, store, space
        self.index = self.opened()
        self.sound: list[list[int]] = []  # what `nearest` found when all was there

    @classmethod
    async def copied(cls, pattern: Path, folder: Path) -> Filled:
        shutil.copytree(pattern, folder, dirs_exist_ok=True)
        store = await FileStore.open(folder / "files.db")
        (space,) = await store.spaces()
        return cls(folder, store, space)

    async def close(self) -> None:
        await self.index.close()
        await self.store.close()

    def opened(self) -> VectorIndex:
        return VectorIndex(self.folder / "vectors", self.store)

    async def nearest(self, index: VectorIndex) -> list[list[int]]:
        """The ids of the five nearest of each of some texts."""
        found = [await index.query(self.space.name, vector(f"text {n}"), 5) for n in range(0, MANY, 97)]
        return [[number for number, _ in hits] for hits in found]


@pytest.fixture(scope="module")
def pattern(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store and its index, filled once."""
    folder = tmp_path_factory.mktemp("pattern")

    async def fill() -> None:
        store = await FileStore.open(folder / "files.db")
        collection = await new_collection(store)
        space = await store.open_space(collection.id, IDENTITY)
        await add_files(store, collection.roots[0].id, {f"{n}.txt": [f"text {n}"] for n in range(MANY)})
        index = VectorIndex(folder / "vectors", store)
        await embed(store, space, index)
        await index.close()
        await store.close()

    asyncio.run(fill())
    return folder


@pytest.fixture
async def filled(tmp_path: Path, pattern: Path) -> AsyncIterator[Filled]:
    """One whose worker may be replaced."""
    made = await Filled.copied(pattern, tmp_path)
    yield made
    await made.close()


@pytest.fixture(scope="module")
async def at_work(tmp_path_factory: pytest.TempPathFactory, pattern: Path) -> AsyncIterator[Filled]:
    made = await Filled.copied(pattern, tmp_path_factory.mktemp("shared"))
    await start_threads(made.store)
    await made.index.start()
    made.sound = await made.nearest(made.index)
    yield made
    await made.close()


@pytest.fixture
async def shared(at_work: Filled) -> AsyncIterator[Filled]:
    """One with the worker of all tests; what a test adds beside the store's own goes afterwards."""
    yield at_work
    await at_work.index.start()


@pytest.fixture(scope="module")
def nearest(at_work: Filled) -> list[list[int]]:
    """What a sound index finds."""
    return at_work.sound


def files(folder: Path) -> list[Path]:
    return [file for file in folder.rglob("*") if file.is_file()]


async def test_the_nearest_are_found_with_their_cosines_and_files_are_the_users_own(shared: Filled) -> None:
    hits = await shared.index.query(shared.space.name, vector("text 7"), 3)
    (row,) = await shared.store.chunks([hits[0][0]])
    assert row.chunk.text == "text 7"
    assert hits[0][1] == pytest.approx(1, abs=1e-3)
    assert hits[0][1] >= hits[1][1] >= hits[2][1]
    assert await shared.index.count(shared.space.name) == await shared.store.count_wanted(shared.space)
    assert await shared.index.query("no-such-space", vector("x"), 3) == []
    modes = {stat.S_IMODE(file.stat().st_mode) for file in files(shared.folder / "vectors")}
    assert modes == {0o600}
    with pytest.raises(EmbeddingMismatch):
        await shared.index.add(shared.space.name, [1], np.ones((1, 4), np.float32))


async def test_what_was_acknowledged_survives_a_kill_of_the_worker(filled: Filled) -> None:
    for round_ in range(2):
        added = [10_000 + round_ * 10 + n for n in range(10)]
        await filled.index.add(filled.space.name, added, np.stack([vector(str(n)) for n in added]))
        pid = filled.index.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        assert set(added) <= set((await filled.index.ids(filled.space.name)).tolist())
        assert filled.index.pid != pid
        for number in added:
            assert (await filled.index.query(filled.space.name, vector(str(number)), 1))[0][0] == number
    assert filled.index.problem == ""


async def test_files_removed_from_the_store_leave_the_index(shared: Filled) -> None:
    collection = await shared.store.by_name("notes")
    root = collection.roots[0].id
    (hit, *_) = await shared.index.query(shared.space.name, vector("text 3"), 1)
    await shared.store.apply([Removed(root, "3.txt")])
    assert await shared.index.place(shared.space)
    assert hit[0] not in (await shared.index.ids(shared.space.name)).tolist()
    assert (await shared.index.query(shared.space.name, vector("text 3"), 1))[0][1] < 0.99


def _graph(folder: Path, name: str) -> Path:
    (found,) = folder.glob(f"vectors/index/*/{name}")
    return found


def _cut(name: str, size: int) -> Callable[[Path], None]:
    return lambda folder: os.truncate(_graph(folder, name), size)


def _cut_database(folder: Path) -> None:
    os.truncate(folder / "vectors/index/chroma.sqlite3", 100_000)


def _lose_graph(folder: Path) -> None:
    for file in _graph(folder, "header.bin").parent.iterdir():
        file.unlink()


def _lose_all(folder: Path) -> None:
    for file in files(folder / "vectors/index"):
        file.unlink()


DAMAGE = {
    "vectors cut": _cut("data_level0.bin", 20_000),
    "database cut": _cut_database,
    "graph lost": _lose_graph,
    "all lost": _lose_all,
}


@pytest.mark.accept(34)
@pytest.mark.parametrize("damage", DAMAGE)
async def test_a_damaged_index_is_quarantined_and_made_anew_with_the_same_results(
    filled: Filled, nearest: list[list[int]], damage: str
) -> None:
    DAMAGE[damage](filled.folder)
    await filled.index.start()
    await filled.index.wait_whole()
    await whole_again(filled, nearest)


def _delete_folder(filled: Filled) -> None:
    shutil.rmtree(filled.folder / "vectors")


def _delete_file(filled: Filled) -> None:
    (filled.folder / "vectors/index/chroma.sqlite3").unlink()


def _put_a_copy_in_its_place(filled: Filled) -> None:
    shutil.copytree(filled.folder / "vectors", filled.folder / "copy")
    shutil.rmtree(filled.folder / "vectors")
    (filled.folder / "copy").rename(filled.folder / "vectors")


def _delete_folder_and_kill(filled: Filled) -> None:
    _delete_folder(filled)
    assert filled.index.pid is not None
    os.kill(filled.index.pid, signal.SIGKILL)


@pytest.mark.parametrize(
    "damage",
    [_delete_folder, _delete_file, _put_a_copy_in_its_place, _delete_folder_and_kill],
    ids=lambda one: one.__name__,
)
async def test_an_index_that_is_deleted_at_work_is_noticed_by_the_next_question(
    filled: Filled, nearest: list[list[int]], damage: Callable[[Filled], None]
) -> None:
    await filled.index.start()
    damage(filled)
    with pytest.raises(VectorsBroken, match="only words"):
        await filled.index.query(filled.space.name, vector("text 1"), 1)
    await filled.index.wait_whole()
    assert filled.index.problem == ""
    assert await filled.nearest(filled.index) == nearest
    assert (filled.folder / "vectors/index/chroma.sqlite3").exists()
    assert await filled.store.missing_vectors(filled.space) == []


async def test_while_the_index_is_made_anew_questions_say_so(filled: Filled, nearest: list[list[int]]) -> None:
    told: list[str] = []
    _cut("header.bin", 50)(filled.folder)  # kills the worker by SIGSEGV
    filled.index = VectorIndex(
        filled.folder / "vectors", filled.store, changed=lambda: told.append(filled.index.problem)
    )
    for _ in range(2):
        with pytest.raises(VectorsBroken, match="only words"):
            await filled.index.query(filled.space.name, vector("text 1"), 1)
    await filled.index.wait_whole()
    await whole_again(filled, nearest)
    assert told[0] != "" and told[-1] == ""


async def whole_again(filled: Filled, nearest: list[list[int]]) -> None:
    assert filled.index.problem == ""
    assert await filled.nearest(filled.index) == nearest
    assert await filled.index.count(filled.space.name) == MANY
    assert len(quarantined(filled.folder / "vectors")) == 1
    assert await filled.store.missing_vectors(filled.space) == []


async def test_a_rebuild_that_was_killed_goes_on_at_the_next_start(filled: Filled, nearest: list[list[int]]) -> None:
    await filled.index.rebuild("a test")
    await filled.index.close()
    filled.index = filled.opened()
    await filled.index.start()
    await filled.index.wait_whole()
    assert await filled.nearest(filled.index) == nearest


async def test_a_worker_that_hangs_is_replaced(filled: Filled) -> None:
    filled.index = VectorIndex(filled.folder / "vectors", filled.store, call_s=3)
    await filled.index.count(filled.space.name)
    assert filled.index.pid is not None
    os.kill(filled.index.pid, signal.SIGSTOP)
    assert (await filled.index.query(filled.space.name, vector("text 1"), 1))[0][1] > 0.99
    assert filled.index.problem == ""
    assert quarantined(filled.folder / "vectors") == []


async def test_start_takes_out_what_does_not_belong_and_adds_what_lacks(shared: Filled) -> None:
    wanted = await shared.store.wanted_ids(shared.space)
    await shared.index.add(shared.space.name, [99_999], vector("left over")[None])
    await shared.index.delete(shared.space.name, wanted[:20])
    await shared.index.add("another-space", [1], vector("x")[None])
    await shared.index.start()
    assert (await shared.index.ids(shared.space.name)).tolist() == wanted.tolist()
    assert await shared.index.spaces() == [shared.space.name]


async def test_what_was_deleted_is_in_no_file_of_the_index(filled: Filled) -> None:
    secret = vector("the secret")
    await filled.index.add("doomed", [5], secret[None])
    await filled.index.drop("doomed")
    await filled.index.compact()
    assert all(secret.tobytes() not in file.read_bytes() for file in files(filled.folder / "vectors"))
    assert (await filled.index.query(filled.space.name, vector("text 1"), 1))[0][1] > 0.99


async def test_the_environment_and_a_hostile_dotenv_change_nothing(
    filled: Filled, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = filled.folder / "elsewhere"
    await filled.index.close()
    monkeypatch.setenv("CHROMA_PERSIST_DIRECTORY", str(elsewhere))
    (filled.folder / "vectors/work/.env").write_text(f"persist_directory={elsewhere}\nchroma_server_host=evil\n")
    filled.index = filled.opened()
    assert await filled.index.count(filled.space.name) == MANY
    assert not elsewhere.exists()


async def test_adding_at_the_same_time_as_asking(shared: Filled) -> None:
    rows = np.stack([vector(f"more {n}") for n in range(300)])
    before = await shared.index.count(shared.space.name)
    ids = list(range(20_000, 20_300))
    added = asyncio.create_task(shared.index.add(shared.space.name, ids, rows))
    found = 0
    while not added.done():
        found += len(await shared.index.query(shared.space.name, vector("text 1"), 3))
    await added
    assert found and await shared.index.count(shared.space.name) == before + 300


async def test_few_rows_in_tight_groups_are_all_found(shared: Filled) -> None:
    """A graph of such rows may have no way from one group to another."""
    chance = np.random.default_rng(5)
    groups = chance.standard_normal((6, 64))
    rows = (groups[np.arange(300) % 6] + 0.01 * chance.standard_normal((300, 64))).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    await shared.index.add("tight", list(range(300)), rows)
    for row in rows:
        cosines = [cosine for _, cosine in await shared.index.query("tight", row, 20)]
        assert np.allclose(cosines, np.sort(rows @ row)[::-1][:20], atol=1e-5)
    nearest = (await shared.index.query("tight", rows[0], 1))[0][0]
    await shared.index.delete("tight", [nearest])
    assert nearest not in [number for number, _ in await shared.index.query("tight", rows[0], 20)]
    await shared.index.drop("tight")
