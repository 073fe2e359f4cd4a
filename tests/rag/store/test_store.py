"""files.db: contents once, whoever has them; every change in one transaction; nothing forgotten, nothing left."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rag.errors import (
    BadCollection,
    CheckNotFound,
    CollectionExists,
    CollectionNotFound,
    EmbeddingMismatch,
    IndexTooNew,
)
from rag.store import listing
from rag.store.rows import FileStat, Indexed, Moved, NewCollectionRow, Removed, Skipped, Touched, Waiting
from rag.store.schema import MIGRATIONS
from rag.store.store import FileStore
from tests.rag.store.filled import IDENTITY, STAT, add_files, document, embed, lexical_hits, new_collection, vector

pytestmark = pytest.mark.anyio


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[FileStore]:
    made = await FileStore.open(tmp_path / "files.db")
    yield made
    await made.close()


async def sound(store: FileStore) -> bool:
    """Whether every lexical index holds exactly the chunks of its collection, and SQLite has no complaint."""
    for collection in await store.collections(None):
        table = f"fts_{collection.id}"
        await store.database.write(lambda c, t=table: c.execute(f"INSERT INTO {t} ({t}) VALUES ('integrity-check')"))
        rows = await store.database.read(lambda c, t=table: [r[0] for r in c.execute(f"SELECT id FROM {t}_docsize")])
        chunks = await store.database.read(
            lambda c, n=collection.id: [
                r[0]
                for r in c.execute(
                    "SELECT c.id FROM memberships m JOIN chunks c USING (document_id) WHERE m.collection_id = ?"
                    " ORDER BY c.id",
                    (n,),
                )
            ]
        )
        if rows != chunks:
            return False
    check = await store.database.read(lambda c: c.execute("PRAGMA foreign_key_check").fetchall())
    return check == []


async def total(store: FileStore, table: str) -> int:
    return await store.database.read(lambda c: int(c.execute(f"SELECT count(*) FROM {table}").fetchone()[0]))


async def test_a_changed_file_keeps_the_chunks_that_are_the_same(store: FileStore) -> None:
    collection = await new_collection(store)
    root, space = collection.roots[0].id, await store.open_space(collection.id, IDENTITY)
    await add_files(store, root, {"a.txt": ["one", "two", "three", "two"]})
    await embed(store, space)
    before = {chunk.chunk.text: chunk.id for chunk in await store.document_chunks(1)}

    applied = await store.apply([Indexed(root, "a.txt", STAT, document("new", "two", "three", "two"))])

    after = await store.document_chunks(1)
    assert [chunk.chunk.text for chunk in after] == ["new", "two", "three", "two"]
    assert after[2].id == before["three"] and after[0].id > max(before.values())
    assert (applied.chunks_added, applied.chunks_removed) == (1, 1)
    assert [each.text for each in await store.missing_vectors(space)] == ["new"]
    assert await lexical_hits(store, collection.id, "one") == []
    assert await sound(store)


async def test_the_same_content_is_stored_and_embedded_once(store: FileStore) -> None:
    first, second = await new_collection(store), await new_collection(store, "other", "/srv/other")
    spaces = [await store.open_space(each.id, IDENTITY) for each in (first, second)]
    for each in (first, second):
        await add_files(store, each.roots[0].id, {"a.txt": ["same"], "b.txt": ["same"]})
    assert await total(store, "chunks") == 1
    assert await embed(store, spaces[0]) == 1
    assert await embed(store, spaces[1]) == 0
    (chunk,) = await store.chunks([1], first.id)
    assert [file.file for file in chunk.files] == ["/home/me/notes/a.txt", "/home/me/notes/b.txt"]

    await store.apply([Removed(first.roots[0].id, name) for name in ("a.txt", "b.txt")])

    assert await store.chunks([1], first.id) == []
    assert [file.root for file in (await store.chunks([1]))[0].files] == ["/srv/other", "/srv/other"]
    assert await lexical_hits(store, first.id, "same") == [] and await lexical_hits(store, second.id, "same") == [1]
    assert (await store.placement(spaces[0])).delete.tolist() == [1]
    assert (await store.placement(spaces[1])).add.tolist() == [1]
    await store.remove_root(second.roots[0].id)
    assert await total(store, "chunks") == await total(store, "vectors") == await total(store, "documents") == 0
    assert await sound(store)


async def test_a_move_embeds_nothing_and_is_found_by_its_new_name(store: FileStore) -> None:
    collection = await new_collection(store)
    root, space = collection.roots[0].id, await store.open_space(collection.id, IDENTITY)
    await add_files(store, root, {"old/reportDraft.txt": ["text"]})
    await embed(store, space)
    await store.apply([Moved(root, "old/reportDraft.txt", root, "new/final_version.txt", STAT)])
    assert await store.missing_vectors(space) == []
    assert await lexical_hits(store, collection.id, "path : draft") == []
    assert await lexical_hits(store, collection.id, "path : final") == [1]
    assert list(await store.known_files(root)) == ["new/final_version.txt"]
    assert await sound(store)


async def test_states_reasons_and_pages(store: FileStore) -> None:
    collection = await new_collection(store)
    root = collection.roots[0].id
    await add_files(store, root, {f"{n}.txt": [f"text {n}"] for n in range(5)})
    await store.apply(
        [
            Skipped(root, "key.pem", STAT, "secret", "It usually holds keys."),
            Skipped(root, "4.txt", STAT, "damaged", "It ends early.", failed=True),
            Waiting(root, "later.txt", STAT),
            Touched(root, "0.txt", replace(STAT, mtime_ns=77)),
        ]
    )
    assert (await store.known_files(root))["0.txt"].stat.mtime_ns == 77
    counts = await store.counts(collection.id)
    assert (counts.files, counts.indexed, counts.skipped, counts.failed, counts.waiting) == (7, 4, 1, 1, 1)
    page = await store.file_page(collection.id, limit=3)
    assert [file.path for file in page.files] == ["0.txt", "1.txt", "2.txt"] and page.total == 7
    rest = await store.file_page(collection.id, after=page.next, limit=9)
    assert [file.path for file in rest.files] == ["3.txt", "4.txt", "key.pem", "later.txt"] and rest.next == ""
    assert dict(page.reasons) == {"secret": 1, "damaged": 1}
    assert [file.path for file in (await store.file_page(collection.id, "failed")).files] == ["4.txt"]
    assert [file.path for file in (await store.file_page(collection.id, "", "KEY")).files] == ["key.pem"]
    await store.open_space(collection.id, IDENTITY)
    assert (await store.file_page(collection.id)).files[0].state == "embedding"
    assert (await store.file_page(collection.id, "embedding")).total == 4
    assert await sound(store)


async def test_a_page_costs_as_much_while_much_is_still_to_be_embedded(store: FileStore) -> None:
    collection = await new_collection(store)
    (root,) = collection.roots
    await add_files(store, root.id, {f"{n:03}.txt": [f"text {n} of {m}" for m in range(20)] for n in range(100)})

    async def steps() -> int:
        """What SQLite does for one page, in hundreds of its instructions."""
        done = []

        def count(connection: sqlite3.Connection) -> None:
            connection.set_progress_handler(lambda: done.append(1), 100)
            listing.page(connection, collection.id, "", "", after="", limit=20)
            connection.set_progress_handler(None, 0)

        await store.database.read(count)
        return len(done)

    before = await steps()
    await store.open_space(collection.id, IDENTITY)
    assert (await store.counts(collection.id)).embedding == 2_000
    assert await steps() < 3 * before


async def test_a_space_is_ready_when_everything_is_in_its_place(store: FileStore) -> None:
    collection = await new_collection(store)
    await add_files(store, collection.roots[0].id, {"a.txt": ["one", "two"]})
    space = await store.open_space(collection.id, IDENTITY)
    assert not await store.placed(space, await store.placement(space))
    await embed(store, space)
    batch = await store.placement(space)
    assert batch.add.tolist() == [1, 2] and batch.vectors.shape == (2, 16)
    assert np.allclose(batch.vectors[0], vector("one"), atol=1e-3)
    await store.apply([Removed(collection.roots[0].id, "a.txt")])  # while Chroma was at it
    assert not await store.placed(space, batch)
    gone = await store.placement(space)
    assert gone.delete.tolist() == [1, 2]
    assert await store.placed(space, gone)
    assert (await store.spaces())[0].ready
    with pytest.raises(EmbeddingMismatch):
        await store.put_vectors(IDENTITY.key, [b"x"], np.ones((1, 4), np.float32))


async def test_names_that_are_no_text_and_texts_that_are_no_unicode(store: FileStore) -> None:
    collection = await new_collection(store)
    root = collection.roots[0].id
    name = os.fsdecode(b"caf\xe9.txt")
    await add_files(store, root, {name: ["half \ud800 character \0 zero"], "caf\ufffd.txt": ["other"]})
    assert set(await store.known_files(root)) == {name, "caf\ufffd.txt"}
    (chunk,) = await store.chunks([1])
    assert chunk.chunk.text == "half \ufffd character \0 zero" and chunk.files[0].path == name
    assert (await store.known_files(root))[name].stat == STAT
    await store.apply([Removed(root, name)])
    assert await sound(store)


async def test_collections_and_what_they_refuse(store: FileStore) -> None:
    collection = await new_collection(store)
    with pytest.raises(CollectionExists):
        await store.create_collection(NewCollectionRow("notes", "mini"))
    for bad in ("", " x", "a/b", "a@b", "x" * 81, "a\nb"):
        with pytest.raises(BadCollection):
            await store.create_collection(NewCollectionRow(bad, "mini"))
    with pytest.raises(CollectionNotFound):
        await store.by_name("none")
    in_chat = await store.create_collection(NewCollectionRow("notes", "mini", chat_id="c1"))
    assert [each.id for each in await store.collections()] == [collection.id]
    assert [each.id for each in await store.collections("c1")] == [in_chat.id]
    changed = await store.update_collection(collection.id, name="papers", rules={"hidden": True}, paused=True)
    assert (changed.name, changed.rules, changed.paused) == ("papers", {"hidden": True}, True)
    assert await store.add_root(collection.id, "/home/me/notes") == collection.roots[0]


async def test_checks_evidence_and_receipts(store: FileStore) -> None:
    collection = await new_collection(store)
    check = await store.add_check("a", collection.id, "what?", {"k": 3}, ["a.txt:1-2"])
    await store.set_check_result(check.id, True, "as expected")
    (kept,) = await store.checks(collection.id)
    assert kept.passed and kept.expected == ("a.txt:1-2",) and kept.settings == {"k": 3}
    await store.remove_check(check.id)
    with pytest.raises(CheckNotFound):
        await store.remove_check(check.id)
    for number in range(205):
        await store.put_evidence(f"e{number}", {"n": number}, [f"/f/{number}"])
    assert await store.evidence("e4") is None and await store.evidence("e5") == {"n": 5}
    assert await total(store, "evidence_files") == 200


async def test_a_newer_index_is_left_alone_and_a_damaged_one_keeps_what_the_user_added(tmp_path: Path) -> None:
    path = tmp_path / "files.db"
    made = await FileStore.open(path)
    collection = await new_collection(made)
    await add_files(made, collection.roots[0].id, {f"{n}.txt": [f"text {n} " * 50] for n in range(200)})
    await made.close()
    with sqlite3.connect(path) as connection:
        pages = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'chunks'").fetchone()[0]
    connection.close()
    with path.open("r+b") as file:
        file.seek((pages - 1) * 4096)
        file.write(b"\xff" * 4096)

    again = await FileStore.open(path)
    (kept,) = await again.collections()
    assert kept.name == "notes" and kept.roots[0].path == "/home/me/notes"
    assert (await again.counts(kept.id)).files == 0
    await add_files(again, kept.roots[0].id, {"0.txt": ["text"]})
    assert await sound(again) and await lexical_hits(again, kept.id, "text") == [1]
    await again.close()
    assert (tmp_path / "files.db.corrupt-1").exists()

    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {MIGRATIONS[-1].number + 1}")
    connection.close()
    with pytest.raises(IndexTooNew):
        await FileStore.open(path)


async def said(store: FileStore) -> list[tuple[object, ...]]:
    """What the user said of every collection."""
    rows = await store.collections(None)
    names = ("id", "name", "chat_id", "embedder_id", "reranker_id", "local_only", "watch", "paused", "rules")
    roots = [[root.path for root in one.roots] for one in rows]
    return [(*(getattr(one, name) for name in names), paths) for one, paths in zip(rows, roots, strict=True)]


async def test_collections_outlive_the_loss_of_every_page_that_told_of_them(tmp_path: Path) -> None:
    path, copy = tmp_path / "files.db", tmp_path / "files-collections.json"
    made = await FileStore.open(path)
    assert not copy.exists()  # there is nothing to tell
    gone = await new_collection(made, "secret plans")
    notes = await new_collection(made, "notes", "/home/me/n\udce9tes")
    await made.add_root(notes.id, "/home/me/more")
    await made.create_collection(NewCollectionRow("attached", "mini", chat_id="c1", watch=False))
    await made.update_collection(
        notes.id, local_only=True, paused=True, reranker_id="r", rules={"exclude": ["*.log"]}, embedder_id="other"
    )
    await add_files(made, notes.roots[0].id, {"a.txt": ["text"]})
    await made.remove_collection(gone.id)
    before = await said(made)
    assert len(before) == 2
    await made.close()
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert b"secret plans" not in copy.read_bytes()
    with path.open("r+b") as file:
        file.write(os.urandom(4096))  # page 1: nothing of the file can be read by SQLite

    again = await FileStore.open(path)
    assert await said(again) == before
    kept = await again.collection(notes.id)
    assert "read again" in kept.problem and kept.indexed_at is None
    told = await again.told()
    assert "damaged" in told and "files.db.corrupt-1" in told and "2 collections were put back" in told
    await add_files(again, kept.roots[0].id, {"a.txt": ["text"]})
    assert await sound(again) and await lexical_hits(again, kept.id, "text") == [1]
    await again.close()

    path.unlink()  # gone as a whole
    (tmp_path / "files.db.corrupt-1").unlink()
    third = await FileStore.open(path)
    assert await said(third) == before and await third.told() == ""
    for one in await third.collections(None):
        await third.remove_collection(one.id)
    await third.close()
    assert not copy.exists()


@pytest.mark.parametrize(
    "copy",
    ["", "[]", '{"version": 1}', '{"version": 1, "collections": 5}', '{"version": 1, "collections": [{"id": 1}]}'],
)
async def test_a_copy_of_the_collections_that_makes_no_sense_stops_nothing(tmp_path: Path, copy: str) -> None:
    (tmp_path / "files-collections.json").write_text(copy)
    store = await FileStore.open(tmp_path / "files.db")
    assert await store.collections(None) == []
    await store.close()


_NAMES = st.sampled_from(["a.py", "b.txt", "dir/c.md", "dir/d.md"])
_TEXTS = st.lists(st.sampled_from(["alpha beta", "getValue x", "gamma", "delta"]), min_size=1, max_size=3)
_STEP = st.one_of(
    st.tuples(st.just("index"), st.integers(0, 1), _NAMES, _TEXTS),
    st.tuples(st.just("remove"), st.integers(0, 1), _NAMES, st.none()),
    st.tuples(st.just("skip"), st.integers(0, 1), _NAMES, st.none()),
    st.tuples(st.just("move"), st.integers(0, 1), _NAMES, _NAMES),
    st.tuples(st.just("wait"), st.integers(0, 1), _NAMES, st.none()),
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(_STEP, min_size=1, max_size=5), min_size=1, max_size=6))
async def test_after_any_changes_the_indexes_hold_what_the_files_say(tmp_path: Path, batches: list) -> None:  # type: ignore[type-arg]
    path = tmp_path / "files.db"
    for file in tmp_path.glob("files*"):
        file.unlink()
    store = await FileStore.open(path)
    collections = [await new_collection(store), await new_collection(store, "other", "/srv/other")]
    spaces = [await store.open_space(each.id, IDENTITY) for each in collections]
    roots = [each.roots[0].id for each in collections]
    chroma: list[set[int]] = [set(), set()]
    wanted: list[dict[str, list[str] | None]] = [{}, {}]
    try:
        for batch in batches:
            changes = []
            for kind, which, name, more in batch:
                root, files = roots[which], wanted[which]
                match kind:
                    case "index":
                        changes.append(Indexed(root, name, STAT, document(*more)))
                        files[name] = more
                    case "remove":
                        changes.append(Removed(root, name))
                        files.pop(name, None)
                    case "skip":
                        changes.append(Skipped(root, name, STAT, "binary"))
                        files[name] = None
                    case "wait":
                        changes.append(Waiting(root, name, FileStat(1, 2, 3, 4)))
                        files.setdefault(name, None)
                    case "move" if more != name:
                        changes.append(Moved(root, name, root, more, STAT))
                        if name in files:
                            files[more] = files.pop(name)
            await store.apply(changes)
            for number, space in enumerate(spaces):
                await embed(store, space)
                placement = await store.placement(space)
                chroma[number] = (chroma[number] | set(placement.add.tolist())) - set(placement.delete.tolist())
                assert await store.placed(space, placement)
        assert await sound(store)
        for number, space in enumerate(spaces):
            held = await store.chunks(sorted(chroma[number]), collections[number].id)
            texts = sorted({(chunk.chunk.text, file.path) for chunk in held for file in chunk.files})
            assert texts == sorted({(text, name) for name, own in wanted[number].items() for text in own or ()})
            assert chroma[number] == set((await store.wanted_ids(space)).tolist())
    finally:
        await store.close()
