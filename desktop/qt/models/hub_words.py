"""What cards say of models of the catalogue and the Hub. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from desktop.qt.figures import in_bytes, in_parameters, in_tokens, of_bytes, per_second
from desktop.qt.models.cards import Act, Card, Tag

if TYPE_CHECKING:
    from desktop.wire import Model
    from desktop.wire_models import CatalogueModel, HubModel, Suggestion, Verdict

TASKS = {
    "chat": "Chat",
    "code": "Code",
    "reasoning": "Reasoning",
    "autocomplete": "Completion",
    "vision": "Vision",
    "embedding": "Embedding",
    "rerank": "Reranking",
}
HUB_TASKS = {
    "text-generation": "Chat",
    "image-text-to-text": "Vision",
    "feature-extraction": "Embedding",
    "sentence-similarity": "Embedding",
    "text-ranking": "Reranking",
}
VERDICTS: dict[Verdict, tuple[str, str, str]] = {
    "fits": ("Fits", "success", "check"),
    "tight": ("Tight", "warning", "triangle-alert"),
    "too_large": ("Too large", "danger", "circle-alert"),
}
BITS_PER_WEIGHT = 4.9  # of Q4_K_M, as llama.cpp's quantize README measures it on Llama 3.1 8B
ROOM = 1.12  # what a model takes beyond its file, at a context of a few thousand tokens
TIGHT = 0.6  # of all memory: above this, other programs begin to matter
_REASONING = ("reason", "think")


@dataclass(frozen=True, slots=True)
class Place:
    """The machine and the library a list is made for: bytes of memory, and what is installed, by id."""

    memory_bytes: int
    models: Mapping[str, Model]

    def installed(self, repo: str, ids: Iterable[str]) -> Model | None:
        """The model of the library that is one of `ids`, or came from `repo` since the list was asked for."""
        known = next((self.models[model_id] for model_id in ids if model_id in self.models), None)
        return known or next((model for model in self.models.values() if model.repo == repo), None)


def guessed_bytes(params: int | None) -> int:
    """About what a model of so many parameters has as a file of four bits; 0 when their number is unknown."""
    return round((params or 0) * BITS_PER_WEIGHT / 8)


def guessed_verdict(file_bytes: int, memory_bytes: int) -> Verdict | None:
    """Whether a file of this size fits, from the size alone; None when either is unknown."""
    if not file_bytes or not memory_bytes:
        return None
    share = file_bytes * ROOM / memory_bytes
    return "fits" if share <= TIGHT else "tight" if share <= 0.9 else "too_large"


def fit_tag(verdict: Verdict | None, needed_bytes: int, memory_bytes: int, *, about: bool = False) -> Tag | None:
    """ "Fits: 5.4 of 16 GB"; `about` where the number is a guess."""
    if verdict is None or not needed_bytes or not memory_bytes:
        return None
    word, tone, icon = VERDICTS[verdict]
    small = needed_bytes < memory_bytes / 200  # it would read "0 of 16 GB"
    numbers = in_bytes(needed_bytes) if small else of_bytes(needed_bytes, memory_bytes)
    return Tag(f"{word}: {'about ' if about else ''}{numbers}", tone, icon)


def is_reasoning(model: CatalogueModel) -> bool:
    """Whether the catalogue says of a model that it thinks before it answers."""
    words = " ".join((model.about, *model.quirks)).lower()
    return "chat" in model.tasks and any(word in words for word in _REASONING)


def for_task(models: Iterable[CatalogueModel], task: str) -> list[CatalogueModel]:
    """Models of the catalogue for a task of TASKS; all for ""."""
    return [
        model for model in models if not task or (is_reasoning(model) if task == "reasoning" else task in model.tasks)
    ]


def catalogue_card(model: CatalogueModel, place: Place, reason: str = "") -> Card:
    """A model of the catalogue; `reason` says why it is suggested, in the place of what it is good for."""
    installed = place.installed(model.repo, [model.installed])
    needed = model.needed_bytes or round(model.file_bytes * ROOM)
    verdict = model.verdict or guessed_verdict(model.file_bytes, place.memory_bytes)
    tags = [Tag(TASKS.get(model.tasks[0], model.tasks[0].capitalize()))] if model.tasks else []
    if model.params:
        tags.append(Tag(in_parameters(model.params)))
    if model.context_length:
        tags.append(Tag(f"{in_tokens(model.context_length)} context"))
    if speed := per_second(model.tokens_per_s):
        tags.append(Tag(speed))
    if fit := fit_tag(verdict, needed, place.memory_bytes):
        tags.append(fit)
    card = Card(f"repo:{model.repo}", model.name, model.author, reason or model.about, tuple(tags))
    return _with_ending(card, installed, in_bytes(model.file_bytes) if model.file_bytes else "", download=True)


def suggestion_card(suggestion: Suggestion, place: Place) -> Card:
    return catalogue_card(suggestion.model, place, suggestion.reason)


def hub_card(model: HubModel, place: Place) -> Card:
    """A search result. The Hub tells no size in its results: it is guessed from the number of parameters."""
    installed = place.installed(model.repo, model.installed)
    size = guessed_bytes(model.params)
    tags = [Tag(HUB_TASKS.get(model.task) or TASKS.get(model.task) or model.task)] if model.task else []
    if model.params:
        tags.append(Tag(in_parameters(model.params)))
    if model.licence:
        tags.append(Tag(model.licence))
    if model.gated:
        tags.append(Tag("Gated", "outline", "lock"))
    if not model.has_gguf:
        tags.append(Tag("No GGUF", "outline"))
    needed = round(size * ROOM)
    if fit := fit_tag(guessed_verdict(size, place.memory_bytes), needed, place.memory_bytes, about=True):
        tags.append(fit)
    card = Card(f"repo:{model.repo}", model.name, model.author, popularity(model), tuple(tags))
    return _with_ending(card, installed, f"about {in_bytes(size)}" if size else "", download=model.has_gguf)


def popularity(model: HubModel) -> str:
    """ "1.2M downloads, 340 likes, llama"."""
    parts = [
        f"{in_count(model.downloads)} downloads" if model.downloads else "",
        f"{in_count(model.likes)} likes" if model.likes else "",
        model.architecture,
    ]
    return ", ".join(part for part in parts if part)


def in_count(count: int) -> str:
    """A count in short: 812, 3.4k, 1.2M."""
    for limit, unit in ((1e6, "M"), (1e3, "k")):
        if count >= limit:
            return f"{count / limit:.1f}".removesuffix(".0") + unit
    return str(count)


def _with_ending(card: Card, installed: Model | None, size: str, *, download: bool) -> Card:
    if installed is None:
        act = Act("download", "Download", "download") if download else Act("show", "Show files")
        return replace(card, remark=size, acts=(act,))
    acts = (Act("unload", "Unload"),) if installed.loaded else (Act("load", "Load", "play"),)
    badge = Tag("In use", "accent") if installed.loaded else None
    return replace(
        card, badge=badge, remark="" if badge else size, acts=(*acts, Act("use", "Use in a chat", menu=True))
    )
