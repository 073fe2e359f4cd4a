"""What is on the disk against what the index has of it."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Collection as AnyOf
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from models.progress import Cancel
from rag.indexing.looking import Unreadable, look_at, scan_rules
from rag.indexing.pace import Pace
from rag.indexing.plan import plan
from rag.indexing.throttle import Throttle
from rag.scan.rules import Found
from rag.store.rows import CollectionRow, KnownFile
from rag.store.store import FileStore


@dataclass(slots=True)
class OnDisk:
    """The files of a collection that should be in the index, and in what it differs. Lists are of absolute paths."""

    files: int = 0
    new: list[str] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)
    vanished: list[str] = field(default_factory=list)
    other_content: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)  # sentences about roots


async def on_disk(
    store: FileStore, collection: CollectionRow, throttle: Throttle, cancel: Cancel, *, deep: bool
) -> OnDisk:
    """Look at every root; `deep` also reads every file that seems unchanged and compares its hash. Raises Cancelled."""
    found = OnDisk()
    for root in collection.roots:
        look = await look_at(store, root, scan_rules(collection.rules), Pace(throttle, cancel))
        if isinstance(look, Unreadable):
            found.unreadable.append(look.problem)
            continue
        made, place = plan([look]), Path(root.path)
        seen = [each for each in look.seen if isinstance(each, Found)]
        differing = {each.file.path for each in made.read}
        found.files += sum(not _said_nothing(look.known.get(each.path), differing, each.path) for each in seen)
        for each in made.read:
            (found.new if each.known is None else found.stale).append(str(place / each.file.path))
        found.new += [str(place / move.file.path) for move in made.moved]
        found.vanished += [str(place / path) for _, path in made.vanished]
        found.vanished += [str(place / move.path) for move in made.moved]
        if deep:
            same = [
                (str(place / each.path), known.sha256)
                for each in seen
                if each.path not in differing and (known := look.known.get(each.path)) and known.sha256
            ]
            found.other_content += await asyncio.to_thread(_other_content, same, cancel)
    return found


def _said_nothing(known: KnownFile | None, differing: AnyOf[str], path: str) -> bool:
    """Whether reading a file, which is as it was then, found nothing that an index can hold."""
    return known is not None and known.state == "skipped" and path not in differing


def _other_content(files: Sequence[tuple[str, bytes]], cancel: Cancel) -> list[str]:
    found = []
    for path, sha256 in files:
        cancel.check()
        try:
            with Path(path).open("rb") as opened:
                digest = hashlib.file_digest(opened, "sha256").digest()
        except OSError:
            continue  # the next look tells of it
        if digest != sha256:
            found.append(path)
    return found
