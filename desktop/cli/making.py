"""models convert, quantize, measure, adapters: files made here, and what they cost."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from desktop import wire_models as wire
from desktop.cli.console import bytes_text
from desktop.cli.context import DONE, WRONG_USAGE, Context
from desktop.cli.hub import is_repo
from desktop.cli.work import exists, model_ids, see_through, whole_path

MAX_PROMPTS_BYTES = 1 << 20


async def convert(context: Context) -> int:
    """A checkpoint of safetensors, in a folder or on the Hub, becomes a GGUF file."""
    wanted = context.arguments
    options: dict[str, object] = {"out_type": wanted.to}
    if exists(wanted.source):
        options["path"] = whole_path(wanted.source)
    elif is_repo(wanted.source) and not wanted.source.startswith((".", "/", "~")):
        options["repo"] = wanted.source
    else:
        context.console.error(f"{wanted.source} is no folder here and no repository.", "Repositories are author/name.")
        return WRONG_USAGE
    if wanted.name:
        options["name"] = wanted.name
    async with context.client() as client:
        job = await see_through(context, client, await client.start_job("convert", options), go_on=_again(context))
    return _made(context, model_ids(job), job.result)


async def quantize(context: Context) -> int:
    """One model becomes smaller ones, all in one pass."""
    wanted = context.arguments
    options: dict[str, object] = {"model": wanted.id, "to": wanted.to, "imatrix": _matrix(wanted.imatrix)}
    options.update(
        {
            name: value
            for name, value in (
                ("keep_output", wanted.keep_output),
                ("keep_embeddings", wanted.keep_embeddings),
                ("measure", wanted.measure),
            )
            if value
        }
    )
    async with context.client() as client:
        job = await see_through(context, client, await client.start_job("quantize", options), go_on=_again(context))
        made = model_ids(job)
        if not wanted.measure:
            return _made(context, made, job.result)
        context.console.note(f"Made {', '.join(made)}. Now measuring what they lose.")
        follows = await client.job(str((job.result or {})["measure_job"]))
        await see_through(context, client, follows, go_on=f"jackdaw jobs resume {follows.id}")
        found = await client.measurements(wanted.id)
    context.console.result({"models": made, "measured": found.model_dump()}, measured_text(context, found))
    return DONE


async def split(context: Context) -> int:
    """A model's file in parts of a size that some disk or upload takes; the model stays."""
    options = {"model": context.arguments.id, "max_bytes": context.arguments.max_size}
    async with context.client() as client:
        job = await see_through(context, client, await client.start_job("split", options))
    return _made(context, model_ids(job), job.result)


async def merge(context: Context) -> int:
    """The parts of a model as one file; the parts stay."""
    async with context.client() as client:
        job = await see_through(context, client, await client.start_job("merge", {"model": context.arguments.id}))
    return _made(context, model_ids(job), job.result)


def _matrix(wish: str) -> str:
    """As the job understands it: "neutral", a whole path, or "" for none."""
    if wish in ("none", ""):
        return ""
    return wish if wish == "neutral" else whole_path(wish)


async def types(context: Context) -> int:
    """What a model can be quantized to, with sizes."""
    async with context.client() as client:
        listed = await client.quant_types(context.arguments.id)
    rows = [
        (
            one.name,
            f"{one.bits_per_weight:.2f}",
            bytes_text(one.estimated_bytes) if one.estimated_bytes else "-",
            "needed" if one.needs_imatrix else "",
            one.about,
        )
        for one in listed.types
    ]
    table = context.console.table(("TYPE", "BITS", "SIZE", "IMATRIX", "MEANS"), rows)
    text = f"{listed.refused}\n\n{table}" if listed.refused else table
    context.console.result(listed.model_dump(), text)
    return DONE


async def measure(context: Context) -> int:
    """What each quantization loses and costs on this machine; --show prints what was measured before."""
    wanted = context.arguments
    async with context.client() as client:
        if not wanted.show:
            options: dict[str, object] = {"models": wanted.ids}
            if wanted.source:
                options["source"] = wanted.source
            if wanted.text:
                options["text"] = whole_path(wanted.text)
            if wanted.chunks:
                options["chunks"] = wanted.chunks
            if wanted.prompts:
                options["prompts"] = _prompts(wanted.prompts)
            await see_through(context, client, await client.start_job("measure", options), go_on=_again(context))
        found = await client.measurements(wanted.ids[0])
    context.console.result(found.model_dump(), measured_text(context, found))
    return DONE


def _prompts(file: str) -> list[str]:
    """Prompts of a file, parted by empty lines."""
    text = sys.stdin.read(MAX_PROMPTS_BYTES) if file == "-" else Path(file).expanduser().read_text()[:MAX_PROMPTS_BYTES]
    return [prompt.strip() for prompt in text.split("\n\n") if prompt.strip()]


def measured_text(context: Context, found: wire.MeasurementList) -> str:
    """A row per quantization, the pick with its reason, and the answers side by side."""
    if not found.measurements:
        return "Nothing was measured yet. Measure with: jackdaw models measure ID…"
    rows = [_measured_row(one, found) for one in found.measurements]
    header = ("MODEL", "QUANT", "SIZE", "KL DIVERGENCE", "SAME TOP", "PERPLEXITY", "PROMPT/S", "TOKENS/S", "PEAK", "")
    parts = [context.console.table(header, rows)]
    if found.pick is not None:
        parts.append(f"Pick: {found.pick.model_id}. {found.pick.reason}")
    parts += [f"{one.error}" for one in found.measurements if one.error]
    for prompt in dict.fromkeys(answer.prompt for answer in found.answers):
        answers = [_answer_text(answer, found.source_id) for answer in found.answers if answer.prompt == prompt]
        parts.append("\n\n".join([f"> {prompt}", *answers]))
    return "\n\n".join(parts)


def _answer_text(answer: wire.PromptAnswer, source_id: str) -> str:
    """What one model said, and how long that was what its source said."""
    same = None if answer.model_id == source_id else answer.same_words
    words = len(answer.answer.split())
    alike = "" if same is None else f", its first {same} of {words} words as {source_id}"
    return f"[{answer.model_id}{alike}] {answer.answer}"


def _measured_row(one: wire.Measurement, found: wire.MeasurementList) -> tuple[str, ...]:
    marks = [
        *(["best in its size"] if one.model_id in found.frontier else []),
        *([one.state] if one.state != "done" else []),
    ]
    return (
        one.model_id,
        one.quant,
        bytes_text(one.bytes),
        _number(one.kl_divergence, 4),
        f"{one.same_top_percent:.1f} %" if one.same_top_percent is not None else "-",
        _number(one.perplexity, 3),
        _number(one.prompt_tokens_per_s, 1),
        _number(one.tokens_per_s, 1),
        bytes_text(one.peak_bytes) if one.peak_bytes else "-",
        ", ".join(marks),
    )


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


async def adapters(context: Context) -> int:
    """The LoRA adapters that are here."""
    async with context.client() as client:
        listed = await client.adapters()
    rows = [
        (one.id, one.arch, str(one.rank or "-"), bytes_text(one.bytes), ", ".join(one.fits_models) or "-")
        for one in listed
    ]
    table = context.console.table(("ID", "ARCHITECTURE", "RANK", "SIZE", "FITS"), rows)
    empty = "No adapters yet. Take one in with: jackdaw models adapters import FOLDER"
    context.console.result([one.model_dump() for one in listed], table if listed else empty)
    return DONE


async def import_adapter(context: Context) -> int:
    """Take in a LoRA adapter: a GGUF file, or a PEFT folder that is converted."""
    options = {"path": whole_path(context.arguments.path)}
    if context.arguments.base:
        options["base"] = context.arguments.base
    async with context.client() as client:
        job = await see_through(context, client, await client.start_job("adapter", options))
    made = (job.result or {}).get("adapter")
    name = str(made["id"] if isinstance(made, dict) else made or "the adapter")
    context.console.result(job.result, f"Took in {name}. Attach it with: jackdaw models options ID adapters={name}")
    return DONE


async def remove_adapter(context: Context) -> int:
    async with context.client() as client:
        removed = await client.remove_adapter(context.arguments.id)
    context.console.result(removed.model_dump(), f"{removed.id} is gone.")
    return DONE


def _made(context: Context, models: list[str], result: dict[str, object] | None) -> int:
    text = f"Made {', '.join(models)}." if models else "Done."
    context.console.result({**(result or {}), "models": models}, text)
    return DONE


def _again(context: Context) -> str:
    """The command as it was typed goes on with the same job."""
    return shlex.join(["jackdaw", *context.argv])
