"""Where files that are made here go, and how they come into the library."""

from __future__ import annotations

import asyncio
from pathlib import Path

from desktop.service.catalogue import Catalogue
from desktop.service.engine_state import EngineState
from desktop.service.model_tools import ModelTools
from models.errors import ModelExists
from models.library import LibraryModel, Origin
from models.llamacpp import EngineBuild
from models.quantize.names import without_quant
from models.split_gguf import model_stem

MADE = "made-here"  # no name of an author on the Hub: that would have a repository's folder below


class Maker:
    """What the jobs that make files share."""

    def __init__(self, tools: ModelTools, catalogue: Catalogue, engine: EngineState, pidfiles: Path) -> None:
        self.tools = tools
        self.catalogue = catalogue
        self.pidfiles = pidfiles
        self._engine = engine

    async def build(self) -> EngineBuild:
        """The engine's tools. Raises BinaryMissing or EngineUnproven."""
        await self._engine.require_proven()
        return self._engine.build

    @property
    def unproven_build(self) -> EngineBuild:
        """For a look at its files: a proof can take a minute, which is too long for an answer."""
        return self._engine.build

    async def folder(self, stem: str) -> Path:
        """The folder of what is made of the model `stem`."""
        folder = self.tools.paths.models / MADE / without_quant(stem)
        await asyncio.to_thread(folder.mkdir, mode=0o700, parents=True, exist_ok=True)
        return folder

    def floor_bytes(self) -> int:
        return self.tools.floor_bytes(self.tools.paths.models)

    async def take_in(self, path: Path, origin: Origin) -> str:
        """Take a finished file into the library; returns its id, also when it is there already."""
        try:
            model = await self.tools.library.import_path(path, origin=origin)
        except ModelExists as error:
            return error.model_id
        await self.catalogue.added(model)
        return model.id


def made_of(model: LibraryModel) -> Origin:
    """The origin of what is made of a model of the library."""
    return Origin(source="made", source_model=model.id, licence=model.licence, projector=model.projector)


def stem_of(model: LibraryModel) -> str:
    """What files made of a model are called: its file's name, or its id where a store's file has none of its own."""
    return model_stem(model.path) if model.path.suffix.lower() == ".gguf" else model.id
