"""What cards say of the disk: models of other programs, files that are there twice, what each model takes. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from desktop.merge_words import METHODS
from desktop.qt.figures import in_bytes
from desktop.qt.models.cards import Act, Card, Tag, heading

if TYPE_CHECKING:
    from desktop.wire_models import DiskModel, DiskUse, Duplicate, FoundModel, StoreReport

STORES = {
    "ollama": "Ollama",
    "lm-studio": "LM Studio",
    "huggingface": "Hugging Face cache",
    "llama.cpp": "llama.cpp cache",
    "folder": "Folder",
    "jackdaw": "Jackdaw",
    "hub": "From the Hub",
    "made": "Made here",
    "import": "Your own folder",
}
_BLOB = re.compile(r"sha256[-:][0-9a-f]{64}")  # a file that is named by its content alone
METHOD_NAMES = {"reflink": "shared blocks", "hardlink": "hard links"}


def found_cards(report: StoreReport, words: str = "") -> list[Card]:
    """Models of other programs, by program, those that are not in the library first."""
    wanted = words.lower().split()
    cards: list[Card] = []
    for seen in report.stores:
        if seen.store == "jackdaw":
            continue  # that is the library itself
        models = [model for model in report.models if model.store == seen.store and _holds(model, wanted)]
        if not models and not seen.problem:
            continue
        cards.append(heading(f"{STORES.get(seen.store, seen.store)}: {in_bytes(seen.bytes)} in {seen.folder}"))
        if seen.problem:
            cards.append(Card(f"store:{seen.folder}", STORES.get(seen.store, seen.store), problem=seen.problem))
        known = {model.path: library_id(report, model) for model in models}
        models.sort(key=lambda model: (bool(known[model.path]), bool(model.problem), model.name.lower()))
        cards += [found_card(model, known[model.path]) for model in models]
    return cards


def library_id(report: StoreReport, model: FoundModel) -> str:
    """Id of the model of the library that is this file, or one of the same content; "" when there is none."""
    same = _same_content(report, model)
    return model.model_id or next((m.model_id for m in report.models if m.path in same and m.model_id), "")


def unused_models(report: StoreReport) -> list[FoundModel]:
    """What could come into the library, each content once."""
    usable: dict[str, FoundModel] = {}
    for model in report.models:
        if not model.problem and not library_id(report, model):
            usable.setdefault(min(_same_content(report, model)), model)
    return list(usable.values())


def _same_content(report: StoreReport, model: FoundModel) -> list[str]:
    """Paths of the files with the model's content, its own among them."""
    return next((twins.paths for twins in report.duplicates if model.path in twins.paths), [model.path])


def found_card(model: FoundModel, model_id: str = "") -> Card:
    """A model of another program; `model_id` is the library's for its content."""
    tags = [Tag(model.kind.capitalize())] if model.arch else []  # what cannot be read is of no kind
    if model.quant:
        tags.append(Tag(model.quant, mono=True))
    if model.arch:
        tags.append(Tag(model.arch))
    if model_id:
        same = model_id == model.model_id
        tags.append(Tag("In the library" if same else f"Same as {model_id}", "success", "check"))
    return Card(
        f"found:{model.path}",
        "Unfinished download" if _BLOB.match(model.name) else model.name,
        model.label if model.label != model.name and not _BLOB.match(model.label) else "",
        model.path,
        about_is_path=True,
        tags=tuple(tags),
        remark=in_bytes(model.bytes),
        acts=() if model.problem else (Act("open", "Show"),) if model_id else (Act("use", "Use it", "check"),),
        problem=model.problem,
    )


def duplicate_cards(report: StoreReport) -> list[Card]:
    """Files with one content; what merging frees most stands first."""
    found = sorted(report.duplicates, key=lambda duplicate: -duplicate.wasted_bytes)
    cards = [duplicate_card(duplicate) for duplicate in found]
    wasted = sum(duplicate.wasted_bytes for duplicate in found)
    if wasted:
        cards.insert(0, heading(f"Merging would free {in_bytes(wasted)}"))
    return cards


def duplicate_card(duplicate: Duplicate) -> Card:
    names = [Path(path).name for path in duplicate.paths]
    can = bool(duplicate.method) and duplicate.wasted_bytes > 0
    shared = not duplicate.wasted_bytes
    if shared:
        how = [Tag("Takes its room once", "success", "check")]
    else:
        way = Tag(f"Can share: {METHOD_NAMES.get(duplicate.method, duplicate.method)}", "success", "check")
        how = [Tag(f"{in_bytes(duplicate.wasted_bytes)} wasted"), way if can else Tag("Cannot be merged", "outline")]
    return Card(
        f"duplicate:{duplicate.sha256}",
        min(names, key=lambda name: (name.startswith("sha256"), len(name))),
        f"{len(duplicate.paths)} times",
        " and ".join(STORES.get(store, store) for store in dict.fromkeys(duplicate.stores)),
        tags=(Tag(in_bytes(duplicate.bytes)), *how),
        acts=(Act("merge", "Merge…"),) if can else (),
        problem="" if shared else duplicate.problem,
    )


def merge_words(duplicate: Duplicate) -> str:
    """What merging does, with every file it touches: shown before consent is asked for."""
    count = len(duplicate.paths)
    whole = "Both files" if count == 2 else f"All {count} files"
    lines = [
        f"{whole} are read once more and compared. One that has changed is left alone.",
        METHODS.get(duplicate.method, "They share one copy."),
        f"{in_bytes(duplicate.wasted_bytes)} become free.",
        "These files are touched, and no others:\n" + "\n".join(duplicate.paths),
    ]
    return "\n\n".join(lines)


def disk_cards(use: DiskUse) -> list[Card]:
    """What each model takes, largest first."""
    models = sorted(use.models, key=lambda model: -model.file_bytes)
    return [disk_card(model, use.used_bytes) for model in models]


def disk_card(model: DiskModel, used_bytes: int) -> Card:
    tags = [Tag(STORES.get(model.store, model.store or "Elsewhere"))]
    if model.shared_with:
        tags.append(Tag(f"Shared with {len(model.shared_with)}", "outline", "link"))
    if model.bytes:
        tags.append(Tag(f"Deleting frees {in_bytes(model.bytes)}"))
    else:
        tags.append(Tag("Deleting frees nothing", "outline"))
    remove = Act("remove", "", "trash-2", f"Remove {model.name}", delete=True)
    about = f"{model.file_bytes / used_bytes:.0%} of Jackdaw's folder" if model.bytes and used_bytes else model.path
    size = in_bytes(model.file_bytes)
    path = about == model.path
    return Card(f"disk:{model.id}", model.name, "", about, tuple(tags), size, acts=(remove,), about_is_path=path)


def removal_words(model: DiskModel | None, path: str, *, deletes: bool) -> str:
    """What taking a model out of the library does to its file, and to others that share it."""
    if not deletes:
        return f"The file stays at {path}."
    if model is None or not model.shared_with:
        freed = f" {in_bytes(model.bytes)} are free then." if model is not None and model.bytes else ""
        return f"The file in Jackdaw's own folder is deleted from the disk.{freed}"
    others = "\n".join(model.shared_with)
    return (
        f"The file is deleted, but its room is shared, so {in_bytes(model.bytes)} become free. Still there:\n{others}"
    )


def _holds(model: FoundModel, words: Iterable[str]) -> bool:
    text = f"{model.name} {model.label} {model.path} {model.quant} {model.arch}".lower()
    return all(word in text for word in words)
