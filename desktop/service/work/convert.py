"""The job `convert`: a checkpoint on the disk or on the Hub becomes a GGUF file of the library."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from desktop.service.errors import BadRequest
from desktop.service.job_kinds import JobAbout, JobContext, JobKind, Memory
from desktop.service.work.fetching import Chosen, Fetching, remove_fetched
from desktop.service.work.made import Maker
from desktop.service.work.options import Options
from models.convert.checkpoint import Checkpoint, check_checkpoint
from models.convert.convert import OUT_TYPES, OutType, convert
from models.convert.run import scripts_of
from models.errors import ConvertRefused
from models.hub.convertible import convert_files
from models.hub.names import check_repo_id, check_revision
from models.hub.types import RepoInfo
from models.library import Origin, model_id_of

CONVERT_OPTIONS = ("path", "repo", "revision", "out_type", "name")
MAX_NAME = 80


class Converting:
    """Fetches what a conversion needs when it is on the Hub, converts, and removes what was fetched."""

    def __init__(self, fetching: Fetching, maker: Maker) -> None:
        self._fetching = fetching
        self._maker = maker

    def kind(self) -> JobKind:
        return JobKind(self.run, self.about, lane="processors", resumable=True, gate=self._gate, discard=self._discard)

    async def about(self, options: Mapping[str, Any]) -> JobAbout:
        """Whether it can be; a folder is looked at now, a repository when the job runs."""
        chosen = Options(options, *CONVERT_OPTIONS)
        _out_type(chosen), _name(chosen)
        if repo := chosen.text("repo"):
            check_repo_id(repo)
            if revision := chosen.text("revision"):
                check_revision(revision)
            return JobAbout(title=f"Convert {repo}", subject=repo, key=f"{repo} {_out_type(chosen)}")
        folder = chosen.path("path")
        await asyncio.to_thread(check_checkpoint, folder, scripts_of(self._maker.unproven_build))
        return JobAbout(title=f"Convert {folder.name}", key=f"{folder} {_out_type(chosen)}")

    async def run(self, options: Mapping[str, Any], context: JobContext) -> dict[str, Any]:
        chosen = Options(options, *CONVERT_OPTIONS)
        if not (repo := chosen.text("repo")):
            origin = Origin(source="made")
            return await self._convert(chosen.path("path"), chosen, origin, context)
        spec = await self._fetching.pin(repo, chosen.text("revision"), choose_checkpoint, context)
        fetched = await self._fetching.fetch(spec, context)
        origin = Origin(source="made", repo=repo, commit=spec.commit, licence=fetched.licence)
        result = await self._convert(spec.target_folder, chosen, origin, context, repo.split("/")[1])
        await asyncio.to_thread(remove_fetched, fetched.paths, spec)
        return result

    async def _convert(
        self, folder: Path, chosen: Options, origin: Origin, context: JobContext, usual_name: str = ""
    ) -> dict[str, Any]:
        build, out_type = await self._maker.build(), _out_type(chosen)
        checkpoint = await asyncio.to_thread(check_checkpoint, folder, scripts_of(build))
        name = _name(chosen) or usual_name or checkpoint.name
        stem = _file_stem(name)
        target = await self._maker.folder(stem) / f"{stem}-{_suffix(checkpoint, out_type)}.gguf"
        arguments: dict[str, Any] = {
            "build": build,
            "report": context.report,
            "cancel": context.cancel,
            "name": name,
            "floor_bytes": self._maker.floor_bytes(),
            "pidfiles": self._maker.pidfiles,
        }
        if not (context.memory.get("target") == str(target) and await asyncio.to_thread(target.exists)):
            if not await asyncio.to_thread(target.exists):
                await context.remember(target=str(target))  # from here on a file of that name is ours
            await convert(checkpoint, target, out_type, **arguments)
        if checkpoint.has_projector:
            beside = target.with_name(f"mmproj-{stem}-F16.gguf")
            if not await asyncio.to_thread(beside.exists):
                await convert(checkpoint, beside, "f16", projector=True, **arguments)
        return {"models": [await self._maker.take_in(target, origin)]}

    def _gate(self, options: Mapping[str, Any]) -> None:
        if options.get("repo"):
            self._fetching.gate(options)

    async def _discard(self, options: Mapping[str, Any], memory: Memory) -> None:
        if repo := options.get("repo"):
            await self._fetching.discard(str(repo), memory)


def choose_checkpoint(info: RepoInfo) -> Chosen:
    """The files a conversion needs. Raises ConvertRefused for what the names alone speak against."""
    if not info.convertible:
        reason = info.convert_problem or "It holds GGUF files already."
        raise ConvertRefused(f"{info.repo} is not converted. {reason}", hint="Look for a -GGUF repository.")
    return Chosen(convert_files(info.files), f"Convert {info.repo}")


def _out_type(chosen: Options) -> OutType:
    wish = chosen.text("out_type") or "auto"
    if wish not in OUT_TYPES:
        raise BadRequest("bad_option", f"The option out_type must be one of {', '.join(OUT_TYPES)}.")
    return wish


def _name(chosen: Options) -> str:
    name = chosen.text("name").strip()
    if len(name) > MAX_NAME or not name.isprintable():
        raise BadRequest("bad_option", f"The option name must be one line of at most {MAX_NAME} characters.")
    return name


def _file_stem(name: str) -> str:
    """A file's name made of a model's: only what is harmless everywhere."""
    kept = "".join(char if char.isascii() and (char.isalnum() or char in "._") else "-" for char in name)
    return kept.strip("-._") or model_id_of(name)


def _suffix(checkpoint: Checkpoint, out_type: OutType) -> str:
    """What the file's name says of its type; "auto" keeps the 16 bits the weights have."""
    if out_type != "auto":
        return out_type.upper()
    kinds = {tensor.dtype for tensor in checkpoint.tensors}
    return "BF16" if "BF16" in kinds else "F16"
