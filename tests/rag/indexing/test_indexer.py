"""Indexing: what is done once and not twice, what stays when something fails, what two runs at a time come to."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from models.errors import BinaryMissing, Cancelled
from rag.embedding.choices import Definition
from rag.errors import EmbedderFailed
from rag.files import Files, FilesHooks
from rag.indexing.indexer import LITTLE_BYTES, Indexer, IndexParts
from rag.indexing.throttle import AT_MOST_S
from rag.reading.pool import ReaderPool
from rag.reading.types import Limits
from tests.rag.embedding.fake_servers import FakeEmbeddings
from tests.rag.indexing.rig import Rig, collection, places, rig, until
from tests.rag.reading.making import pdf
from tests.rag.threads import start_threads

pytestmark = pytest.mark.anyio

TOPICS = (
    "harbour cranes lift steel containers",
    "bakers knead sourdough before dawn",
    "glaciers carve granite valleys",
)


@pytest.fixture
def server() -> Iterator[FakeEmbeddings]:
    with FakeEmbeddings(dimensions=32) as made:
        yield made


@pytest.fixture(scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    """An index whose children are all at work; every test has a collection of its own in it, below this one's root."""
    folder = tmp_path_factory.mktemp("index")
    with FakeEmbeddings(dimensions=32) as server:
        files = await Files.open(places(folder))
        made = await collection(files, server, folder / "roots", "warm")
        for number in range(400):
            made.write(f"warm/{number}.md", f"{number}")
        await made.index()
        await start_threads(files.store)
        await files.readers.rest()
        yield made
        await files.close()


@pytest.fixture
async def index(shared: Rig, request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    name = request.node.name[:40]
    place = shared.root / name
    place.mkdir()
    made = await collection(shared.files, shared.server, place / "root", name)
    yield made
    made.server.faults.clear()
    spaces = await made.files.store.spaces(made.collection)
    row = await made.files.store.collection(made.collection)
    await made.files.store.remove_collection(made.collection)
    for space in spaces:
        await made.files.vectors.drop(space.name)
    for embedder_id in filter(None, {row.embedder_id, row.next_embedder_id}):
        await made.files.embedders.remove(embedder_id)  # with the connections that calls which were broken off hold
    await made.files.readers.rest()  # which of them a test replaced depends on the moment


def note(number: int, name: str) -> str:
    """Two collections have no text in common: it would be known from the first one."""
    return f"# Note {number}\n\nAll the {TOPICS[number % 3]}, says note number {number} of collection {name}.\n"


def write_notes(rig: Rig, count: int) -> None:
    for number in range(count):
        rig.write(f"n{number % 3}/note{number}.md", note(number, str(rig.collection)))


async def test_files_are_found_by_words_and_by_meaning_and_nothing_is_done_twice(index: Rig) -> None:
    write_notes(index, 6)
    index.write(".git/config", "never read")
    report = await index.index()
    assert (report.read, report.chunks, report.embedded, report.unchanged) == (6, 6, 6, 0)
    assert index.told[-1].files_done == index.told[-1].files_total == 6
    assert (await index.found("sourdough", "lexical"))[0] in ("n1/note1.md", "n1/note4.md")
    assert (await index.found(TOPICS[2], "dense"))[0] in ("n2/note2.md", "n2/note5.md")
    assert len(await index.found("note number 3", "lexical", k=20)) == 6
    asked = len(index.server.texts())
    again = await index.index()
    assert (again.read, again.unchanged, again.embedded) == (0, 6, 0)
    assert not again.changed
    assert len(index.server.texts()) == asked
    counts = await index.files.store.counts(index.collection)
    assert (counts.indexed, counts.embedding) == (6, 0)


async def test_of_a_changed_file_only_what_is_new_is_embedded(index: Rig) -> None:
    parts = [f"## Part {number}\n\n{TOPICS[number % 3]} {number}. " + "word " * 300 for number in range(4)]
    file = index.write("long.md", "\n\n".join(parts))
    await index.index()
    before = len(index.embedded())
    file.write_text("\n\n".join([*parts[:3], "## Part 9\n\nOnly lighthouses shine upon the rocky northern cape."]))
    report = await index.index([file])
    assert report.read == 1
    assert len(index.embedded()) - before < before
    assert (await index.found("lighthouses", "lexical")) == ["long.md"]


async def test_what_a_file_said_before_is_in_no_byte_of_the_database_after_the_run(index: Rig) -> None:
    database = index.files.store.database
    stored = [database.path, database.path.with_name(f"{database.path.name}-wal")]

    async def gone(text: bytes) -> bool:
        return not any(text in file.read_bytes() for file in stored)

    file = index.write("plan.md", "# Plan\n\nThe vault is opened with the number 7319 and a silver key.")
    index.write("other.md", note(1, "other"))
    await index.index()
    assert not await gone(b"7319 and a silver key")
    file.write_text("# Plan\n\nThere is no vault in this house any more, only a cupboard.")
    reading, read = threading.Event(), threading.Event()

    def hold(connection: sqlite3.Connection) -> int:
        """A reader that is at work all through the run."""
        (before,) = connection.execute("SELECT count(*) FROM chunks").fetchone()
        reading.set()
        read.wait(30)
        (after,) = connection.execute("SELECT count(*) FROM chunks WHERE text LIKE '%7319%'").fetchone()
        return int(before > 0) + int(after)

    held = asyncio.create_task(database.read(hold))
    await asyncio.to_thread(reading.wait)
    try:
        await index.index([file])
        assert not await gone(b"7319 and a silver key")  # it is being read
    finally:
        read.set()
    assert await held == 2  # it saw one moment, whatever was done meanwhile
    await until(lambda: gone(b"7319 and a silver key"))
    assert not await gone(b"only a cupboard")


async def test_a_moved_folder_and_a_copy_cost_no_embedding(index: Rig) -> None:
    write_notes(index, 6)
    await index.index()
    before = len(index.embedded())
    (index.root / "n1").rename(index.root / "elsewhere")
    report = await index.index()
    assert (report.moved, report.read, report.removed) == (2, 0, 0)
    assert {path.split("/")[0] for path in await index.found("sourdough", "lexical")} == {"elsewhere"}
    assert (await index.found(TOPICS[1], "dense"))[0].startswith("elsewhere/")
    shutil.copytree(index.root / "elsewhere", index.root / "copied")
    (index.root / "elsewhere" / "note1.md").rename(index.root / "note1.txt")  # read anew as another kind
    report = await index.index()
    assert (report.read, report.embedded) == (3, 0)
    assert len(index.embedded()) == before


async def test_what_is_gone_is_not_found(index: Rig) -> None:
    write_notes(index, 6)
    index.write("n0/.gitignore", "")
    await index.index()
    shutil.rmtree(index.root / "n1")
    index.write("n0/.gitignore", "note3.md\n")
    report = await index.index()
    assert (report.removed, report.skipped) == (2, 1)
    assert await index.found("sourdough", "lexical") == []
    assert sorted(await index.found("note", "lexical", k=20)) == ["n0/note0.md", "n2/note2.md", "n2/note5.md"]
    assert set(await index.found(TOPICS[1], "dense", k=20)) <= {"n0/note0.md", "n2/note2.md", "n2/note5.md"}


async def test_a_file_that_cannot_be_read_again_keeps_its_passages_and_says_so(index: Rig) -> None:
    write_notes(index, 2)
    file = index.root / "report.pdf"
    file.write_bytes(pdf(["Lighthouses shine upon the rocky northern cape."]))
    await index.index()
    file.write_bytes(file.read_bytes()[:200])
    index.write("n0/note0.md", "Orchards bloom in the southern valleys each April.")
    report = await index.index()
    assert (report.kept, report.failed, report.read) == (1, 0, 1)
    assert await index.found("lighthouses", "lexical") == ["report.pdf"]
    page = await index.files.store.file_page(index.collection, "failed")
    assert [(row.path, row.reason, row.chunks) for row in page.files] == [("report.pdf", "damaged", 1)]
    assert (await index.index()).unchanged == 3  # it is not tried again before it changes


async def test_while_the_embedder_fails_words_are_found_and_the_next_run_goes_on(index: Rig) -> None:
    write_notes(index, 6)
    index.server.faults.extend(["404"] * 9)
    with pytest.raises(EmbedderFailed):
        await index.index()
    assert len(await index.found("sourdough", "lexical")) == 2
    assert "out of luck" in (await index.files.store.collection(index.collection)).problem
    index.server.faults.clear()
    report = await index.index()
    assert (report.read, report.embedded) == (0, 6)
    assert (await index.files.store.collection(index.collection)).problem == ""
    assert (await index.found(TOPICS[1], "dense"))[0].startswith("n1/")


async def test_readers_that_cannot_start_end_the_run_with_a_reason_and_nothing_is_lost(index: Rig) -> None:
    write_notes(index, 10)
    await index.index()
    index.write("n0/note0.md", "# Changed\n\nNow there is something about albatrosses in this note of the index.")
    for number in range(10, 20):
        index.write(f"later/{number}.md", note(number, "later"))
    files = index.files
    starved = ReaderPool(index.root.parent / "starved", None, 1, Limits(memory_bytes=1 << 20))
    parts = IndexParts(files.store, files.vectors, files.embedders, starved)
    try:
        with pytest.raises(BinaryMissing, match="No file can be read") as failed:
            await Indexer(parts, files.throttle, lambda _: None).index(index.collection, lambda _: None, index.cancel)
    finally:
        await starved.close()
    assert "goes on" in failed.value.hint
    assert "No file can be read" in (await files.store.collection(index.collection)).problem
    assert sorted(await index.found("note number", "lexical", k=20)) == sorted(
        f"n{n % 3}/note{n}.md" for n in range(10)
    )

    report = await index.index()
    assert (report.read, report.failed) == (11, 0)
    assert (await files.store.collection(index.collection)).problem == ""
    assert await index.found("albatrosses", "lexical") == ["n0/note0.md"]
    assert (await files.store.counts(index.collection)).indexed == 20


async def test_after_a_pause_nothing_is_read_or_embedded_twice(index: Rig) -> None:
    write_notes(index, 600)
    running = asyncio.create_task(index.index())
    await until(lambda: asyncio.sleep(0, len(index.embedded()) >= 128))
    index.cancel.set("pause")
    with pytest.raises(Cancelled):
        await running
    assert index.files.indexer.now(index.collection) is None
    index.cancel = type(index.cancel)()
    await index.index()
    counts = await index.files.store.counts(index.collection)
    assert (counts.indexed, counts.chunks, counts.embedding) == (600, 600, 0)
    twice = [text for text, times in Counter(index.embedded()).items() if times > 1]
    assert len(twice) <= 3 * 128  # calls that were under way when it was paused


async def test_runs_that_overlap_do_nothing_twice(index: Rig) -> None:
    write_notes(index, 300)
    whole = asyncio.create_task(index.index())
    again = asyncio.create_task(index.index())
    await until(lambda: asyncio.sleep(0, index.embedded()))
    file = index.write("urgent.md", "Lighthouses shine upon the rocky northern cape.")
    urgent = await index.index([file])
    assert urgent.read == 1
    reports = await asyncio.gather(whole, again)
    assert sorted(report.read for report in reports) == [0, 300]
    assert await index.found("lighthouses", "lexical") == ["urgent.md"]
    assert max(Counter(index.embedded()).values()) == 1


async def test_another_embedder_takes_over_in_one_step(index: Rig) -> None:
    write_notes(index, 300)
    await index.index()
    (old,) = await index.files.store.spaces(index.collection)
    changing = asyncio.create_task(index.change_embedder("second"))
    await until(lambda: asyncio.sleep(0, len(index.embedded()) > 350))
    row = await index.files.store.collection(index.collection)
    assert row.next_embedder_id.startswith("openai:second")
    assert row.embedder_id.startswith("openai:first")
    assert (await index.found(TOPICS[1], "dense"))[0].startswith("n1/")  # the old vectors answer meanwhile
    file = index.write("late.md", "Lighthouses shine upon the rocky northern cape.")
    await index.index([file])
    report = await changing
    assert report.embedded >= 300
    row = await index.files.store.collection(index.collection)
    assert (row.embedder_id.startswith("openai:second"), row.next_embedder_id) == (True, "")
    (space,) = await index.files.store.spaces(index.collection)
    assert old.name not in await index.files.vectors.spaces()
    assert await index.files.vectors.count(space.name) == 301
    counted = "SELECT embedder, count(*) FROM vectors WHERE embedder IN (?, ?) GROUP BY embedder"
    kept = await index.files.store.database.read(
        lambda c: c.execute(counted, (old.embedder_key, space.embedder_key)).fetchall()
    )
    assert kept == [(space.embedder_key, 301)]
    assert (await index.found("Lighthouses shine upon the rocky northern cape.", "dense"))[0] == "late.md"
    assert any(now.chunks_total == 300 and now.progress.unit == "chunks" for now in index.told)


async def test_a_change_of_the_embedder_that_is_cancelled_leaves_the_old_one(index: Rig) -> None:
    write_notes(index, 300)
    await index.index()
    (old,) = await index.files.store.spaces(index.collection)
    changing = asyncio.create_task(index.change_embedder("second"))
    await until(lambda: asyncio.sleep(0, len(index.embedded()) > 350))
    index.cancel.set("cancel")
    with pytest.raises(Cancelled):
        await changing
    row = await index.files.store.collection(index.collection)
    assert (row.embedder_id.startswith("openai:first"), row.next_embedder_id) == (True, "")
    assert await index.files.store.spaces(index.collection) == [old]
    everywhere = {space.name for space in await index.files.store.spaces()}
    assert set(await index.files.vectors.spaces()) == everywhere
    assert (await index.found(TOPICS[1], "dense"))[0].startswith("n1/")


async def test_a_change_of_the_embedder_that_is_paused_goes_on_where_it_was(index: Rig) -> None:
    write_notes(index, 600)
    await index.index()
    changing = asyncio.create_task(index.change_embedder("second"))
    await until(lambda: asyncio.sleep(0, len(index.embedded()) > 900))
    index.cancel.set("pause")
    with pytest.raises(Cancelled):
        await changing
    assert (await index.files.store.collection(index.collection)).next_embedder_id.startswith("openai:second")
    index.cancel = type(index.cancel)()
    index.told.clear()
    report = await index.change_embedder("second")
    assert report.embedded < 600
    assert index.told[0].chunks_done > 0 and index.told[0].chunks_total == 600
    assert (await index.files.store.collection(index.collection)).embedder_id.startswith("openai:second")


async def test_a_look_at_everything_embeds_what_a_server_could_not(index: Rig) -> None:
    write_notes(index, 3)
    index.server.faults.extend(["500"] * 50)
    with pytest.raises(EmbedderFailed):
        await index.index()
    assert (await index.files.store.collection(index.collection)).problem
    assert (await index.files.store.counts(index.collection)).embedding == 3
    index.server.faults.clear()
    await index.index([index.root])  # as the watcher looks again: no file has changed
    assert (await index.files.store.collection(index.collection)).problem == ""
    assert (await index.files.store.counts(index.collection)).embedding == 0


async def test_a_root_that_is_away_keeps_its_index(index: Rig) -> None:
    write_notes(index, 3)
    await index.index()
    index.root.rename(index.root.parent / "away")
    report = await index.index()
    assert len(report.problems) == 1
    (root,) = (await index.files.store.collection(index.collection)).roots
    assert root.problem == report.problems[0] == f"{index.root} is not there."
    assert await index.found("sourdough", "lexical") == ["n1/note1.md"]
    (index.root.parent / "away").rename(index.root)
    report = await index.index()
    assert (report.unchanged, report.problems) == (3, ())
    (root,) = (await index.files.store.collection(index.collection)).roots
    assert root.problem == ""


async def test_a_root_that_is_a_file(index: Rig) -> None:
    alone = index.root.parent / "alone.md"
    alone.write_text("Lighthouses shine upon the rocky northern cape.")
    await index.files.store.add_root(index.collection, str(alone))
    assert (await index.index()).read == 1
    alone.write_text("Orchards bloom in the southern valleys each April.")
    assert (await index.index([alone])).read == 1
    (row,) = (await index.files.store.file_page(index.collection)).files
    assert (row.root.path, row.path, row.state) == (str(alone), "", "indexed")
    assert await index.found("lighthouses", "lexical") == []
    assert await index.found("orchards", "lexical") == ["alone.md"]


async def test_full_reads_everything_and_embeds_nothing_again(index: Rig) -> None:
    write_notes(index, 6)
    await index.index()
    report = await index.index(full=True)
    assert (report.read, report.embedded) == (6, 0)


async def test_a_saved_file_is_found_within_two_seconds(tmp_path: Path, server: FakeEmbeddings) -> None:
    async with rig(tmp_path, server) as index:
        write_notes(index, 20)
        await index.files.start()
        await until(lambda: index.found("sourdough", "lexical"))
        await until(lambda: asyncio.sleep(0, index.files.indexer.now(index.collection) is None))
        for round_number, name in enumerate(("n0/note0.md", "new/deep.md")):
            beside = index.write("saving.tmp", f"Lighthouses number {round_number} shine upon the rocky cape.")
            target = index.root / name
            target.parent.mkdir(exist_ok=True)
            beside.replace(target)  # as editors do

            async def hit(name: str = name, wanted: str = f"lighthouses number {round_number}") -> bool:
                return name in await index.found(wanted, "lexical")

            assert await until(hit) < 2.0
        (index.root / "n0").rename(index.root / "moved")
        await until(lambda: index.found("lighthouses", "lexical"))
        before = len(index.embedded())

        async def moved() -> bool:
            return "moved/note0.md" in await index.found("lighthouses", "lexical")

        assert await until(moved) < 4.0
        assert len(index.embedded()) == before


async def test_a_file_that_moves_from_one_root_to_another_is_not_embedded_again(index: Rig) -> None:
    other = index.root.parent / "other"
    other.mkdir()
    await index.files.store.add_root(index.collection, str(other))
    file = index.write("a.md", "Lighthouses shine upon the rocky northern cape.")
    await index.index()
    before = len(index.embedded())
    file.rename(other / "b.md")
    report = await index.index([file, other / "b.md"])
    assert (report.moved, report.read, report.removed) == (1, 0, 0)
    assert len(index.embedded()) == before
    assert await index.found("lighthouses", "lexical") == ["b.md"]


async def test_indexing_waits_while_somebody_is_answered(tmp_path: Path, server: FakeEmbeddings) -> None:
    answering = True
    async with rig(tmp_path, server, FilesHooks(busy=lambda: answering)) as index:
        write_notes(index, 6)
        running = asyncio.create_task(index.index())
        await until(lambda: asyncio.sleep(0, any(now.waits_for == "busy" for now in index.told)))
        assert not index.embedded()
        answering = False
        assert (await running).embedded == 6


async def test_a_saved_file_is_found_while_somebody_is_answered_and_much_at_once_waits(
    tmp_path: Path, server: FakeEmbeddings
) -> None:
    answering = False
    async with rig(tmp_path, server, FilesHooks(busy=lambda: answering)) as index:
        write_notes(index, 3)
        await index.index()
        answering = True
        began = time.monotonic()
        saved = index.write("saved.md", "Lighthouses shine upon the rocky northern cape, all night long.")
        assert (await index.index([saved])).embedded == 1
        assert time.monotonic() - began < AT_MOST_S  # each wait for an answer would take so long
        assert (await index.found("lighthouses"))[0] == "saved.md"

        index.told.clear()
        much = [index.write(f"{n}.md", f"Harbour {n} is deep. " * 2000) for n in range(1 + LITTLE_BYTES // 40_000)]
        running = asyncio.create_task(index.index(much))
        await until(lambda: asyncio.sleep(0, any(now.files_total == len(much) for now in index.told)))
        assert not (await asyncio.wait([running], timeout=1.0))[0]
        answering = False
        assert (await running).read == len(much)


async def test_who_is_told_of_changes_is_told_of_all_and_not_flooded(tmp_path: Path, server: FakeEmbeddings) -> None:
    told: list[int] = []
    async with rig(tmp_path, server, FilesHooks(on_change=told.append)) as index:
        write_notes(index, 300)
        report = await index.index()
        assert set(told) == {index.collection}
        assert 2 <= len(told) <= 3 + report.seconds / 0.3
        assert len(index.told) <= 2 + report.seconds / 0.1


async def test_an_embedder_that_is_not_here_is_told_of(index: Rig) -> None:
    write_notes(index, 1)
    await index.index()
    gone = await index.files.embedders.add(Definition("openai", "gone", f"{index.server.url}/v1"))
    await index.files.embedders.remove(gone.id)
    await index.files.store.update_collection(index.collection, embedder_id=gone.id)
    index.write("new.md", "Lighthouses shine upon the rocky northern cape.")
    with pytest.raises(Exception, match="no embedder"):
        await index.index()
    assert await index.found("lighthouses", "lexical") == ["new.md"]
