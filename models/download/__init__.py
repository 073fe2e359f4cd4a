"""Files from the Hub: resumed after a kill, verified by hash, all of them or none."""

from __future__ import annotations

from models.download.fetch import fetch
from models.download.partial import PartialFile, discard, partials, sweep
from models.download.types import DownloadSpec, Limits, RemoteFile

__all__ = ["DownloadSpec", "Limits", "PartialFile", "RemoteFile", "discard", "fetch", "partials", "sweep"]
