"""Does one thing to an index and says when it begins: `python -m tests.rag.indexing.kill_child FOLDER ROOT WORK`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from models.progress import Cancel
from rag.files import Files
from tests.rag.indexing.rig import places

Work = Callable[[Files, int, Path], Awaitable[object]]


async def index(files: Files, collection: int, root: Path) -> object:
    return await files.indexer.index(collection, lambda _: None, Cancel())


async def remove(files: Files, collection: int, root: Path) -> object:
    return await files.doctor.remove_paths([collection], [str(root / "n1")])


async def change(files: Files, collection: int, root: Path) -> object:
    (second,) = [one.id for one in await files.embedders.choices() if one.id.startswith("openai:second")]
    return await files.indexer.change_embedder(collection, second, lambda _: None, Cancel())


# Index again is to index another tree; the tree is changed before.
WORK: dict[str, Work] = {"index": index, "index again": index, "delete": remove, "change the embedder": change}


async def main(folder: Path, root: Path, work: Work) -> None:
    files = await Files.open(places(folder))
    try:
        (row,) = await files.store.collections()
        print("begin", flush=True)
        await work(files, row.id, root)
        print("end", flush=True)
    finally:
        await files.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2]), WORK[sys.argv[3]]))
