"""What cards say of installed models, and in which order they stand. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from desktop.qt.figures import in_bytes, in_parameters, in_tokens, per_second
from desktop.qt.matching import match_score
from desktop.qt.model_words import BUSY, memory_words, state_of, title_of
from desktop.qt.models.cards import Act, Card, Progress, Tag
from desktop.qt.models.hub_words import TASKS, fit_tag

if TYPE_CHECKING:
    from desktop.wire import Memory, Model

SORTS = ("Loaded first", "Name", "Largest first", "Newest", "Fastest")
KINDS = ("All", "Chat", "Embedding", "Reranking")
KIND_NAMES = ("", "chat", "embedding", "rerank")
SOURCES = {
    "hub": "from the Hub",
    "made": "made here",
    "ollama": "in Ollama's store",
    "lm-studio": "in LM Studio's folder",
    "huggingface": "in the Hugging Face cache",
    "llama.cpp": "in llama.cpp's cache",
}
ICONS = {"success": "check", "warning": "triangle-alert", "danger": "circle-alert", "text3": ""}
TONES = {"success": "success", "warning": "warning", "danger": "danger", "text3": "neutral"}


def local_card(model: Model, memory: Memory | None, others: Iterable[Model], *, busy: bool, failure: str = "") -> Card:
    """An installed model. `busy`: a request of ours to load it is under way; `failure` says how the last one ended."""
    loading = model.state in BUSY or (busy and not model.loaded)
    return Card(
        f"model:{model.id}",
        title_of(model),
        where_of(model),
        about_of(model),
        tuple(_tags(model, memory, others)),
        remark=in_bytes(model.bytes),
        badge=Tag("In use", "accent") if model.loaded else None,
        acts=_acts(model, loading),
        progress=Progress(model.load_fraction, state_of(model)) if loading else None,
        problem=failure or " ".join(filter(None, (model.error, model.hint))),
    )


def where_of(model: Model) -> str:
    """Whose it is: its author on the Hub, else where it lies."""
    if model.repo:
        return model.repo.partition("/")[0]
    return SOURCES.get(model.source, Path(model.path).parent.name)


def about_of(model: Model) -> str:
    parts = [model.repo or model.id, model.arch]
    if model.source_model:
        parts.append(f"made from {model.source_model}")
    return ", ".join(part for part in parts if part)


def shown_models(models: Iterable[Model], words: str, kind: int = 0, sort: int = 0) -> list[Model]:
    """Models of a kind of KINDS that hold these words, in an order of SORTS."""
    wanted = KIND_NAMES[kind]
    found = [
        model
        for model in models
        if (not wanted or model.kind == wanted)
        and match_score(words, f"{title_of(model)} {model.id} {model.quant} {model.arch} {model.repo}") is not None
    ]
    found.sort(key=lambda model: title_of(model).lower())
    if sort == 1:
        return found
    return sorted(found, key=lambda model: _rank(model, sort))


def _rank(model: Model, sort: int) -> float:
    match SORTS[sort]:
        case "Largest first":
            return -model.bytes
        case "Newest":
            return -model.added_at
        case "Fastest":
            return -(model.tokens_per_s or 0.0)
    return 0.0 if model.loaded else 1.0


def _tags(model: Model, memory: Memory | None, others: Iterable[Model]) -> list[Tag]:
    tags = [Tag(TASKS[model.kind])]
    if model.params:
        tags.append(Tag(in_parameters(model.params)))
    if model.quant:
        tags.append(Tag(model.quant, mono=True))
    if speed := per_second(model.tokens_per_s):
        tags.append(Tag(speed if model.speed_source == "measured" else f"about {speed}"))
    if model.kl_divergence is not None:
        tags.append(Tag(f"KLD {model.kl_divergence:.2g}"))
    if model.context_length:
        tags.append(Tag(_context(model)))
    if fit := _fit(model, memory, others):
        tags.append(fit)
    return tags


def _context(model: Model) -> str:
    if model.allocated_context:
        return f"{in_tokens(model.allocated_context)} of {in_tokens(model.context_length)} context"
    return f"{in_tokens(model.context_length)} context"


def _fit(model: Model, memory: Memory | None, others: Iterable[Model]) -> Tag | None:
    if model.fits and model.needed_bytes and memory is not None and not model.loaded and model.state not in BUSY:
        return fit_tag("fits", model.needed_bytes, memory.total_bytes)
    words, token = memory_words(model, memory, others)
    return Tag(words, TONES[token], ICONS[token]) if words else None


def _acts(model: Model, loading: bool) -> tuple[Act, ...]:
    first = (
        Act("unload", "Cancel", "x")
        if loading
        else Act("unload", "Unload")
        if model.loaded
        else Act("load", "Load", "play")
    )
    use = (Act("use", "Use in a chat", "message-square", menu=True),) if model.kind == "chat" else ()
    make = Act("quantize", "Quantize and measure…", "shrink", menu=True)
    return (first, *use, make, Act("remove", "Remove…", "trash-2", menu=True, delete=True))
