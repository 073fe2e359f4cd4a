"""From what a store names to what can be used: headers are read, parts and picture parts are put together."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from models.errors import BadGguf, UnsafeName
from models.gguf import GgufHeader, read_header
from models.hub.names import check_commit, check_repo_id
from models.library_rows import LibraryModel, same_file
from models.projectors import find_projector, is_projector
from models.split_gguf import model_stem, part_paths, read_model
from models.stores.types import Candidate, FoundModel
from models.stores.walk import Looking, mode_of, size_of

# Architectures only Ollama's own engine knows; llama.cpp calls the first "gpt-oss" and builds the others differently.
OLLAMA_ONLY = frozenset({"gptoss", "mllama", "qwen25vl"})
_PICTURE_TENSORS = ("v.", "mm.")


def examine(candidates: Iterable[Candidate], known: Sequence[LibraryModel], looking: Looking) -> list[FoundModel]:
    """The models among the candidates: each split model once, picture parts with their models, no adapters.

    What cannot be used is there too, with its problem. Raises Cancelled.
    """
    found: list[FoundModel] = []
    later_parts: set[Path] = set()
    for candidate in candidates:
        looking.cancel.check()
        if candidate.path in later_parts:
            continue
        model = _examine(candidate, known)
        if model is not None:
            later_parts.update(model.files[1:])
            found.append(model)
    return found


def _examine(candidate: Candidate, known: Sequence[LibraryModel]) -> FoundModel | None:
    if candidate.problem:
        return _problem(candidate, candidate.problem)
    try:
        header = read_header(candidate.path)
        if is_projector(header) or header.file_kind not in ("", "model"):
            return None
        parts = part_paths(candidate.path) if header.split_count > 1 else (candidate.path,)
        if header.split_count > 1 and header.metadata.get("split.no") != 0 and mode_of(parts[0]) is not None:
            return None  # its first part stands for it
        header = read_model(candidate.path) if header.split_count > 1 else header
    except BadGguf as error:
        return _problem(candidate, error.message)
    return FoundModel(
        path=candidate.path,
        name=header.name or (candidate.label if candidate.names_model else model_stem(candidate.path)),
        store=candidate.store,
        label=candidate.label,
        bytes=header.file_bytes,
        files=parts,
        quant=header.quant,
        arch=header.architecture,
        kind=header.kind,
        model_id=_known_id(candidate, header, known),
        problem=_why_not(header),
        projector=_projector(candidate, header),
        sha256=candidate.sha256,
        projector_sha256=candidate.projector_sha256,
        repo=_checked(check_repo_id, candidate.repo),
        commit=_checked(check_commit, candidate.commit),
        aliases=candidate.aliases,
        names_model=candidate.names_model,
    )


def _checked(check: Callable[[str], str], text: str) -> str:
    """What a folder's or a file's name says, if it can be true; it may be asked for on the Hub later."""
    try:
        return check(text) if text else ""
    except UnsafeName:
        return ""


def _why_not(header: GgufHeader) -> str:
    """Why llama.cpp cannot load a file whose header is sound; "" when nothing speaks against it."""
    if header.architecture in OLLAMA_ONLY:
        return f"Only Ollama's own engine knows its architecture, {header.architecture}."
    if any(tensor.name.startswith(_PICTURE_TENSORS) for tensor in header.tensors):
        return "Ollama packed the picture part into it; llama.cpp wants that in a file of its own."
    if not header.architecture:
        return "It does not say which architecture its model has."
    return "" if header.tensors else "It holds a vocabulary and no weights."


def _projector(candidate: Candidate, header: GgufHeader) -> Path | None:
    if candidate.projector is None:
        return None if candidate.names_model else find_projector(candidate.path, header)
    try:
        return candidate.projector if is_projector(read_header(candidate.projector)) else None
    except BadGguf:
        return None


def _known_id(candidate: Candidate, header: GgufHeader, known: Sequence[LibraryModel]) -> str:
    for model in known:
        same_content = candidate.sha256 and (candidate.sha256, header.file_bytes) == (model.sha256, model.bytes)
        if same_content or same_file(candidate.path, model.path):
            return model.id
    return ""


def _problem(candidate: Candidate, problem: str) -> FoundModel:
    return FoundModel(
        path=candidate.path,
        name=candidate.label if candidate.names_model else candidate.path.name,
        store=candidate.store,
        label=candidate.label,
        bytes=size_of(candidate.path),
        problem=problem,
        repo=_checked(check_repo_id, candidate.repo),
        commit=_checked(check_commit, candidate.commit),
        aliases=candidate.aliases,
        names_model=candidate.names_model,
    )


def once_each(models: Iterable[FoundModel]) -> list[FoundModel]:
    """Each file once, under the store that came first: folders may lie in each other, and links lead to one file.

    Hard links are files of their own: each store has its name, and deleting one leaves the other.
    """
    found: dict[str, FoundModel] = {}
    for model in models:
        found.setdefault(os.path.realpath(model.path), model)
    return list(found.values())
