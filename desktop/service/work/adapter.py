"""The job `adapter`: a LoRA adapter into the list of adapters, a GGUF file where it lies, a PEFT folder converted."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from desktop.service.adapter_rows import adapter_row
from desktop.service.errors import BadRequest
from desktop.service.events import EventLog
from desktop.service.job_kinds import JobAbout, JobContext, JobKind
from desktop.service.work.made import MADE, Maker
from desktop.service.work.options import Options
from models.adapters.library import AdapterLibrary
from models.adapters.peft import PeftAdapter, check_adapter, convert_adapter
from models.errors import ModelExists
from models.gguf import GgufHeader
from models.library import LibraryModel, model_id_of
from models.split_gguf import read_model

ADAPTER_OPTIONS = ("path", "base", "name")


@dataclass(frozen=True, slots=True)
class Adapting:
    """Takes adapters in."""

    maker: Maker
    adapters: AdapterLibrary
    events: EventLog

    def kind(self) -> JobKind:
        return JobKind(self.run, self.about, lane="processors")

    async def about(self, options: Mapping[str, Any]) -> JobAbout:
        """Whether it can be: a folder is looked at, and its base model found."""
        chosen = Options(options, *ADAPTER_OPTIONS)
        path = chosen.path("path")
        if await asyncio.to_thread(path.is_dir):
            await self._base(await asyncio.to_thread(check_adapter, path), chosen.text("base"))
        return JobAbout(title=f"Adapter {chosen.text('name') or path.name}", key=str(path))

    async def run(self, options: Mapping[str, Any], context: JobContext) -> dict[str, Any]:
        chosen = Options(options, *ADAPTER_OPTIONS)
        path, name, base_model = chosen.path("path"), chosen.text("name"), ""
        if await asyncio.to_thread(path.is_dir):
            peft = await asyncio.to_thread(check_adapter, path)
            base_model = peft.base_model
            path, name = await self._convert(peft, chosen, context), name or path.name
        try:
            adapter = await self.adapters.import_path(path, name, base_model)
        except ModelExists as error:
            adapter = await self.adapters.get(error.model_id)
        fitting = await self.adapters.fits_models(adapter, await self.maker.tools.library.list())
        row = adapter_row(adapter, fitting)
        self.events.publish("adapter", {"action": "added", "id": adapter.id})
        return {"adapter": row.model_dump()}

    async def _convert(self, peft: PeftAdapter, chosen: Options, context: JobContext) -> Path:
        """The GGUF file of a PEFT folder; one that was made before has a number of its own."""
        folder = self.maker.tools.paths.models / MADE / "adapters"
        await asyncio.to_thread(folder.mkdir, mode=0o700, parents=True, exist_ok=True)
        target = await asyncio.to_thread(_free, folder, model_id_of(chosen.text("name") or peft.folder.name))
        converted = await convert_adapter(
            peft,
            await self._base(peft, chosen.text("base")),
            target,
            build=await self.maker.build(),
            report=context.report,
            cancel=context.cancel,
            floor_bytes=self.maker.floor_bytes(),
            pidfiles=self.maker.pidfiles,
        )
        return converted.path

    async def _base(self, peft: PeftAdapter, wish: str) -> Path | GgufHeader:
        """Of what shape the adapter's model is: a folder with its config.json, or a model of the library."""
        if Path(wish).is_absolute():
            return Path(wish)
        library = self.maker.tools.library
        model = await library.get(wish) if wish else base_among(await library.list(), peft.base_model)
        if model is None:
            raise BadRequest(
                "no_base",
                f"{peft.folder.name} was trained on {peft.base_model or 'another model'}, which is not here.",
                hint="Name a model of the library of the same shape as its base.",
            )
        return await asyncio.to_thread(read_model, model.path)


def base_among(models: list[LibraryModel], base_model: str) -> LibraryModel | None:
    """The model of the library that an adapter's base is likely to be, by its name; None when none is."""
    wanted = model_id_of(PurePosixPath(base_model).name) if base_model else ""
    if not wanted:
        return None
    named = [model for model in models if wanted in (model_id_of(model.name), model_id_of(model.repo.split("/")[-1]))]
    return next(iter(named or [model for model in models if model.id.startswith(wanted)]), None)


def _free(folder: Path, stem: str) -> Path:
    number, path = 1, folder / f"{stem}.gguf"
    while path.exists():
        number += 1
        path = folder / f"{stem}-{number}.gguf"
    return path
