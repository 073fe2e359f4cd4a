"""Steps and words of the fit panel. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from desktop.qt.figures import grouped_digits, in_rate, in_tokens
from desktop.qt.model_words import title_of
from desktop.qt.models.cards import Tag
from desktop.qt.models.hub_words import VERDICTS

if TYPE_CHECKING:
    from desktop.wire import Model
    from desktop.wire_models import Details, Fit

SMALLEST = 512
CACHE_TYPES = ("", "f16", "q8_0", "q4_0")
CACHE_WORDS = ("Automatic", "16 bit (exact)", "8 bit (half the room)", "4 bit (a quarter, less exact)")
DRAFT_SHARE = 0.34  # of the model's parameters: a larger draft costs more than it saves
SPEED_WORDS = {"measured": "measured here", "corrected": "expected, after what was measured", "predicted": "expected"}


def context_steps(trained: int) -> list[int]:
    """Contexts of the slider: doubled, with one step between, up to what the model was trained for."""
    steps, step = [], SMALLEST
    while step < trained:
        steps.append(step)
        if step * 3 // 2 < trained and step >= 1024:
            steps.append(step * 3 // 2)
        step *= 2
    return [*steps, max(trained, SMALLEST)]


def nearest_step(steps: list[int], context: int) -> int:
    """Place of the step nearest to a context."""
    return min(range(len(steps)), key=lambda place: abs(steps[place] - context))


def context_words(context: int, fit: Fit | None) -> str:
    """ "8k tokens", with the largest that fits when that is less."""
    words = f"{in_tokens(context)} tokens"
    if fit is not None and fit.largest_context and context > fit.largest_context:
        return f"{words}, at most {in_tokens(fit.largest_context)} fit"
    return words


def verdict_tag(fit: Fit) -> Tag:
    word, tone, icon = VERDICTS[fit.verdict]
    return Tag(word, tone, icon)


def speed_words(fit: Fit) -> str:
    """ "11 tok/s expected; 180 tok/s reading"."""
    if not fit.tokens_per_s:
        return ""
    source = SPEED_WORDS.get(fit.speed_source, "")
    words = f"{in_rate(fit.tokens_per_s)} tok/s {source}".strip()
    return f"{words}, {in_rate(fit.prompt_tokens_per_s)} reading" if fit.prompt_tokens_per_s else words


def largest_words(fit: Fit) -> str:
    if not fit.largest_context:
        return "No context fits now."
    if fit.largest_context >= fit.trained_context:
        return f"All {grouped_digits(fit.trained_context)} tokens it was trained for fit."
    return f"Up to {grouped_digits(fit.largest_context)} tokens fit now."


def draft_choices(model: Model, models: Iterable[Model]) -> list[tuple[str, str]]:
    """Models that could draft for this one, as (id, name): same family, a third of the size at most."""
    small = [
        other
        for other in models
        if other.id != model.id
        and other.kind == "chat"
        and other.arch == model.arch
        and 0 < other.params <= model.params * DRAFT_SHARE
    ]
    return [(other.id, f"{title_of(other)} {other.quant}".strip()) for other in sorted(small, key=lambda m: m.params)]


def expert_layers(details: Details | None) -> int:
    """Layers whose experts could stay in main memory; 0 when the model is no mixture of experts."""
    if details is None:
        return 0
    by_end = {key.rpartition(".")[2]: value for key, value in details.metadata.items()}
    experts, layers = by_end.get("expert_count", 0), by_end.get("block_count", 0)
    return int(layers) if isinstance(experts, int) and isinstance(layers, int) and experts > 1 else 0


def has_gpu(fit: Fit | None) -> bool:
    return fit is not None and (
        fit.gpu_layers is not None or any("cpu" not in n.device.lower() for n in fit.devices[1:])
    )
