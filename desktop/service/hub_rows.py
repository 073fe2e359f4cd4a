"""The Hub's values as the wire has them, with what this machine knows: what is installed, what lies on the disk."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from desktop import wire_models as wire
from models.hub.types import HubFile, HubModel, HubPage, HubVariant, RepoInfo
from models.library import LibraryModel

Verdicts = Callable[[int], "wire.Verdict"]


@dataclass(frozen=True)
class Here:
    """What is on this machine: the library, and paths of other programs' files by their sha256."""

    models: Sequence[LibraryModel] = ()
    found: Mapping[str, Path] = field(default_factory=dict)

    def from_repo(self, repo: str) -> list[str]:
        """Ids of the models that came from there."""
        return [model.id for model in self.models if model.repo == repo]

    def installed(self, repo: str, file: HubFile) -> str:
        """Id of the model that is this file, "" when there is none; by content, or by name where that is not known."""
        name = PurePosixPath(file.path).name
        for model in self.models:
            if file.sha256 and model.sha256 == file.sha256:
                return model.id
            if not model.sha256 and (model.repo, model.path.name) == (repo, name):
                return model.id
        return ""


def search_page(page: HubPage, here: Here) -> wire.HubSearch:
    """One page of results."""
    return wire.HubSearch(models=[_search_row(model, here) for model in page.models], next=page.next)


def _search_row(model: HubModel, here: Here) -> wire.HubModel:
    return wire.HubModel(
        repo=model.repo,
        author=model.author,
        name=model.name,
        task=model.task,
        licence=model.licence,
        architecture=model.architecture,
        downloads=model.downloads,
        likes=model.likes,
        updated_at=model.updated_at,
        params=model.params,
        gated=model.gated,
        has_gguf=model.has_gguf,
        tags=list(model.tags),
        installed=here.from_repo(model.repo),
    )


def repo_row(info: RepoInfo, variants: Sequence[HubVariant], here: Here, verdict: Verdicts) -> wire.HubRepo:
    """A repository; `variants` are its own, with the one recommended for this machine marked."""
    return wire.HubRepo(
        repo=info.repo,
        commit=info.commit,
        author=info.author,
        name=info.name,
        task=info.task,
        licence=info.licence,
        licence_url=info.licence_url,
        architecture=info.architecture,
        context_length=info.context_length,
        params=info.params,
        base_model=info.base_model,
        downloads=info.downloads,
        likes=info.likes,
        updated_at=info.updated_at,
        gated=info.gated,
        access=info.access,
        variants=[_variant_row(variant, info.repo, here, verdict) for variant in variants],
        other_files=[_file_row(file) for file in info.other_files],
        convertible=info.convertible,
        convert_problem=info.convert_problem,
        url=info.url,
    )


def _variant_row(variant: HubVariant, repo: str, here: Here, verdict: Verdicts) -> wire.HubVariant:
    first = variant.files[0]
    return wire.HubVariant(
        name=variant.name,
        quant=variant.quant,
        about=variant.about,
        files=[_file_row(file) for file in variant.files],
        projector=_file_row(variant.projector) if variant.projector is not None else None,
        bytes=variant.bytes,
        recommended=variant.recommended,
        installed=here.installed(repo, first),
        on_disk=str(here.found.get(first.sha256, "")) if first.sha256 else "",
        verdict=verdict(variant.bytes),
    )


def _file_row(file: HubFile) -> wire.HubFile:
    return wire.HubFile(path=file.path, bytes=file.bytes, sha256=file.sha256)
