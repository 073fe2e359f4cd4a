"""Indexing and removing on a tiny disk that fills up: run by test_full_disk.py in a mount namespace of its own.

`python -m tests.rag.doctor.full_disk FOLDER` mounts a tmpfs of 8 MB over FOLDER, so it must be run by `unshare -Urm`.
It prints what it saw as JSON; what is right is decided by the test.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from models.errors import DiskFull
from rag.errors import RagError
from rag.store.rows import Space
from tests.rag.doctor.whole import Whole
from tests.rag.store.filled import lexical_hits, vector
from tests.service.full_disk import Disk

FILES = 12


def write(folder: Path, numbers: range) -> None:
    for number in numbers:
        words = " ".join(f"word{number}x{place}" for place in range(900))
        (folder / f"{number}.txt").write_text(f"This is file number {number}.\n\n{words}\n")


async def found(whole: Whole, space: Space) -> list[Any]:
    """What search says, by words and by vectors."""
    words = [len(await lexical_hits(whole.store, whole.collection_id, f"word{n}x7")) for n in range(FILES)]
    return [words, await whole.vectors.query(space.name, vector("whatever"), 5)]


async def outcome(work: Any) -> str:
    try:
        await work
    except (DiskFull, RagError) as error:
        return type(error).__name__
    return ""


async def session(home: Path, disk: Disk) -> dict[str, Any]:
    seen: dict[str, Any] = {}
    whole = await Whole.open(home)
    try:
        write(whole.folder, range(FILES))
        await whole.index()
        (space,) = await whole.store.spaces(whole.collection_id)
        seen["before"] = await found(whole, space)
        write(whole.folder, range(FILES, 2 * FILES))
        disk.fill()
        seen["full"] = disk.is_full()
        seen["outcome"] = await outcome(whole.index())
        seen["meanwhile"] = await found(whole, space)
        disk.free()
        seen["afterwards"] = await outcome(whole.index())
        await whole.vectors.wait_whole()
        seen["all"] = [
            len(await lexical_hits(whole.store, whole.collection_id, f"word{n}x7")) for n in range(2 * FILES)
        ]
        report = await whole.doctor.examine(deep=True)
        seen["findings"] = [finding.message for finding in report.findings]
        seen["quarantined"] = [entry.name for entry in home.glob("*.broken-*")]
    finally:
        await whole.close()
    return seen


def main() -> None:
    home = Path(sys.argv[1])
    disk = Disk(home)
    disk.mount()
    os.umask(0o077)
    print(json.dumps(asyncio.run(session(home, disk))))


if __name__ == "__main__":
    main()
