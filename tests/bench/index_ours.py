"""Indexes a folder with Jackdaw's own index; run by index_bench in its own process.

    python -m tests.bench.index_ours FOLDER DATA            once, from nothing
    python -m tests.bench.index_ours FOLDER DATA --again    a second time, then with one file changed

Prints one JSON object. The clock starts with the call that indexes: starting the readers, loading the model and opening
the vector index are part of it.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

from models.progress import Cancel
from rag.embedding.choices import BUILT_IN
from rag.files import Files, FilesPlaces
from rag.indexing.progress import IndexReport
from rag.search.types import SearchWish
from rag.store.rows import NewCollectionRow

EVERYTHING = {"generated": True, "hidden": True, "secrets": True}  # the others read every file they are given
WORD = "quokkasaurus"


async def main(folder: Path, data: Path, *, again: bool) -> dict[str, Any]:
    places = FilesPlaces(data / "files.db", data / "vectors", data / "cache", data / "run")
    files = await Files.open(places)
    try:
        row = await files.store.create_collection(NewCollectionRow("bench", BUILT_IN, rules=EVERYTHING))
        await files.store.add_root(row.id, str(folder))
        report, seconds = await _index(files, row.id)
        found = {"seconds": seconds, "files": report.read, "chunks": report.chunks, "failed": report.failed}
        return {**found, **(await _again(files, row.id, folder) if again else {})}
    finally:
        await files.close()


async def _index(files: Files, collection: int) -> tuple[IndexReport, float]:
    began = time.perf_counter()
    report = await files.indexer.index(collection, lambda _: None, Cancel())
    return report, time.perf_counter() - began


async def _again(files: Files, collection: int, folder: Path) -> dict[str, Any]:
    second, unchanged_s = await _index(files, collection)
    assert second.read == 0, second
    await files.start()
    while not files.watcher.watched or files.indexer.now(collection) is not None:
        await asyncio.sleep(0.05)
    await files.searcher.search(SearchWish((collection,), "a first question starts what answers questions"))
    times = []
    for number in range(5):
        await asyncio.sleep(1)
        times.append(await _saved(files, collection, folder, number))
    return {"unchanged_s": unchanged_s, "unchanged": second.unchanged, "saved_s": sorted(times)}


async def _saved(files: Files, collection: int, folder: Path, number: int) -> float:
    """Seconds from saving a file, as editors do, until a search finds what is new in it."""
    target = next(path for path in sorted(folder.rglob("*.md")) if path.is_file())
    beside = target.with_name(".saving.tmp")
    beside.write_text(f"# Saved\n\nThe {WORD}{number} was seen here for the first time.\n")
    began = time.perf_counter()
    beside.replace(target)
    wish = SearchWish((collection,), f"{WORD}{number}", k=1)
    while not any(f"{WORD}{number}" in hit.text for hit in (await files.searcher.search(wish)).hits):
        await asyncio.sleep(0.02)
    return time.perf_counter() - began


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2]), again="--again" in sys.argv))))
