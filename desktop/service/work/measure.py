"""The job `measure`: what each quantization loses and costs here, against its source."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from desktop.service.errors import BadRequest
from desktop.service.fitting import Fitting
from desktop.service.job_kinds import JobAbout, JobContext, JobKind
from desktop.service.work.made import Maker
from desktop.service.work.options import Options
from engine.errors import EngineError
from engine.fit_shape import shape_of
from engine.scheduler import Scheduler
from models.errors import MeasureFailed, ModelsError
from models.library import LibraryModel
from models.measure.divergence import DEFAULT_CHUNKS
from models.measure.job import MeasurePlan, measure
from models.measure.store import Measurements
from models.measure.types import Measurement, Subject
from models.split_gguf import read_model

MEASURE_OPTIONS = ("models", "source", "text", "prompts", "chunks")
MOST_PROMPTS = 50
MOST_CHUNKS = 2_000
ANSWER_TOKENS = 256


@dataclass(frozen=True, slots=True)
class Measurer:
    """What measuring needs beside the tools of the build."""

    maker: Maker
    measurements: Measurements
    scheduler: Scheduler
    fitting: Fitting
    folder: Path

    def kind(self) -> JobKind:
        return JobKind(self.run, self.about, lane="processors", can_pause=True, resumable=True)

    async def about(self, options: Mapping[str, Any]) -> JobAbout:
        """Whether it can be: all models known, of one source."""
        _text_of(options), prompts_of(Options(options, *MEASURE_OPTIONS)), _chunks_of(options)
        source, models = await self._subjects(options)
        key = " ".join([source.id, *sorted(model.id for model in models)])
        return JobAbout(title=_title(source, models), subject=source.id, key=key)

    async def run(self, options: Mapping[str, Any], context: JobContext) -> dict[str, Any]:
        source, models = await self._subjects(options)
        await self._unload(source, *models)  # what is loaded would compete for the processors, and for memory
        try:
            rows = await self._measure(options, context, source, models)
        finally:
            await self._unload(source, *models)  # those that answered prompts
        await self._learn({model.id: model for model in (source, *models)}, rows)
        for model in (source, *models):
            await self.maker.catalogue.refresh(model.id)
        failed = [{"model": row.model_id, "error": row.error} for row in rows if row.state == "failed"]
        return {"source": source.id, "models": [row.model_id for row in rows], "failed": failed}

    async def _unload(self, *models: LibraryModel) -> None:
        for model in models:
            await self.scheduler.unload(model.id)

    async def _measure(
        self, options: Mapping[str, Any], context: JobContext, source: LibraryModel, models: list[LibraryModel]
    ) -> list[Measurement]:
        return await measure(
            MeasurePlan(
                source=subject_of(source),
                models=tuple(subject_of(model) for model in models),
                folder=self.folder,
                text=_text_of(options),
                prompts=prompts_of(Options(options, *MEASURE_OPTIONS)),
                chunks=_chunks_of(options),
                floor_bytes=self.maker.floor_bytes(),
            ),
            self.measurements,
            build=await self.maker.build(),
            report=context.report,
            cancel=context.cancel,
            answer=self._answer,
            pidfiles=self.maker.pidfiles,
        )

    async def _subjects(self, options: Mapping[str, Any]) -> tuple[LibraryModel, list[LibraryModel]]:
        chosen = Options(options, *MEASURE_OPTIONS)
        library = self.maker.tools.library
        models = [await library.get(model_id) for model_id in dict.fromkeys(chosen.texts("models"))]
        if not models:
            raise BadRequest("bad_option", "The option models must name the models to measure.")
        named = chosen.text("source")
        sources = {model.source_model or model.id for model in models} if not named else {named}
        if len(sources) != 1:
            raise BadRequest("no_source", "These models were made of different ones.", hint="Name the source.")
        return await library.get(sources.pop()), models

    async def _answer(self, model_id: str, prompt: str) -> str:
        """Greedy, and short: it is for comparing."""
        payload = {
            "messages": [{"role": "user", "content": prompt}],
            "temperature": 0,
            "top_k": 1,
            "seed": 0,
            "max_tokens": ANSWER_TOKENS,
        }
        try:
            async with self.scheduler.hold(model_id) as server:
                pieces = [delta.reasoning + delta.content async for delta in server.upstream.chat_events(payload)]
        except (EngineError, ModelsError) as error:
            raise MeasureFailed(f"{model_id} did not answer: {error}", hint="See the model's log.") from error
        return "".join(pieces)

    async def _learn(self, models: Mapping[str, LibraryModel], rows: list[Measurement]) -> None:
        """Later predictions for these models, and for others of their quantization, start from what was seen."""
        for row in rows:
            if row.speed is not None and row.model_id in models:
                shape = shape_of(await asyncio.to_thread(read_model, models[row.model_id].path))
                await self.fitting.learn(row.model_id, shape, row.speed.tokens_per_s, row.speed.prompt_tokens_per_s)


def _title(source: LibraryModel, models: list[LibraryModel]) -> str:
    quants = [model.quant for model in models if model.id != source.id]
    return f"Measure {', '.join(quants)} of {source.name}" if quants else f"Measure {source.name}"


def subject_of(model: LibraryModel) -> Subject:
    """The model as measuring knows it."""
    return Subject(model.id, model.path, model.quant, model.bytes)


def _text_of(options: Mapping[str, Any]) -> Path | None:
    chosen = Options(options, *MEASURE_OPTIONS)
    return chosen.path("text") if chosen.text("text") else None


def _chunks_of(options: Mapping[str, Any]) -> int:
    """Chunks of 512 tokens to read: more take longer and say more."""
    chosen = Options(options, *MEASURE_OPTIONS)
    return chosen.whole("chunks", 1, MOST_CHUNKS) if "chunks" in options else DEFAULT_CHUNKS


def prompts_of(chosen: Options) -> tuple[str, ...]:
    """The user's own prompts, for all models to answer. Raises BadRequest when there are too many."""
    prompts = chosen.texts("prompts")
    if len(prompts) > MOST_PROMPTS:
        raise BadRequest("bad_option", f"At most {MOST_PROMPTS} prompts are compared at once.")
    return tuple(prompt for prompt in prompts if prompt.strip())
