"""Which models the page of the Hub shows, in which order, under which words. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from desktop.qt.models.cards import Card
from desktop.qt.models.hub_words import (
    TASKS,
    Place,
    catalogue_card,
    for_task,
    guessed_bytes,
    guessed_verdict,
    hub_card,
    suggestion_card,
)

if TYPE_CHECKING:
    from desktop.wire_models import CatalogueModel, HubModel, Suggestion

GB = 1_000_000_000
# Words of the menu, and the most bytes of a file; 0 for no limit.
SIZES = (
    ("Any size", 0),
    ("Up to 2 GB", 2 * GB),
    ("Up to 5 GB", 5 * GB),
    ("Up to 10 GB", 10 * GB),
    ("Up to 20 GB", 20 * GB),
    ("Up to 50 GB", 50 * GB),
)
CATALOGUE_SORTS = ("Suggested", "Largest first", "Smallest first", "By name")
HUB_SORTS = ("Most used", "Most liked", "Newest", "Largest first", "Smallest first")
HUB_SORT_NAMES = ("downloads", "likes", "recent", "downloads", "downloads")  # what is asked of the Hub for each


@dataclass(frozen=True, slots=True)
class Wishes:
    """Limits and order. `sort` is a place in CATALOGUE_SORTS or HUB_SORTS."""

    task: str = ""
    fitting: bool = False
    most_bytes: int = 0
    sort: int = 0


def catalogue_cards(models: Iterable[CatalogueModel], wishes: Wishes, place: Place) -> list[Card]:
    """The catalogue within the wishes."""
    kept = [model for model in for_task(models, wishes.task) if _keeps(model, wishes, place)]
    match CATALOGUE_SORTS[wishes.sort]:
        case "Largest first":
            kept.sort(key=lambda model: -model.file_bytes)
        case "Smallest first":
            kept.sort(key=lambda model: model.file_bytes)
        case "By name":
            kept.sort(key=lambda model: model.name.lower())
    return [catalogue_card(model, place) for model in kept]


def suggested_cards(suggestions: Iterable[Suggestion], wishes: Wishes, place: Place) -> list[Card]:
    """Suggestions for the task in view, one card for each model, with the first reason it is suggested for."""
    cards: dict[str, Card] = {}
    task = "chat" if wishes.task == "reasoning" else wishes.task
    for suggestion in suggestions:
        if (not task or suggestion.task == task) and _keeps(suggestion.model, wishes, place):
            card = suggestion_card(suggestion, place)
            cards.setdefault(card.key, card)
    return list(cards.values())


def hub_cards(models: Iterable[HubModel], wishes: Wishes, place: Place) -> list[Card]:
    """Search results within the wishes; one whose size nobody knows is never left out."""
    kept = [model for model in models if _fits(guessed_bytes(model.params), wishes, place)]
    match HUB_SORTS[wishes.sort]:
        case "Largest first":
            kept.sort(key=lambda model: -(model.params or 0))
        case "Smallest first":
            kept.sort(key=lambda model: model.params or 1 << 60)
    return [hub_card(model, place) for model in kept]


def count_words(count: int, wishes: Wishes, *, others: bool = False, more: bool = False) -> str:
    """The heading above results: "212 models fit this computer"."""
    number = f"{count}{'+' if more else ''}{' more' if others else ''}"
    noun = "model" if count == 1 else "models"
    if wishes.task:
        noun = f"{noun} for {TASKS[wishes.task].lower()}"
    if wishes.fitting:
        return f"{number} {noun} {'fits' if count == 1 else 'fit'} this computer"
    return f"{number} {noun}"


def _keeps(model: CatalogueModel, wishes: Wishes, place: Place) -> bool:
    if wishes.most_bytes and model.file_bytes > wishes.most_bytes:
        return False
    verdict = model.verdict or guessed_verdict(model.file_bytes, place.memory_bytes)
    return not wishes.fitting or verdict != "too_large"


def _fits(file_bytes: int, wishes: Wishes, place: Place) -> bool:
    if wishes.most_bytes and file_bytes > wishes.most_bytes:
        return False
    return not wishes.fitting or guessed_verdict(file_bytes, place.memory_bytes) != "too_large"
