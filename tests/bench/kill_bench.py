"""The kill matrix of the index: `kill -9` at twenty random moments of each work, each from the same beginning.

    python -m tests.bench.kill_bench [--moments 20] [--seed 4] [--only WORK]

After every kill the index is opened again, the work is done to its end, and all searches are compared with those of an
index that was made at once. Prints one line per work; exit code 1 when anything differs.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sqlite3
import statistics
import sys
import tempfile
from pathlib import Path

from tests.rag.embedding.fake_servers import FakeEmbeddings
from tests.rag.indexing.kill_child import WORK
from tests.rag.indexing.kills import Hits, Killed, clean, differences, edit_tree, finish, moments, prepare, run_child


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--moments", type=int, default=20)
    parser.add_argument("--seed", type=int, default=4)
    parser.add_argument("--only", choices=WORK, help="one row of the matrix")
    chosen = parser.parse_args()
    wrong = 0
    with FakeEmbeddings(dimensions=32) as server:
        for work in [chosen.only] if chosen.only else WORK:
            with tempfile.TemporaryDirectory(prefix="jdk-") as folder:
                wrong += measure(Path(folder), server, work, chosen.moments, chosen.seed)
    return 1 if wrong else 0


def measure(folder: Path, server: FakeEmbeddings, work: str, count: int, seed: int) -> int:
    """One row of the matrix; how many moments left something wrong."""
    expected = _clean(folder / "rebuilt", server, work)
    kept, place = folder / "kept", folder / "killed"
    # The collection remembers where its root is: every copy is put in the same place.
    place.mkdir()
    asyncio.run(prepare(place, server, indexed=work != "index"))
    if work == "index again":
        edit_tree(place / "root")
    shutil.copytree(place, kept)
    seconds = run_child(place, work, None).after_s
    shutil.rmtree(place)
    found: list[Killed] = []
    wrong = 0
    for after_s in moments(work, seconds, count, seed):
        shutil.copytree(kept, place)
        found.append(run_child(place, work, after_s))
        told = [*_broken(place), *differences(expected, asyncio.run(finish(place, server, work)))]
        for one in told:
            print(f"  after {after_s:.2f} s: {one}")
        wrong += bool(told)
        shutil.rmtree(place)
    killed = [one.after_s for one in found if one.in_time]
    middle = statistics.median(killed) if killed else 0.0
    killed_when = f"{len(killed)} of {count} killed in time, median after {middle:.2f} s"
    print(f"{work}: {killed_when}; {count - wrong} are like a clean rebuild", flush=True)
    return wrong


def _clean(folder: Path, server: FakeEmbeddings, work: str) -> Hits:
    folder.mkdir()
    asyncio.run(prepare(folder, server, indexed=False))
    if work == "index again":
        edit_tree(folder / "root")
    found, _ = asyncio.run(clean(folder, server, work))
    return found


def _broken(folder: Path) -> list[str]:
    database = sqlite3.connect(folder / "data" / "files.db")
    try:
        found = [row for (row,) in database.execute("PRAGMA integrity_check")]
    finally:
        database.close()
    return [] if found == ["ok"] else found


if __name__ == "__main__":
    sys.exit(main())
