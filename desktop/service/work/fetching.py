"""Files of a repository on their way here: pinned to a commit when they are first asked for, fetched, and given up."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from desktop.service.job_kinds import JobContext, Memory
from desktop.service.model_tools import ModelTools
from models.download import DownloadSpec, Limits, RemoteFile, discard, fetch, partials
from models.download.partial import remove_empty
from models.hub.types import HubFile, RepoInfo

Choose = Callable[[RepoInfo], "Chosen"]


@dataclass(frozen=True, slots=True)
class Chosen:
    """What of a repository is wanted; `projector` names the picture part among `files`, "" for none."""

    files: tuple[HubFile, ...]
    title: str
    projector: str = ""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came, in the order it was chosen."""

    spec: DownloadSpec
    paths: tuple[Path, ...]
    licence: str
    projector: Path | None


class Fetching:
    """What the jobs that fetch from the Hub share."""

    def __init__(self, tools: ModelTools) -> None:
        self.tools = tools
        # Two variants of one repository may share a file, which only one job at a time may write.
        self._folders: defaultdict[Path, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._written: set[tuple[str, str, str]] = set()  # repository, commit and path of what comes right now

    def gate(self, options: Mapping[str, Any]) -> None:
        """Raise AirGapped while nothing may be fetched."""
        self.tools.network.check(self.tools.network.endpoint)

    async def pin(self, repo: str, revision: str, choose: Choose, context: JobContext) -> DownloadSpec:
        """The files and the commit, as they were when this job first asked: a job that goes on fetches the same."""
        if "commit" not in context.memory:
            info = await context.unless_cancelled(self.tools.hub.repo(repo, revision or "main"))
            chosen = choose(info)
            context.title = chosen.title
            await context.remember(
                commit=info.commit,
                files=[asdict(file) for file in chosen.files],
                licence=info.licence,
                projector=chosen.projector,
            )
        return self._spec(repo, context.memory)

    async def fetch(self, spec: DownloadSpec, context: JobContext) -> Fetched:
        """Fetch what was pinned. Raises what models.download.fetch does."""
        settings, tools = self.tools.settings.current, self.tools
        limits = Limits(connections=settings.download_parts, floor_bytes=tools.floor_bytes(spec.folder))
        lock = self._folders[spec.target_folder]
        await context.unless_cancelled(lock.acquire())
        comes = _places(spec)
        self._written |= comes
        try:
            paths = await fetch(spec, tools.network, tools.tokens.token, context.report, context.cancel, limits=limits)
        finally:
            self._written -= comes
            lock.release()
        projector = str(context.memory.get("projector") or "")
        by_name = dict(zip((file.path for file in spec.files), paths, strict=True))
        return Fetched(spec, paths, str(context.memory.get("licence") or ""), by_name.get(projector))

    async def discard(self, repo: str, memory: Memory) -> None:
        """Remove what a job has so far, but for what another job fetches right now."""
        if "commit" in memory:
            spec = self._spec(repo, memory)
            await asyncio.to_thread(_discard, spec.folder, _places(spec) - self._written)

    def _spec(self, repo: str, memory: Memory) -> DownloadSpec:
        files = tuple(RemoteFile(**file) for file in memory["files"])
        return DownloadSpec(repo, str(memory["commit"]), files, self.tools.paths.models)


def _places(spec: DownloadSpec) -> set[tuple[str, str, str]]:
    return {(spec.repo, spec.commit, file.path) for file in spec.files}


def _discard(folder: Path, places: set[tuple[str, str, str]]) -> None:
    for partial in partials(folder):
        if (partial.repo, partial.commit, partial.path) in places:
            discard(folder, partial)


def remove_fetched(paths: Sequence[Path], spec: DownloadSpec) -> None:
    """Delete what was fetched and is of no use, with the folders that are empty then."""
    for path in paths:
        path.unlink(missing_ok=True)
    for folder in {path.parent for path in paths}:
        remove_empty(folder, spec.folder)
