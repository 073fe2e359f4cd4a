"""Watches a folder where a limit of the system is reached: prints the problem, then what is looked at after a change.

A process of its own in a user namespace, so that the limit concerns nobody else. Arguments: a folder, a root in it.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from rag.indexing.watcher import Watcher
from rag.store.rows import NewCollectionRow
from rag.store.store import FileStore


async def main(folder: Path, root: Path) -> None:
    asked: asyncio.Queue[Path] = asyncio.Queue()

    async def reindex(_: int, paths: Sequence[Path]) -> None:
        for path in paths:
            asked.put_nowait(path)

    (folder / "data").mkdir()
    store = await FileStore.open(folder / "data" / "files.db")
    watcher = Watcher(store, reindex, lambda _: None, poll_every_s=1)
    try:
        collection = await store.create_collection(NewCollectionRow("notes", ""))
        await store.add_root(collection.id, str(root))
        await watcher.start()
        async with asyncio.timeout(20):
            await asked.get()
            while not watcher.problems:
                await asyncio.sleep(0.01)
            while not asked.empty():
                asked.get_nowait()
            (root / "a.md").write_text("two")
            print(*watcher.problems.values())
            print(await asked.get())
    finally:
        await watcher.close()
        await store.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2])))
