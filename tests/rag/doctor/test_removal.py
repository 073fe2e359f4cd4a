"""Removal: what was taken out is found by nothing any more, what others have stays, and the receipt says so."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict
from pathlib import Path

import pytest

from desktop.wire_files import Receipt as WireReceipt
from rag.doctor.removal import Removal
from rag.doctor.traces import Needles, found_in, overwrite
from rag.store.rows import Applied, FileChange, Indexed, Removed, Space
from rag.store.store import FileStore
from rag.vectors.index import VectorIndex
from tests.rag.store.filled import IDENTITY, STAT, add_files, document, embed, lexical_hits, new_collection, vector

pytestmark = pytest.mark.anyio

SECRET = "The launch code of the Aldebaran probe is qzvortex4711 and nobody may know it."
SHARED = "Everybody has this paragraph about the weather in Reykjavik during winter."
OTHERS = [f"An ordinary sentence number {n} about gardens, bridges and music." for n in range(150)]


class Index:
    """A store with its vector index."""

    def __init__(self, folder: Path, store: FileStore) -> None:
        self.folder, self.store = folder, store
        self.vectors = VectorIndex(folder / "vectors", store)
        self.removal = Removal(store, self.vectors, self.apply)

    async def apply(self, _: int, batch: Sequence[FileChange]) -> Applied:
        return await self.store.apply(batch)

    def bytes(self) -> bytes:
        """All of its files, one after the other."""
        found = [
            *self.folder.glob("files.db*"),
            *(file for file in self.folder.glob("vectors*/**/*") if file.is_file()),
        ]
        return b"".join(file.read_bytes() for file in found)


@pytest.fixture
async def index(tmp_path: Path) -> AsyncIterator[Index]:
    made = Index(tmp_path, await FileStore.open(tmp_path / "files.db"))
    yield made
    await made.vectors.close()
    await made.store.close()


async def fill(index: Index, name: str = "notes", root: str = "/home/me/notes") -> tuple[int, Space]:
    collection = await new_collection(index.store, name, root)
    space = await index.store.open_space(collection.id, IDENTITY)
    files = {
        "plans/secret.md": [SECRET, "A second chunk of the same secret file, with vocabulary like wuzzelfritz."],
        "weather.md": [SHARED],
        "copy/weather.md": [SHARED],
        **{f"{n}.md": [text] for n, text in enumerate(OTHERS)},
    }
    await add_files(index.store, collection.roots[0].id, files)
    await embed(index.store, space, index.vectors)
    return collection.id, space


async def test_a_removed_file_is_gone_from_search_and_from_every_byte_and_the_receipt_holds_no_text(
    index: Index,
) -> None:
    collection, space = await fill(index)
    await index.store.put_evidence(
        "e1", {"sources": [{"text": SECRET}], "answer": "it is qzvortex4711"}, ["/home/me/notes/plans/secret.md"]
    )
    row = vector(SECRET)
    assert b"qzvortex4711" in index.bytes() and SECRET.encode() in index.bytes()

    receipt = await index.removal.remove_paths([collection], ["/home/me/notes/plans"])

    assert (receipt.files, receipt.chunks, receipt.vectors) == (1, 2, 2)
    assert receipt.proven and receipt.found_by_search == 0 and receipt.found_in_bytes == 0 and receipt.probes >= 6
    left = index.bytes()
    for trace in (SECRET.encode(), b"qzvortex", b"wuzzelfritz", row.astype("<f2").tobytes(), row.tobytes()[:64]):
        assert trace not in left
    assert await lexical_hits(index.store, collection, "qzvortex4711") == []
    assert await index.store.evidence("e1") is None
    assert (await index.vectors.query(space.name, row, 1))[0][1] < 0.95
    assert await index.vectors.count(space.name) == len(OTHERS) + 1
    nearest = await index.vectors.query(space.name, vector(OTHERS[3]), 1)
    assert (await index.store.chunks([nearest[0][0]]))[0].chunk.text == OTHERS[3]

    (kept,) = await index.store.receipts()
    assert WireReceipt.model_validate(kept).id == WireReceipt.model_validate(asdict(receipt)).id
    assert "Aldebaran" not in json.dumps(kept)
    assert any(name.endswith("chroma.sqlite3") for name in receipt.files_checked)


async def test_what_another_file_has_stays_and_the_receipt_says_where(index: Index) -> None:
    collection, space = await fill(index)
    nothing = await index.removal.remove_paths([collection], ["/home/me/elsewhere"])
    assert nothing.files == 0 and nothing.proven and "None of this" in nothing.message

    receipt = await index.removal.remove_paths([collection], ["/home/me/notes/weather.md"])
    (item,) = receipt.items
    assert "copy/weather.md" in item.kept_because and receipt.proven and receipt.chunks == 0
    assert (await index.vectors.query(space.name, vector(SHARED), 1))[0][1] > 0.99
    assert len(await lexical_hits(index.store, collection, "Reykjavik")) == 1

    root = (await index.store.collection(collection)).roots[0].id
    await add_files(index.store, root, {"both.md": [SHARED, SECRET + " Really."]})
    await embed(index.store, space, index.vectors)
    receipt = await index.removal.remove_paths([collection], ["/home/me/notes/both.md"])
    assert receipt.proven and (receipt.chunks, receipt.vectors) == (2, 1)
    assert (await index.vectors.query(space.name, vector(SHARED), 1))[0][1] > 0.99


async def test_a_removed_collection_leaves_others_alone(index: Index) -> None:
    first, _ = await fill(index)
    _, space = await fill(index, "more", "/home/me/more")
    root = (await index.store.collection(first)).roots[0].id
    await index.store.apply([Indexed(root, "only.md", STAT, document("Only here: blubberfisch swims at night."))])
    receipt = await index.removal.remove_collection(first)
    assert receipt.proven and receipt.chunks == 1
    assert [each.name for each in await index.store.collections()] == ["more"]
    assert await index.vectors.spaces() == [space.name]
    assert await index.vectors.count(space.name) == len(OTHERS) + 3
    assert b"blubberfisch" not in index.bytes()


async def test_what_was_taken_out_stays_out(index: Index, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "a [1].md").write_text("text")
    collection = await new_collection(index.store, "mine", str(folder))
    await add_files(index.store, collection.roots[0].id, {"a [1].md": ["Some text that is long enough."]})
    await index.removal.remove_paths([collection.id], [str(folder / "a [1].md")])
    assert (await index.store.collection(collection.id)).rules["exclude"] == [f"{folder}/a \\[1\\].md"]
    await index.removal.remove_paths([collection.id], [str(folder)])
    assert (await index.store.collection(collection.id)).roots == ()


async def test_a_proof_fails_when_a_trace_is_left(index: Index) -> None:
    """The search for bytes itself: a copy of the text beside the database is found and told."""
    collection, _ = await fill(index)
    (index.folder / "files.db-copy").write_bytes(b"\0\1" + SECRET.encode() + b"\2")
    receipt = await index.removal.remove_paths([collection], ["/home/me/notes/plans"])
    assert not receipt.proven and receipt.found_in_bytes > 0 and "doctor" in receipt.message


async def test_an_older_version_of_a_file_leaves_no_trace_either(index: Index) -> None:
    collection, space = await fill(index)
    root = (await index.store.collection(collection)).roots[0].id
    await add_files(index.store, root, {"plans/secret.md": ["Harmless words only, nothing to see in this one."]})
    await embed(index.store, space, index.vectors)
    await index.store.apply([Removed(root, "weather.md")])
    receipt = await index.removal.remove_paths([collection], ["/home/me/notes/plans"])
    assert receipt.proven
    assert b"qzvortex" not in index.bytes() and vector(SECRET).astype("<f2").tobytes() not in index.bytes()


def test_traces_are_found_across_blocks_and_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "file"
    data = bytearray(9 << 20)
    wanted = [b"first needle", b"second needle, longer", b"third needle"]
    for place, needle in zip((0, (4 << 20) - 5, (9 << 20) - 12), wanted, strict=True):
        data[place : place + len(needle)] = needle
    file.write_bytes(data)
    needles = Needles([*wanted, b"not in there", b"short"])
    assert found_in(file, needles) == set(wanted)
    assert overwrite(file, needles) == 3
    assert file.read_bytes() == bytes(9 << 20)
