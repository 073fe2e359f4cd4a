"""The doctor: each kind of disagreement is made for real, found, and put right."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from desktop.wire_files import FilesDoctorReport
from rag.doctor.doctor import Report
from rag.store.rows import Space
from tests.rag.doctor.whole import Whole
from tests.rag.store.filled import lexical_hits, vector
from tests.rag.threads import start_threads

pytestmark = pytest.mark.anyio

TEXTS = {f"note {n}.txt": f"Note number {n} tells of {word}." for n, word in enumerate(["apples", "rivers", "zebras"])}
FIRST = "id = (SELECT min(id) FROM vectors)"


@pytest.fixture
async def whole(tmp_path: Path) -> AsyncIterator[Whole]:
    """One whose children may be replaced."""
    made = await Whole.open(tmp_path)
    await made.index_these(TEXTS)
    yield made
    await made.close()


@pytest.fixture(scope="module")
async def at_work(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Whole]:
    made = await Whole.open(tmp_path_factory.mktemp("whole"))
    await made.index_these(TEXTS)
    await start_threads(made.store)
    yield made
    await made.close()


@pytest.fixture
async def shared(at_work: Whole) -> Whole:
    """One whose children are those of all tests; it is sound at the start of each."""
    at_work.embedders.one.salt = ""
    await at_work.index_these(TEXTS)
    await at_work.doctor.examine(deep=True, repair=True)  # vectors of another model may be left
    assert (await at_work.doctor.examine(deep=True)).findings == []
    return at_work


async def space_of(whole: Whole) -> Space:
    (space,) = await whole.store.spaces(whole.collection_id)
    return space


def kinds(report: Report) -> dict[str, int]:
    return {finding.kind: finding.count for finding in report.findings}


async def test_a_sound_index_has_no_findings_and_its_counts_agree(shared: Whole) -> None:
    report = await shared.doctor.examine(deep=True)
    assert report.ok and report.findings == []
    (counts,) = report.counts
    assert counts.on_disk == counts.in_database == 3
    assert counts.chunks == counts.lexical_rows == counts.database_vectors == counts.index_vectors == 3
    assert report.database_bytes > 0 and report.vectors_bytes > 0
    assert FilesDoctorReport.model_validate(asdict(report)).ok


async def test_files_in_which_is_nothing_to_read_are_left_out_and_counted_once(shared: Whole) -> None:
    (shared.folder / "noise.txt").write_bytes(bytes(range(256)) * 8)
    (shared.folder / "torn.pdf").write_bytes(b"no PDF")
    await shared.index()
    (counts,) = (await shared.doctor.examine(deep=True)).counts
    assert (counts.in_database, counts.skipped, counts.failed) == (3, 1, 1)
    assert counts.on_disk == counts.in_database + counts.failed
    (shared.folder / "noise.txt").write_text("Words after all.")
    report = await shared.doctor.examine()
    assert report.counts[0].on_disk == 5 and kinds(report)["stale"] == 1


async def _change(whole: Whole) -> None:
    (whole.folder / "note 0.txt").write_text("Quite another text now.")
    (whole.folder / "note 1.txt").unlink()
    (whole.folder / "new.txt").write_text("A new file that nobody has seen.")


async def _same_times(whole: Whole) -> None:
    file = whole.folder / "note 0.txt"
    before = file.stat()
    file.write_text(TEXTS["note 0.txt"].replace("apples", "pears!"))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


async def _orphans(whole: Whole) -> None:
    await whole.store.database.write(lambda c: c.execute("DELETE FROM files WHERE path = 'note 2.txt'"))


async def _no_words(whole: Whole) -> None:
    table = f"fts_{whole.collection_id}"
    await whole.store.database.write(lambda c: c.execute(f"INSERT INTO {table} ({table}) VALUES ('delete-all')"))


async def _zero(whole: Whole) -> None:
    await whole.store.database.write(
        lambda c: c.execute(
            "UPDATE vectors SET vector = zeroblob(length(vector)) WHERE id = (SELECT min(id) FROM vectors)"
        )
    )


async def _unlisted(whole: Whole) -> None:
    await whole.store.database.write(lambda c: c.execute(f"DELETE FROM vectors WHERE {FIRST}"))


async def _unused(whole: Whole) -> None:
    await whole.store.database.write(
        lambda c: c.execute("INSERT INTO vectors (embedder, text_hash, vector) VALUES ('k1', x'00', x'00')")
    )


async def _extra(whole: Whole) -> None:
    await whole.vectors.add((await space_of(whole)).name, [777], vector("left over")[None])


async def _lacking(whole: Whole) -> None:
    space = await space_of(whole)
    await whole.vectors.delete(space.name, (await whole.store.wanted_ids(space))[:1])


async def _wrong(whole: Whole) -> None:
    space = await space_of(whole)
    await whole.vectors.add(space.name, (await whole.store.wanted_ids(space))[:1], vector("wrong")[None])


async def _another_model(whole: Whole) -> None:
    whole.embedders.one.salt = "another model: "


async def _another_identity(whole: Whole) -> None:
    await whole.store.database.write(lambda c: c.execute("UPDATE spaces SET embedder = 'k0'"))
    await whole.store.database.write(lambda c: c.execute("UPDATE vectors SET embedder = 'k0'"))


Damage = Callable[[Whole], Awaitable[None]]
CASES: list[tuple[Damage, dict[str, int]]] = [
    (_change, {"stale": 1, "new": 1, "vanished": 1}),
    (_same_times, {"changed_content": 1}),
    (_orphans, {"new": 1, "orphan_chunks": 1}),
    (_no_words, {"lexical_rows": 3}),
    (_zero, {"zero_vectors": 1}),
    (_unlisted, {"missing_vectors": 1}),
    (_unused, {"orphan_vectors": 1}),
    (_extra, {"extra_vectors": 1}),
    (_lacking, {"missing_vectors": 1}),
    (_another_model, {"embedder_mismatch": 1}),
    (_another_identity, {"embedder_mismatch": 1}),
]


@pytest.mark.parametrize(("damage", "expected"), CASES, ids=[damage.__name__ for damage, _ in CASES])
async def test_it_is_found_and_put_right(shared: Whole, damage: Damage, expected: dict[str, int]) -> None:
    await found_and_put_right(shared, damage, expected)


async def test_wrong_vectors_are_found_and_the_index_is_made_anew(whole: Whole) -> None:
    await found_and_put_right(whole, _wrong, {"wrong_vectors": 1})


async def found_and_put_right(whole: Whole, damage: Damage, expected: dict[str, int]) -> None:
    await damage(whole)
    found = await whole.doctor.examine(deep=True)
    assert not found.ok
    assert {kind: kinds(found).get(kind) for kind in expected} == expected

    repaired = await whole.doctor.examine(deep=True, repair=True)
    assert repaired.ok and repaired.repaired >= len(expected)

    after = await whole.doctor.examine(deep=True)
    assert after.findings == []
    assert len(await lexical_hits(whole.store, whole.collection_id, "note OR another OR new")) == 3
    space = await space_of(whole)
    for number, row in zip(*await whole.store.vectors(space, await whole.store.wanted_ids(space)), strict=True):
        assert (await whole.vectors.query(space.name, row / np.linalg.norm(row), 1))[0][0] == number


async def test_what_cannot_be_repaired_is_told_with_its_reason(shared: Whole) -> None:
    (shared.folder / "broken.pdf").write_bytes(b"%PDF-1.7\nnot really")
    await shared.index()
    report = await shared.doctor.examine()
    (finding,) = report.findings
    assert finding.kind == "failed" and not finding.repairable and finding.count == 1
    assert finding.examples[0].startswith("broken.pdf: ")
    assert report.ok


async def test_a_lost_folder_keeps_its_index_and_is_told(shared: Whole) -> None:
    shared.folder.rename(shared.folder.with_name("elsewhere"))
    report = await shared.doctor.examine(repair=True)
    assert kinds(report) == {"root_missing": 1}
    assert report.counts[0].in_database == 3


async def test_a_removed_file_does_not_come_back_with_the_next_look(whole: Whole) -> None:
    receipt = await whole.doctor.remove_paths([whole.collection_id], [str(whole.folder / "note 2.txt")])
    assert receipt.proven and receipt.files == 1
    await whole.index()
    assert await lexical_hits(whole.store, whole.collection_id, "zebras") == []
    assert (whole.folder / "note 2.txt").exists()
    assert (await whole.doctor.examine()).findings == []


async def test_a_removed_file_hides_no_file_of_the_same_name_below_another_root(whole: Whole, tmp_path: Path) -> None:
    other = tmp_path / "other [1] "
    other.mkdir()
    (other / "note 2.txt").write_text("Giraffes have long necks and eat from the highest branches of the trees.")
    await whole.store.add_root(whole.collection_id, str(other))
    receipt = await whole.doctor.remove_paths([whole.collection_id], [str(whole.folder / "note 2.txt")])
    assert receipt.proven
    await whole.index()
    assert len(await lexical_hits(whole.store, whole.collection_id, "giraffes")) == 1
    assert await lexical_hits(whole.store, whole.collection_id, "zebras") == []

    await whole.doctor.remove_paths([whole.collection_id], [str(other / "note 2.txt")])
    await whole.index()
    assert await lexical_hits(whole.store, whole.collection_id, "giraffes") == []
