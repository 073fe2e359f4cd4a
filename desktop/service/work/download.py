"""The job `download`: a model from the Hub into the library, or what equals it from where it lies already."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from desktop.service.catalogue import Catalogue
from desktop.service.job_kinds import JobAbout, JobContext, JobKind, Memory
from desktop.service.work.fetching import Chosen, Fetched, Fetching, remove_fetched
from desktop.service.work.options import Options
from models.download import DownloadSpec
from models.errors import BadGguf, CommitChanged, ModelExists, RepoNotFound
from models.hub.names import check_file_name, check_repo_id, check_revision
from models.hub.types import HubVariant, RepoInfo
from models.hub.variants import find_variant
from models.library import LibraryModel, Origin
from models.progress import Progress
from models.stores.hashes import FileChanged

DOWNLOAD_OPTIONS = ("repo", "variant", "files", "revision", "accept_change")
MODEL_SUFFIX = ".gguf"


class Downloading:
    """Fetches a variant, or files by name, and takes the model in once all of it is here and right."""

    def __init__(self, fetching: Fetching, catalogue: Catalogue) -> None:
        self._fetching = fetching
        self._tools = fetching.tools
        self._catalogue = catalogue

    def kind(self) -> JobKind:
        return JobKind(
            self.run,
            self.about,
            lane="transfers",
            can_pause=True,
            resumable=True,
            goes_on=True,
            gate=self._fetching.gate,
            discard=self.discard,
        )

    async def about(self, options: Mapping[str, Any]) -> JobAbout:
        """Whether it can be, as far as that is known without the Hub."""
        chosen = Options(options, *DOWNLOAD_OPTIONS)
        repo = check_repo_id(chosen.text("repo", None))
        files = [check_file_name(name) for name in chosen.texts("files")]
        if revision := chosen.text("revision"):
            check_revision(revision)
        chosen.flag("accept_change")
        variant = chosen.text("variant")
        what = variant or (PurePosixPath(files[0]).name if files else "")
        key = f"{repo}@{revision} {variant.casefold()} {' '.join(sorted(files))}".rstrip()
        return JobAbout(title=title_of(repo, what), subject=repo, key=key)

    async def run(self, options: Mapping[str, Any], context: JobContext) -> dict[str, Any]:
        chosen = Options(options, *DOWNLOAD_OPTIONS)
        repo, revision = chosen.text("repo"), chosen.text("revision")
        choose = partial(choose_files, variant=chosen.text("variant"), files=chosen.texts("files"))
        spec = await self._fetching.pin(repo, revision, choose, context)
        known = await self._tools.library.list()
        if (here := installed(spec, known)) is not None:
            return {"model": (await self._catalogue.row(here.id)).model_dump(), "fetched": False}
        if not revision and not chosen.flag("accept_change"):
            refuse_change(spec, known)
        if (found := await self._elsewhere(spec, context)) is not None:
            return found
        fetched = await self._fetching.fetch(spec, context)
        return await self._take_in(fetched, context)

    async def discard(self, options: Mapping[str, Any], memory: Memory) -> None:
        await self._fetching.discard(str(options["repo"]), memory)

    async def _take_in(self, fetched: Fetched, context: JobContext) -> dict[str, Any]:
        spec, done = fetched.spec, context.progress
        context.report(Progress(done.done, done.total, done.unit, "Looking at the file"))
        models = [path for path in fetched.paths if path.suffix == MODEL_SUFFIX and path != fetched.projector]
        if not models:
            return {"paths": [str(path) for path in fetched.paths], "fetched": True}
        origin = self._origin(spec, fetched.licence, fetched.projector)
        try:
            model = await self._tools.library.import_path(models[0], origin=origin)
        except ModelExists as error:
            return {"model": (await self._catalogue.row(error.model_id)).model_dump(), "fetched": True}
        except BadGguf:
            remove_fetched(fetched.paths, spec)
            raise
        return {"model": (await self._catalogue.added(model)).model_dump(), "fetched": True}

    async def _elsewhere(self, spec: DownloadSpec, context: JobContext) -> dict[str, Any] | None:
        """Use another program's file of the same content where it lies; its hash is computed, not believed."""
        file = spec.files[0]
        path = self._tools.stores.found.get(file.sha256)
        if len(spec.files) != 1 or path is None or PurePosixPath(file.path).suffix != MODEL_SUFFIX:
            return None
        if not await self._holds(path, file.sha256, file.bytes, context):
            return None
        seen = next(model for model in self._tools.stores.last.models if model.path == path)
        try:
            model = await self._tools.library.import_path(path, origin=seen.origin())
        except ModelExists as error:
            return {"model": (await self._catalogue.row(error.model_id)).model_dump(), "fetched": False}
        except BadGguf:
            return None
        return {"model": (await self._catalogue.added(model)).model_dump(), "fetched": False}

    async def _holds(self, path: Path, sha256: str, size: int, context: JobContext) -> bool:
        read = 0

        def count(step: int) -> None:
            nonlocal read
            read += step
            context.report(Progress(read, size, "bytes", f"Comparing {path.name}, which is here already"))

        try:
            return await self._tools.hashes.sha256(path, count, context.cancel) == sha256
        except (OSError, FileChanged):
            return False

    def _origin(self, spec: DownloadSpec, licence: str, projector: Path | None) -> Origin:
        return Origin(
            source="hub",
            repo=spec.repo,
            commit=spec.commit,
            sha256=spec.files[0].sha256,
            projector=projector,
            licence=licence,
        )


def choose_files(info: RepoInfo, *, variant: str, files: list[str]) -> Chosen:
    """What to fetch of a repository. Raises RepoNotFound with what there would be."""
    if files:
        known = {file.path: file for file in info.files}
        if missing := [name for name in files if name not in known]:
            raise RepoNotFound(f"{info.repo} has no file {missing[0]} at this commit.", hint="Look at its files again.")
        return Chosen(tuple(known[name] for name in files), title_of(info.repo, PurePosixPath(files[0]).name))
    found = find_variant(info.variants, variant)
    if found is None:
        raise RepoNotFound(_no_variant(info, variant), hint=_other_variants(info.variants))
    projector = found.projector.path if found.projector is not None else ""
    return Chosen(found.all_files, title_of(info.repo, found.name), projector)


def title_of(repo: str, what: str) -> str:
    """ "Qwen3-8B Q4_K_M from Qwen/Qwen3-8B-GGUF"; what a repository is called says GGUF often enough."""
    name = repo.split("/")[1].removesuffix("-GGUF").removesuffix("-gguf")
    return f"{name} {what} from {repo}" if what else f"{name} from {repo}"


def installed(spec: DownloadSpec, models: list[LibraryModel]) -> LibraryModel | None:
    """The model of the library that is this very file, as long as it is still there."""
    first = spec.files[0]
    for model in models:
        if first.sha256 and model.sha256 == first.sha256 and model.parts == _parts(spec) and model.path.exists():
            return model
    return None


def refuse_change(spec: DownloadSpec, models: list[LibraryModel]) -> None:
    """Raise CommitChanged when a file that came from this repository before has other content now.

    An author's name can change hands, and then the weights under an old name are somebody else's.
    """
    first = spec.files[0]
    name = PurePosixPath(first.path).name
    for model in models:
        if (model.repo, model.path.name) == (spec.repo, name) and model.sha256 and model.sha256 != first.sha256:
            raise CommitChanged(
                f"{name} of {spec.repo} has changed since you got it at commit {model.commit[:8]}.",
                hint="Look at the repository; to have the new one, name its revision or accept the change.",
            )


def _parts(spec: DownloadSpec) -> int:
    return max(1, sum(PurePosixPath(file.path).suffix == MODEL_SUFFIX and "-of-" in file.path for file in spec.files))


def _no_variant(info: RepoInfo, variant: str) -> str:
    if not info.variants:
        return f"{info.repo} holds no GGUF model." + (" It can be converted here." if info.convertible else "")
    return f"{info.repo} has no {variant}."


def _other_variants(variants: tuple[HubVariant, ...]) -> str:
    return f"It has {', '.join(variant.name for variant in variants)}." if variants else "Look for a -GGUF repository."
