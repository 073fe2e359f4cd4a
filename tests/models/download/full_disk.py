"""A download on a tiny disk that fills up: run by test_full_disk.py in a mount namespace of its own.

`python -m tests.models.download.full_disk STAGE FOLDER` mounts a tmpfs of 8 MB over FOLDER, so it must be run by
`unshare -Urm`. It prints what it saw as JSON; what is right is decided by the test.
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from typing import Any

from models.download import partials
from models.errors import DiskFull
from models.network import NetworkRules
from models.progress import Progress
from tests.fake_hub import FakeHub
from tests.models.download.rig import KIB, QUICK, REPO, Rig, tree
from tests.service.full_disk import Disk

CONTENT = random.Random(3).randbytes(5 * 1024 * KIB)
Seen = dict[str, Any]


def told(rig: Rig) -> Seen:
    try:
        rig.fetch()
    except DiskFull as error:
        return {"message": error.message, "needed": error.needed_bytes, "free": error.free_bytes}
    return {}


def before_stage(rig: Rig, disk: Disk) -> Seen:
    """There is no room from the start."""
    disk.fill()
    seen = {"full": told(rig), "asked": len(rig.hub.requests), "left": list(tree(rig.folder))}
    disk.free()
    return seen


def during_stage(rig: Rig, disk: Disk) -> Seen:
    """Somebody else takes the rest of the disk while the file comes."""

    def fill(progress: Progress) -> None:
        if progress.done > len(CONTENT) // 3 and not disk.is_full():
            disk.fill()

    rig.hub.rate = 1_000_000
    rig.on_progress = fill
    full = told(rig)
    kept = [(found.path, found.done) for found in partials(rig.folder)]
    disk.free()
    rig.hub.rate, rig.on_progress = None, lambda progress: None
    return {"full": full, "kept": kept, "before": len(rig.hub.seen("cdn", "GET"))}


STAGES = {"before": before_stage, "during": during_stage}


def main(stage: str, folder: str) -> None:
    disk = Disk(Path(folder))
    disk.mount()
    old = disk.folder / "old.gguf"
    old.write_bytes(CONTENT[: 256 * KIB])
    models = disk.folder / "models"
    models.mkdir()
    with FakeHub() as hub:
        hub.add_repo(REPO, {"model.gguf": CONTENT})
        rig = Rig(hub, models, NetworkRules(endpoint=hub.endpoint), token=None, limits=QUICK)
        seen = STAGES[stage](rig, disk)
        (path,) = rig.fetch()
        seen["after"] = path.read_bytes() == CONTENT
        seen["again"] = sum(one.sent for one in rig.hub.seen("cdn", "GET")[seen.get("before", 0) :])
    seen["old"] = old.read_bytes() == CONTENT[: 256 * KIB]
    seen["files"] = sorted(path.name for path in disk.folder.rglob("*") if path.is_file())
    print(json.dumps(seen))


if __name__ == "__main__":
    main(*sys.argv[1:])
