"""models list, show, import, rm."""

from __future__ import annotations

from pathlib import Path

from desktop import wire
from desktop.cli import hub
from desktop.cli.console import bytes_text, count_text
from desktop.cli.context import DONE, Context


async def show_all(context: Context) -> int:
    async with context.client() as client:
        rows = await client.models()
    header = ("ID", "QUANT", "SIZE", "PARAMETERS", "CONTEXT", "STATE")
    table = context.console.table(header, [_row(model) for model in rows])
    empty = "No models yet. Take one in with: jackdaw models import FILE.gguf, or get one: jackdaw models suggest"
    context.console.result([model.model_dump() for model in rows], table if rows else empty)
    return DONE


async def show(context: Context) -> int:
    """One model of the library, or a repository of the Hub: those have a slash in their name."""
    if hub.is_repo(context.arguments.id):
        return await hub.show(context)
    async with context.client() as client:
        model = await client.model(context.arguments.id)
    context.console.result(model.model_dump(), model_text(model))
    return DONE


async def take(context: Context) -> int:
    """Import a file where it lies; nothing is copied."""
    async with context.client() as client:
        context.console.progress(None, "reading the file's header")
        model = await client.import_model(Path(context.arguments.path))
    context.console.result(model.model_dump(), f"Imported {model.id} ({_summary(model)}). It stays where it is.")
    return DONE


async def remove(context: Context) -> int:
    async with context.client() as client:
        removed = await client.remove_model(context.arguments.id)
    context.console.result(removed.model_dump(), removed_text(removed))
    return DONE


def removed_text(removed: wire.RemovedModel) -> str:
    """What became of the file, what that freed, and who holds the same bytes."""
    if not removed.file_deleted:
        return f"{removed.id} is out of the library. Its file stays where it is: {removed.path}"
    text = f"{removed.id} is out of the library and its file is deleted; {bytes_text(removed.freed_bytes)} became free."
    return f"{text} The same bytes are still at {', '.join(removed.shared_with)}." if removed.shared_with else text


def model_text(model: wire.Model) -> str:
    allocated = f"{model.allocated_context} tokens in each of {model.slots} slots" if model.allocated_context else "-"
    loss = model.kl_divergence
    facts = (
        ("name", model.name),
        ("file", model.path),
        ("from", model.repo or model.source_model),
        ("architecture", model.arch),
        ("parameters", count_text(model.params)),
        ("quantization", model.quant),
        ("size", bytes_text(model.bytes)),
        ("kind", model.kind),
        ("trained context", f"{model.context_length} tokens"),
        ("allocated context", allocated),
        ("pictures", "yes" if model.has_projector else ""),
        ("speed", f"{model.tokens_per_s:.3g} tokens/s {model.speed_source}" if model.tokens_per_s else ""),
        ("loss", "" if loss is None else f"KL divergence {loss:.4f} from {model.source_model}"),
        ("memory when loaded", bytes_text(model.needed_bytes) if model.needed_bytes else "-"),
        ("chat template", "yes" if model.has_chat_template else "no"),
        ("autocomplete", "yes" if model.supports_infill else "no"),
        ("licence", model.licence or "not stated in the file"),
        ("state", model.state + (f": {model.error}" if model.error else "")),
    )
    return "\n".join([model.id, *(f"  {name:<20} {value}" for name, value in facts if value)])


def _row(model: wire.Model) -> tuple[str, ...]:
    context = str(model.allocated_context or model.context_length)
    return (model.id, model.quant, bytes_text(model.bytes), count_text(model.params), context, model.state)


def _summary(model: wire.Model) -> str:
    return f"{model.arch}, {count_text(model.params)} parameters, {model.quant}, {bytes_text(model.bytes)}"
