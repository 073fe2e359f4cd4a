"""`kill -9` at random moments of what is done to an index, then a comparison with one that was made without a fault."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rag.files import Files
from rag.search.types import SearchMode, SearchWish
from tests.rag.embedding.fake_servers import FakeEmbeddings
from tests.rag.indexing.kill_child import WORK
from tests.rag.indexing.rig import Rig, collection, embedder, places, rig

FILES = 120
TOPICS = (
    "harbour cranes lift steel containers",
    "bakers knead sourdough before dawn",
    "glaciers carve granite valleys",
)
QUERIES = (
    *TOPICS,
    "number 17",
    "who kneads before dawn",
    "edited steel",
    "note number 31 of the collection",
    "w17 w23",
)
K = 20
MODES: tuple[SearchMode, ...] = ("lexical", "dense", "hybrid")

SAME = 1e-3  # scores are sums of float32 in any order

# What searches find: for query and mode, the score of each path and place.
Hits = dict[tuple[str, str], dict[tuple[str, int, int], float]]


@dataclass(frozen=True, slots=True)
class Killed:
    """One child: whether it was killed before it had ended, and after how many seconds of its work."""

    in_time: bool
    after_s: float


def write_tree(root: Path) -> None:
    """The tree that is indexed first. Some texts stand twice; of the others no two score alike."""
    for number in range(FILES):
        file = root / f"n{number % 3}" / f"note{number}.md"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text(7 if number % 50 == 7 else number))


def text(number: int) -> str:
    """A note that is longer than those before it, with words of its own."""
    chance = random.Random(number)
    words = " ".join(f"w{chance.randrange(400)}" for _ in range(5 + number))
    return f"# Note {number}\n\nAll the {TOPICS[number % 3]}, says note number {number} of the collection. {words}\n"


def edit_tree(root: Path) -> None:
    """Edits, moves, removes and adds files."""
    for number in range(0, FILES, 4):
        with (root / f"n{number % 3}" / f"note{number}.md").open("a") as file:
            file.write(f"\n## More\n\nThis was edited: steel and stone, number {number}.\n")
    (root / "n1").rename(root / "moved")
    for number in range(2, FILES, 15):
        (root / f"n{number % 3}" / f"note{number}.md").unlink(missing_ok=True)
    for number in range(12):
        (root / f"new{number}.md").write_text(text(1000 + number).replace("collection", "orchard")[: 200 + 20 * number])


async def prepare(folder: Path, server: FakeEmbeddings, *, indexed: bool) -> None:
    """An index in `folder` whose collection has the tree as its root: empty yet, or with all of it."""
    files = await Files.open(places(folder))
    try:
        made = await collection(files, server, folder / "root", "notes")
        await embedder(files, server, "second")
        write_tree(made.root)
        if indexed:
            await made.index()
    finally:
        await files.close()


def run_child(folder: Path, work: str, after_s: float | None) -> Killed:
    """Do `work` in a child, which is killed so many seconds after it began; None lets it end."""
    words = (sys.executable, "-m", "tests.rag.indexing.kill_child", str(folder), str(folder / "root"), work)
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "begin\n"
        began = time.monotonic()
        killer = threading.Timer(after_s, child.kill) if after_s is not None else None
        if killer is not None:
            killer.start()
        ended = child.stdout.readline() == "end\n"
        took = time.monotonic() - began
        child.wait()
        if killer is not None:
            killer.cancel()
            killer.join()
    assert after_s is not None or (ended and child.returncode == 0)
    return Killed(not ended, took)


async def look(index: Rig) -> Hits:
    """What all searches find."""
    found: Hits = {}
    for query in QUERIES:
        for mode in MODES:
            wish = SearchWish((index.collection,), query, k=K, mode=mode, merge=False)
            answer = await index.files.searcher.search(wish)
            assert answer.complete, answer.note
            found[query, mode] = {(hit.path, hit.start_char, hit.end_char): hit.score for hit in answer.hits}
    return found


def differences(one: Hits, other: Hits) -> list[str]:
    """What two indexes find differently, in words. Of hits that score as the last one any number may be cut off."""
    told = []
    for asked in one:
        mine, theirs = one[asked], other[asked]
        last = max(min(hits.values(), default=0.0) if len(hits) == K else -1.0 for hits in (mine, theirs))
        for place in mine.keys() | theirs.keys():
            scores = mine.get(place, -1.0), theirs.get(place, -1.0)
            if max(scores) > last + SAME and abs(scores[0] - scores[1]) > SAME:
                told.append(f"{asked}: {place} scores {scores[0]:.4f} and {scores[1]:.4f}")
    return told


async def finish(folder: Path, server: FakeEmbeddings, work: str) -> Hits:
    """Open what a kill has left, do the work to its end, and look; nothing may disagree."""
    async with rig(folder, server) as index:
        await index.files.vectors.start()
        await WORK[work](index.files, index.collection, index.root)
        await index.index()
        report = await index.files.doctor.examine()
        assert report.ok, report.findings
        return await look(index)


async def clean(folder: Path, server: FakeEmbeddings, work: str) -> tuple[Hits, float]:
    """What searches find in an index that is made at once from the tree as it is now, and the seconds that took."""
    async with rig(folder, server) as index:
        if work == "delete":
            shutil.rmtree(index.root / "n1")
        if work == "change the embedder":
            second = await embedder(index.files, server, "second")
            await index.files.store.update_collection(index.collection, embedder_id=second)
        began = time.monotonic()
        await index.index()
        return await look(index), time.monotonic() - began


def moments(work: str, seconds: float, count: int, seed: int = 4) -> Sequence[float]:
    """When to kill, in seconds after the work began, of one that takes `seconds`."""
    chance = random.Random(f"{work} {seed}")
    return [chance.uniform(0, seconds) for _ in range(count)]
