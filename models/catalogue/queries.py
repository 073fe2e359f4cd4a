"""Questions to the catalogue. Pure; the order of the catalogue is kept unless said otherwise."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from models.catalogue.families import CatalogueEntry, Task


def by_task(entries: Iterable[CatalogueEntry], task: Task) -> list[CatalogueEntry]:
    """Those good for a task."""
    return [entry for entry in entries if task in entry.tasks]


def for_desktops(entries: Iterable[CatalogueEntry]) -> list[CatalogueEntry]:
    """Those somebody could run at home: of known size, and not of a server's."""
    return [entry for entry in entries if entry.file_bytes and not entry.server_class]


def up_to_bytes(entries: Iterable[CatalogueEntry], most_bytes: int) -> list[CatalogueEntry]:
    """Those whose file has at most so many bytes, largest first; memory needs some more than the file."""
    fitting = [entry for entry in for_desktops(entries) if entry.file_bytes <= most_bytes]
    return sorted(fitting, key=lambda entry: -entry.file_bytes)


def of_family(entries: Sequence[CatalogueEntry], family: str) -> list[CatalogueEntry]:
    """All sizes of one family, whatever the case of its name."""
    return [entry for entry in entries if entry.family.lower() == family.lower()]
