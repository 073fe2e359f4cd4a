"""The built-in catalogue and its suggestions, judged for this machine, as the wire tells them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from desktop import wire_models as wire
from engine.machine import Machine
from engine.suggest import Judged, Pick, estimate, suggest
from models.catalogue import Catalogue, CatalogueEntry, by_task, for_desktops
from models.catalogue.families import Task
from models.library import LibraryModel


def catalogue_row(
    catalogue: Catalogue, task: Task | None, machine: Machine, models: Sequence[LibraryModel]
) -> wire.Catalogue:
    """All entries, or those for one task, in the order of the data."""
    entries = by_task(catalogue.entries, task) if task else catalogue.entries
    return wire.Catalogue(
        models=[_row(entry, _judged(entry, machine), models) for entry in entries],
        compiled=catalogue.compiled.isoformat(),
    )


def suggestions_row(
    catalogue: Catalogue, tasks: Sequence[Task], machine: Machine, models: Sequence[LibraryModel]
) -> wire.Suggestions:
    """The best few for each task that fit this machine, with the reason."""
    entries = {entry.name: entry for entry in _fetchable(catalogue.entries)}
    picks = suggest([estimate(entry, machine) for entry in entries.values()], machine, tasks)
    speed = machine.speed
    return wire.Suggestions(
        suggestions=[_suggestion(pick, entries[pick.judged.row.name], models) for pick in picks],
        memory_bytes=machine.total_bytes,
        bandwidth_bytes_per_s=speed.weight_bytes_per_s if speed is not None else None,
    )


def _fetchable(entries: Iterable[CatalogueEntry]) -> list[CatalogueEntry]:
    return [entry for entry in for_desktops(entries) if entry.repo]


def _suggestion(pick: Pick, entry: CatalogueEntry, models: Sequence[LibraryModel]) -> wire.Suggestion:
    return wire.Suggestion(task=pick.task, model=_row(entry, pick.judged, models), reason=pick.reason)


def _judged(entry: CatalogueEntry, machine: Machine) -> Judged | None:
    return estimate(entry, machine) if entry.file_bytes else None


def _row(entry: CatalogueEntry, judged: Judged | None, models: Sequence[LibraryModel]) -> wire.CatalogueModel:
    return wire.CatalogueModel(
        repo=entry.repo,
        name=entry.name,
        family=entry.family,
        author=entry.author,
        params=entry.params,
        active_params=entry.active_params,
        file_bytes=entry.file_bytes,
        quant=entry.quant,
        licence=entry.licence,
        context_length=entry.context_length,
        tasks=list(entry.tasks),
        about=entry.about,
        quirks=list(entry.quirks),
        checked=entry.checked,
        verdict=judged.verdict if judged is not None else None,
        needed_bytes=judged.needed_bytes if judged is not None else None,
        tokens_per_s=judged.tokens_per_s if judged is not None else None,
        installed=next((model.id for model in models if entry.repo and model.repo == entry.repo), ""),
    )
