"""families.json: its form, checked when it is read.

A family has name, author, licence, context, tasks, about and quirks; each of its models overrides what differs there
and adds name, params, active_params, bytes (of one file in `quant`), quant and repo (of the GGUF files). null means not
known. `unsure` names fields that no second source confirmed; `checked` is true for what was compared with the Hub.
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any, Literal, get_args

Task = Literal["chat", "code", "autocomplete", "embedding", "rerank", "vision"]
TASKS: tuple[Task, ...] = get_args(Task)
SCHEMA = 1
# Bits per weight of whole files, embeddings and output included. Source: llama.cpp, tools/quantize/README.md
# (Llama 3.1 8B); MXFP4 from the sizes of gpt-oss.
BITS_PER_WEIGHT: Mapping[str, float] = {"Q4_K_M": 4.89, "Q4_K_S": 4.67, "Q8_0": 8.5, "F16": 16.0, "MXFP4": 4.8}
_REPO = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*")
_FAMILY_KEYS = {
    "name": str, "author": str, "licence": str, "context": (int, type(None)), "tasks": list, "about": str,
    "quirks": list, "models": list,
}  # fmt: skip
_MODEL_KEYS = {
    "name": str, "params": (int, type(None)), "bytes": (int, type(None)), "quant": str, "repo": str,
}  # fmt: skip
_OPTIONAL_KEYS = {"unsure": list, "server_class": bool, "checked": bool}
_OVERRIDES = {"licence", "context", "tasks", "about", "active_params"}
_UNSURE = {"repo", "params", "active_params", "bytes", "quant", "licence", "context", "tasks"}


class CatalogueFault(ValueError):
    """The file that ships with us is not as it should be: a mistake of ours, never of the user's."""


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """One size of a family. Numbers that are not known are 0; `unsure` names fields that were not confirmed.

    `file_bytes` is what a file in `quant` has: stated by a source, or estimated from `params` ("bytes" is in `unsure`).
    """

    family: str
    author: str
    name: str
    repo: str  # of the GGUF files; "" when none is known
    params: int
    active_params: int | None  # of a mixture of experts, per token
    file_bytes: int
    quant: str
    licence: str  # as the Hub tags it; "" when not known
    context_length: int  # tokens
    tasks: tuple[Task, ...]
    about: str
    quirks: tuple[str, ...]
    unsure: frozenset[str]
    checked: bool = False  # compared with the Hub itself
    server_class: bool = False  # too large for any desktop

    @property
    def repo_unsure(self) -> bool:
        return "repo" in self.unsure


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All entries in the order of the file; `compiled` is the date of the data, `note` says how far to trust it."""

    compiled: datetime.date
    note: str
    entries: tuple[CatalogueEntry, ...]


def load_catalogue() -> Catalogue:
    """The catalogue that ships with us. Raises CatalogueFault, which a test rules out."""
    return parse(resources.files("models.catalogue").joinpath("families.json").read_text(encoding="utf-8"))


def parse(text: str) -> Catalogue:
    """Read and check one file. Raises CatalogueFault, which names the family or model and what is wrong with it."""
    try:
        data = json.loads(text, object_pairs_hook=_no_twice)
    except json.JSONDecodeError as error:
        raise CatalogueFault(f"it is no JSON: {error}") from error
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        raise CatalogueFault(f"its schema is not {SCHEMA}")
    families, note = data.get("families"), data.get("note")
    if not isinstance(families, list) or not families or not isinstance(note, str):
        raise CatalogueFault("it has no families, or no note")
    try:
        compiled = datetime.date.fromisoformat(str(data.get("compiled")))
    except ValueError as error:
        raise CatalogueFault("it does not say when it was compiled") from error
    entries = tuple(entry for family in families for entry in _family(family))
    _unique("family", [family["name"] for family in families])
    _unique("model", [entry.name for entry in entries])
    return Catalogue(compiled, note, entries)


def _no_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    _unique("key", [key for key, _ in pairs])
    return dict(pairs)


def _unique(what: str, names: list[str]) -> None:
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise CatalogueFault(f"a {what} is there twice: {', '.join(twice)}")


def _family(family: Any) -> list[CatalogueEntry]:
    _keys(family, _FAMILY_KEYS, _OPTIONAL_KEYS.keys())
    if not family["models"]:
        raise CatalogueFault(f"{family['name']} has no models")
    return [_entry(family, model) for model in family["models"]]


def _entry(family: Mapping[str, Any], model: Any) -> CatalogueEntry:
    _keys(model, _MODEL_KEYS, _OPTIONAL_KEYS.keys() | _OVERRIDES)
    both = {**family, **model}
    # What a model states itself is not unsure because its family is.
    unsure = set(model.get("unsure", ())) | (set(family.get("unsure", ())) - model.keys())
    params, quant = model["params"] or 0, model["quant"]
    stated = model["bytes"]
    if stated is None:
        unsure.add("bytes")
    entry = CatalogueEntry(
        family=family["name"],
        author=family["author"],
        name=model["name"],
        repo=model["repo"],
        params=params,
        active_params=model.get("active_params"),
        file_bytes=stated if stated is not None else round(params * BITS_PER_WEIGHT.get(quant, 0) / 8),
        quant=quant,
        licence=both["licence"],
        context_length=both["context"] or 0,
        tasks=tuple(both["tasks"]),
        about=both["about"],
        quirks=tuple(family["quirks"]),
        unsure=frozenset(unsure),
        checked=bool(both.get("checked", False)),
        server_class=bool(both.get("server_class", False)),
    )
    _check(entry)
    return entry


def _check(entry: CatalogueEntry) -> None:
    """What must hold for every entry. Raises CatalogueFault."""
    bits = entry.file_bytes * 8 / entry.params if entry.params else None
    faults = {
        "no tasks, or unknown ones": not entry.tasks or not set(entry.tasks) <= set(TASKS),
        "an unknown quant": entry.quant not in BITS_PER_WEIGHT,
        "a repo that is no repo": bool(entry.repo) and not _REPO.fullmatch(entry.repo),
        "an unknown field in unsure": not entry.unsure <= _UNSURE,
        "numbers below zero": min(entry.params, entry.file_bytes, entry.context_length) < 0,
        "more active parameters than it has": bool(entry.params and (entry.active_params or 0) > entry.params),
        "a size no such file has": bits is not None and not 2 <= bits <= 20 and not entry.unsure & {"params", "bytes"},
        "no licence, and is sure of it": not entry.licence and "licence" not in entry.unsure,
        "no repo, and is sure of it": not entry.repo and "repo" not in entry.unsure,
        "no parameters, and is sure of it": not entry.params and "params" not in entry.unsure,
        "no context, and is sure of it": not entry.context_length and "context" not in entry.unsure,
        "no sentence about it": not entry.about.endswith("."),
        "quirks that are no sentences": not all(quirk.endswith(".") for quirk in entry.quirks),
        "been checked and is unsure": entry.checked and bool(entry.unsure),
    }
    if wrong := [fault for fault, found in faults.items() if found]:
        raise CatalogueFault(f"{entry.name} has {' and '.join(wrong)}")


def _keys(row: Any, needed: Mapping[str, Any], allowed: Any) -> None:
    """Check names and kinds of the fields. Raises CatalogueFault."""
    if not isinstance(row, dict):
        raise CatalogueFault(f"{row!r} is no object")
    name = row.get("name", row)
    if missing := needed.keys() - row.keys():
        raise CatalogueFault(f"{name} lacks {', '.join(sorted(missing))}")
    if strange := row.keys() - needed.keys() - set(allowed):
        raise CatalogueFault(f"{name} has the unknown {', '.join(sorted(strange))}")
    kinds: dict[str, Any] = {**_FAMILY_KEYS, **_MODEL_KEYS, **_OPTIONAL_KEYS, "active_params": int}
    for key, value in row.items():
        if not isinstance(value, kinds[key]) or (isinstance(value, bool) and kinds[key] is not bool):
            raise CatalogueFault(f"{name} has a wrong {key}: {value!r}")
        if isinstance(value, list) and key != "models" and not all(isinstance(one, str) for one in value):
            raise CatalogueFault(f"{name} has a wrong {key}: {value!r}")
