"""The last look through all stores, kept in the cache folder, so that it is known again when the service starts."""

from __future__ import annotations

import asyncio
import logging
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from models.stores.types import FoundModel, ScanResult

log = logging.getLogger(__name__)


class StoreReports:
    """`last` is the newest scan, one with `scanned_at` 0 before the first."""

    def __init__(self, file: Path) -> None:
        self.last = ScanResult(scanned_at=0.0)
        self._file = file

    @property
    def found(self) -> Mapping[str, Path]:
        """A file of each content somebody's store names, by its sha256."""
        return {model.sha256: model.path for model in self.last.models if model.sha256 and not model.problem}

    def at(self, path: Path) -> FoundModel | None:
        """What the newest scan says of the model at a path."""
        return next((model for model in self.last.models if model.path == path), None)

    async def load(self) -> None:
        """Read what an earlier run kept; what cannot be read is as if it had never been."""
        kept = await asyncio.to_thread(_read, self._file)
        if kept is not None:
            self.last = kept

    async def keep(self, result: ScanResult) -> None:
        """Take a new scan. That it cannot be written costs a scan after the next start, and nothing else."""
        self.last = result
        try:
            await asyncio.to_thread(_write, self._file, result)
        except OSError as error:
            log.warning("The report of the stores was not kept: %s", error)


def _read(file: Path) -> ScanResult | None:
    from pydantic import TypeAdapter

    try:
        return TypeAdapter(ScanResult).validate_json(file.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        log.info("The report of the stores is made anew: %s", error)
        return None


def _write(file: Path, result: ScanResult) -> None:
    from pydantic import TypeAdapter

    handle, name = tempfile.mkstemp(prefix=".stores-", dir=file.parent)  # made 0600
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as written:
            written.write(TypeAdapter(ScanResult).dump_json(result))
        temporary.replace(file)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
