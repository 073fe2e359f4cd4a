"""What the Hub's API answers, as our types: every field is a stranger's, so each is checked before it is believed."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

from models.hub.convertible import convert_problem
from models.hub.names import check_commit, check_repo_id, is_file_name
from models.hub.types import Access, HubFile, HubModel, RepoInfo
from models.hub.variants import sort_files

MAX_TEXT = 200
MAX_TAGS = 60
MAX_COUNT = 2**62
_SHA_DIGITS = {40, 64}


def search_row(info: Any) -> HubModel:
    """A ModelInfo of a search. Raises UnsafeName when its id is none of a repository."""
    repo = check_repo_id(str(info.id))
    author, name = repo.split("/")
    tags = _texts(info.tags)
    facts = _facts(info)
    return HubModel(
        repo=repo,
        author=author,
        name=name,
        task=_text(info.pipeline_tag),
        licence=_licence(info, tags),
        architecture=_text(facts.get("architecture")) or _model_type(info),
        downloads=_count(info.downloads),
        likes=_count(info.likes),
        updated_at=_time(info.last_modified),
        params=_params(info, facts),
        gated=bool(info.gated),
        has_gguf="gguf" in tags or bool(facts),
        tags=tags,
    )


def repo_row(info: Any, *, endpoint: str, access: Access) -> RepoInfo:
    """A ModelInfo with files. Raises UnsafeName when its id or commit is none."""
    row = search_row(info)
    facts = _facts(info)
    siblings = info.siblings if isinstance(info.siblings, list) else []
    names = [str(sibling.rfilename) for sibling in siblings]
    files = tuple(_file(sibling) for sibling in siblings if is_file_name(str(sibling.rfilename)))
    found = sort_files(files, params=row.params)
    problem = "" if found.variants else convert_problem(names, row.tags, _mapping(info.config))
    return RepoInfo(
        repo=row.repo,
        commit=check_commit(str(info.sha)),
        author=row.author,
        name=row.name,
        url=f"{endpoint}/{row.repo}",
        task=row.task,
        licence=row.licence,
        licence_url=_web_address(_card(info).get("license_link")),
        architecture=row.architecture,
        context_length=_count(facts.get("context_length")),
        params=row.params,
        base_model=_base_model(info, row.tags),
        downloads=row.downloads,
        likes=row.likes,
        updated_at=row.updated_at,
        gated=row.gated,
        access=access,
        tags=row.tags,
        files=files,
        variants=found.variants,
        other_files=found.others,
        convertible=not found.variants and not problem,
        convert_problem=problem,
    )


def _file(sibling: Any) -> HubFile:
    lfs = sibling.lfs
    sha256 = str(lfs.sha256) if lfs is not None else ""
    size = lfs.size if lfs is not None else sibling.size
    git_sha1 = "" if lfs is not None else str(sibling.blob_id or "")
    return HubFile(str(sibling.rfilename), _count(size), _digest(sha256), _digest(git_sha1))


def _digest(text: str) -> str:
    digits = text.lower()  # the same number, however a mirror writes it
    return digits if len(digits) in _SHA_DIGITS and all(char in "0123456789abcdef" for char in digits) else ""


def _facts(info: Any) -> Mapping[str, Any]:
    """What the Hub read from a GGUF file of the repository: total, architecture, context_length."""
    return _mapping(info.gguf)


def _card(info: Any) -> Mapping[str, Any]:
    card = info.card_data
    made = card.to_dict() if hasattr(card, "to_dict") else card
    return _mapping(made)


def _licence(info: Any, tags: Sequence[str]) -> str:
    """The name of a licence of its own where the card says only "other"."""
    card = _card(info)
    stated = next((tag.removeprefix("license:") for tag in tags if tag.startswith("license:")), "")
    licence = stated or _text(card.get("license"))
    return _text(card.get("license_name")) or licence if licence in ("other", "") else licence


def _model_type(info: Any) -> str:
    return _text(_mapping(info.config).get("model_type"))


def _params(info: Any, facts: Mapping[str, Any]) -> int | None:
    total = _count(facts.get("total")) or _count(getattr(info.safetensors, "total", 0))
    return total or None


def _base_model(info: Any, tags: Sequence[str]) -> str:
    stated = _card(info).get("base_model")
    first = stated[0] if isinstance(stated, list) and stated else stated
    if isinstance(first, str):
        return _text(first)
    tagged = [tag.split(":")[-1] for tag in tags if tag.startswith("base_model:")]
    return tagged[0] if tagged else ""


def _web_address(value: object) -> str:
    text = _text(value)
    return text if text.startswith("https://") else ""


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: object) -> str:
    text = value if isinstance(value, str) else ""
    return "".join(char for char in text[:MAX_TEXT] if char.isprintable()).strip()


def _texts(value: object) -> tuple[str, ...]:
    listed = value if isinstance(value, list) else []
    return tuple(text for text in (_text(item) for item in listed[:MAX_TAGS]) if text)


def _count(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < MAX_COUNT else 0


def _time(value: object) -> float:
    return value.timestamp() if isinstance(value, datetime.datetime) else 0.0
