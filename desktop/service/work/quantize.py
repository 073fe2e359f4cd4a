"""Jobs that make other files of a model's weights: `quantize`, `split` and `merge`."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from desktop.service.errors import BadRequest
from desktop.service.job_kinds import JobAbout, JobContext, JobKind
from desktop.service.work.made import Maker, made_of, stem_of
from desktop.service.work.measure import prompts_of
from desktop.service.work.options import Options
from models.library import LibraryModel
from models.llamacpp import EngineBuild
from models.quantize.check import check_source, check_targets
from models.quantize.imatrix import imatrix, neutral_text
from models.quantize.names import target_name
from models.quantize.quantize import Quantized, quantize
from models.quantize.split import merge, split
from models.quantize.types import find_kept_type, find_quant
from models.split_gguf import read_model

StartJob = Callable[[str, Mapping[str, Any]], Awaitable[str]]
"""Starts a job of a kind with its options; returns its id."""
NEUTRAL = "neutral"
QUANTIZE_OPTIONS = ("model", "to", "imatrix", "keep_embeddings", "keep_output", "measure", "prompts")
SMALLEST_PART, LARGEST_PART = 1_000_000, 1 << 50


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be made of a model. `imatrix` is "", "neutral", or the path of a matrix or of a text to make it of.

    `prompts` are for the measuring that follows.
    """

    model: str
    to: tuple[str, ...]
    imatrix: str
    keep_embeddings: str | None
    keep_output: str | None
    measure: bool
    prompts: tuple[str, ...]


def quantize_kinds(maker: Maker, start_job: StartJob) -> dict[str, JobKind]:
    """The kinds `quantize`, `split` and `merge`; `start_job` starts the measuring that may follow."""
    library = maker.tools.library

    async def about_quantize(options: Mapping[str, Any]) -> JobAbout:
        wanted = wanted_of(options)
        model = await library.get(wanted.model)
        check_source(model.path.name, await asyncio.to_thread(read_model, model.path))
        to = ", ".join(wanted.to)
        return JobAbout(
            title=f"{model.name} to {to}", subject=model.id, key=f"{model.id} {' '.join(sorted(wanted.to))}"
        )

    async def run(options: Mapping[str, Any], context: JobContext) -> dict[str, Any]:
        wanted = wanted_of(options)
        model, build = await library.get(wanted.model), await maker.build()
        folder = await maker.folder(stem_of(model))
        matrix = await _matrix(maker, model, wanted.imatrix, build, context)
        began = bool(context.memory.get("began"))
        if not began and not any((folder / target_name(stem_of(model), name)).exists() for name in wanted.to):
            await context.remember(began=True)  # from here on a target that is there is ours

        ids: dict[str, str] = {}
        peaks: dict[str, int] = {}

        async def finished(one: Quantized) -> None:
            ids[one.quant] = await maker.take_in(one.path, made_of(model))
            peaks[one.quant] = one.peak_bytes

        paths = await quantize(
            model.path,
            wanted.to,
            folder,
            build=build,
            report=context.report,
            cancel=context.cancel,
            imatrix=matrix,
            keep_output=wanted.keep_output,
            keep_embeddings=wanted.keep_embeddings,
            finished=finished,
            resume=began,
            floor_bytes=maker.floor_bytes(),
            pidfiles=maker.pidfiles,
        )
        made = [
            ids.get(name) or await maker.take_in(path, made_of(model))
            for name, path in zip(wanted.to, paths, strict=True)
        ]
        follow = {"models": made, "source": model.id, "prompts": list(wanted.prompts)}
        follows = await start_job("measure", follow) if wanted.measure else ""
        peak_bytes = max(peaks.values(), default=0)
        return {"models": made, "peak_bytes": peak_bytes, "imatrix": str(matrix or ""), "measure_job": follows}

    async def about_split(options: Mapping[str, Any]) -> JobAbout:
        chosen = Options(options, "model", "max_bytes")
        chosen.whole("max_bytes", SMALLEST_PART, LARGEST_PART)
        model = await library.get(chosen.text("model", None))
        return JobAbout(title=f"Split {model.name}", subject=model.id, key=model.id)

    async def run_split(options: Mapping[str, Any], context: JobContext) -> dict[str, Any]:
        chosen = Options(options, "model", "max_bytes")
        model, build = await library.get(chosen.text("model")), await maker.build()
        parts = await split(
            model.path,
            await maker.folder(stem_of(model)),
            chosen.whole("max_bytes", SMALLEST_PART, LARGEST_PART),
            build=build,
            report=context.report,
            cancel=context.cancel,
            floor_bytes=maker.floor_bytes(),
            pidfiles=maker.pidfiles,
        )
        return {"models": [await maker.take_in(parts[0], made_of(model))], "parts": len(parts)}

    async def about_merge(options: Mapping[str, Any]) -> JobAbout:
        model = await library.get(Options(options, "model").text("model", None))
        if model.parts == 1:
            raise BadRequest("not_split", f"{model.name} is one file already.", hint="Choose a model in parts.")
        return JobAbout(title=f"Merge the parts of {model.name}", subject=model.id, key=model.id)

    async def run_merge(options: Mapping[str, Any], context: JobContext) -> dict[str, Any]:
        model, build = await library.get(Options(options, "model").text("model")), await maker.build()
        path = await merge(
            model.path,
            await maker.folder(stem_of(model)),
            build=build,
            report=context.report,
            cancel=context.cancel,
            floor_bytes=maker.floor_bytes(),
            pidfiles=maker.pidfiles,
        )
        return {"models": [await maker.take_in(path, made_of(model))]}

    return {
        "quantize": JobKind(run, about_quantize, lane="processors", can_pause=True, resumable=True),
        "split": JobKind(run_split, about_split, lane="processors", resumable=True),
        "merge": JobKind(run_merge, about_merge, lane="processors", resumable=True),
    }


def wanted_of(options: Mapping[str, Any]) -> Wanted:
    """The checked options of `quantize`. Raises BadRequest or QuantizeFailed with what cannot be."""
    chosen = Options(options, *QUANTIZE_OPTIONS)
    targets = tuple(find_quant(name) for name in chosen.texts("to"))
    matrix = chosen.text("imatrix")
    if matrix not in ("", NEUTRAL):
        chosen.path("imatrix")
    check_targets(targets, imatrix=bool(matrix))
    return Wanted(
        model=chosen.text("model", None),
        to=tuple(target.name for target in targets),
        imatrix=matrix,
        keep_embeddings=find_kept_type(chosen.text("keep_embeddings")),
        keep_output=find_kept_type(chosen.text("keep_output")),
        measure=chosen.flag("measure"),
        prompts=prompts_of(chosen),
    )


async def _matrix(maker: Maker, model: LibraryModel, wish: str, build: EngineBuild, context: JobContext) -> Path | None:
    """The importance matrix to use: none, a given one, or one made of a text, which is kept for the next time."""
    if not wish:
        return None
    text = neutral_text() if wish == NEUTRAL else Path(wish)
    if text.suffix.lower() == ".gguf":
        return text
    mark = hashlib.sha256(await asyncio.to_thread(text.read_bytes)).hexdigest()[:8]
    out = await maker.folder(stem_of(model)) / f"{stem_of(model)}-imatrix-{mark}.gguf"
    if await asyncio.to_thread(out.exists):
        return out
    return await imatrix(
        model.path,
        out,
        build=build,
        report=context.report,
        cancel=context.cancel,
        text=text,
        floor_bytes=maker.floor_bytes(),
        pidfiles=maker.pidfiles,
    )
