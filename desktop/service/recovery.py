"""A database that is damaged when the service starts: what the user is told, and the two ways on they can choose.

Neither way deletes anything: the damaged file stays beside the new one as `jackdaw.db.corrupt-N`.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import time
from pathlib import Path
from typing import Literal

from desktop.paths import Paths, find_paths
from models import database_files as files
from models.database import Database
from models.errors import DatabaseCorrupt

Repair = Literal["restore-backup", "start-empty"]


def ways_on(error: DatabaseCorrupt, paths: Paths) -> str:
    """The next step for a damaged database: the commands, and how old the backup is."""
    empty = f"To start with an empty one, run: `{command(paths, 'start-empty')}`."
    if error.backup is None:
        return f"{empty} The damaged file is kept."
    restore = f"To go on with the backup of {age_of(error.backup)} ago ({error.backup.name}), run:"
    return f"{restore} `{command(paths, 'restore-backup')}`. {empty} The damaged file is kept either way."


def command(paths: Paths, repair: Repair) -> str:
    """What to type; names the data folder where it is not the one that `jackdaw` finds by itself."""
    home = "" if paths == find_paths() else f" --home {shlex.quote(os.fspath(paths.data))}"
    return f"jackdaw serve{home} --{repair}"


async def repair_database(path: Path, repair: Repair) -> str:
    """Do what the user chose if the database is damaged; returns what was done, as a sentence.

    One that passes its check is never touched. Raises DatabaseBusy, DatabaseCorrupt when there is no good backup, and
    DiskFull; then nothing has changed.
    """
    if await asyncio.to_thread(_is_good, path):
        return f"{path.name} is not damaged, so nothing was changed."
    was_there = await asyncio.to_thread(path.exists)
    if repair == "start-empty":
        if not was_there:
            return f"There is no {path.name}, so an empty one is made."
        moved = await Database.start_empty(path)
        return f"Starting with an empty {path.name}; the damaged one is kept as {moved}."
    backup = await Database.restore(path)
    kept = "; the damaged file is kept beside it" if was_there else ""
    return (
        f"{path.name} is now the backup of {files.date_of(backup)}, {age_of(backup)} old ({backup.name}). "
        f"What was changed since then is missing{kept}."
    )


def age_of(path: Path, now: float | None = None) -> str:
    """A file's age in the largest unit that tells something: "3 days", "1 hour", "less than a minute"."""
    age_s = max(0.0, (time.time() if now is None else now) - path.stat().st_mtime)
    for unit, seconds in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if count := int(age_s // seconds):
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return "less than a minute"


def _is_good(path: Path) -> bool:
    if not path.exists():
        return not files.backups(path)
    try:
        files.refuse_emptied(path)
        files.schema_version(path)
    except DatabaseCorrupt:
        return False
    return True
