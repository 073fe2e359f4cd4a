"""What is loaded beside a model: its picture part, a draft model, LoRA adapters; looked up when the model is loaded.

What the options name may be gone by then. A model that can do without it is loaded without it, and says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import BadOption
from engine.fit_memory import projector_bytes
from engine.fit_shape import Shape, shape_of
from engine.fit_verdict import Companions
from engine.model_options import ModelOptions
from engine.types import LoadedAdapter
from models.errors import ModelNotFound, ModelsError
from models.gguf import read_header
from models.split_gguf import read_model

if TYPE_CHECKING:
    from models.library import LibraryModel

# llama.cpp drafts only across vocabularies that differ by no more tokens than this (common/speculative.cpp,
# SPEC_VOCAB_MAX_SIZE_DIFFERENCE).
VOCABULARY_DIFFERENCE = 128

Resolve = Callable[[str], Awaitable["LibraryModel"]]
AdapterPath = Callable[[str], Awaitable[Path]]


@dataclass(frozen=True, slots=True)
class Beside:
    """The files beside a model and what the fit must know of them. `notes` are sentences on what was left out."""

    draft: Path | None = None
    projector: Path | None = None
    adapters: tuple[LoadedAdapter, ...] = ()
    sizes: Companions = field(default_factory=Companions)
    notes: tuple[str, ...] = ()


async def find_beside(
    model: LibraryModel, shape: Shape, options: ModelOptions, resolve: Resolve, adapter_path: AdapterPath | None
) -> Beside:
    """Look up what the options ask for. Raises BadOption when the draft model cannot draft for this one."""
    notes: list[str] = []
    draft, draft_shape = await _draft(model, shape, options, resolve, notes)
    projector, projector_size = await _projector(model, options, notes)
    adapters = await _adapters(options, adapter_path, notes)
    adapter_size = sum([await asyncio.to_thread(_file_bytes, adapter.path) for adapter in adapters])
    return Beside(draft, projector, adapters, Companions(draft_shape, projector_size, adapter_size), tuple(notes))


def same_vocabulary(one: Shape, other: Shape) -> bool:
    """Whether one may draft for the other by the size of their vocabularies; llama-server compares the tokens."""
    return abs(one.vocabulary - other.vocabulary) <= VOCABULARY_DIFFERENCE


async def _draft(
    model: LibraryModel, shape: Shape, options: ModelOptions, resolve: Resolve, notes: list[str]
) -> tuple[Path | None, Shape | None]:
    if not options.draft_model or model.kind != "chat" or options.draft_model == model.id:
        return None, None
    try:
        draft = await resolve(options.draft_model)
        draft_shape = shape_of(await asyncio.to_thread(read_model, draft.path))
    except ModelNotFound:
        notes.append(f"The draft model {options.draft_model} is not in the library any more, so none is used.")
        return None, None
    if not same_vocabulary(shape, draft_shape):
        raise BadOption(
            f"{draft.id} cannot draft for {model.id}: its vocabulary has {draft_shape.vocabulary:,} tokens, not"
            f" {shape.vocabulary:,}.",
            option="draft_model",
            hint="Choose a small model of the same family, or none.",
        )
    return draft.path.absolute(), draft_shape


async def _projector(model: LibraryModel, options: ModelOptions, notes: list[str]) -> tuple[Path | None, int]:
    path = model.projector
    if path is None or options.projector is False or model.kind != "chat":
        return None, 0
    try:
        return path.absolute(), projector_bytes(await asyncio.to_thread(read_header, path))
    except ModelsError as error:
        notes.append(f"The picture part {path.name} is left out: {error}")
        return None, 0


async def _adapters(
    options: ModelOptions, adapter_path: AdapterPath | None, notes: list[str]
) -> tuple[LoadedAdapter, ...]:
    found = []
    for use in options.adapters or ():
        try:
            if adapter_path is None:
                raise ModelNotFound("there are no adapters here")
            path = (await adapter_path(use.id)).absolute()
            await asyncio.to_thread(read_header, path)  # no child sees a file that we have not checked
        except ModelsError as error:
            notes.append(f"The adapter {use.id} is left out: {error}")
        else:
            found.append(LoadedAdapter(use.id, path, use.scale))
    return tuple(found)


def _file_bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
