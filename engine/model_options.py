"""What the user chose for one model: context, cache, slots, offload, draft model, adapters. Remembered by model id.

The choices outlive the model: one that is removed and fetched again is loaded as before. What a choice names may be
gone by then (a draft model, an adapter); whoever loads looks it up and says so.
"""

from __future__ import annotations

import json
import logging
import math
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from engine.errors import BadOption
from engine.types import CACHE_TYPES
from models.database import Database, Migration

log = logging.getLogger(__name__)

MODEL_OPTIONS_MIGRATION = Migration(
    6,
    "model_options",
    "CREATE TABLE model_options (model_id TEXT PRIMARY KEY, options TEXT NOT NULL, changed_at REAL NOT NULL) STRICT;",
)

MOST_ADAPTERS = 8
# Least and most of each number; the same limits as at the control socket.
LIMITS: Mapping[str, tuple[int, int]] = {
    "context": (256, 10_000_000),
    "slots": (1, 64),
    "gpu_layers": (0, 10_000),
    "cpu_expert_layers": (0, 10_000),
}
SCALE_LIMITS = (-10.0, 10.0)
_MOST_CHARACTERS = 200  # of an id


@dataclass(frozen=True, slots=True)
class AdapterUse:
    """A LoRA adapter by its id, with the strength it is applied with; 0 keeps it loaded and switched off."""

    id: str
    scale: float = 1.0


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """What the user chose for one model; None leaves the choice to the fit.

    `context` is tokens per slot. `cpu_expert_layers` is how many layers keep their experts in main memory.
    `draft_model` is the id of a small model of the same vocabulary, "" for none. `projector` False leaves the picture
    part out where there is one. `adapters` () means none.
    """

    context: int | None = None
    slots: int | None = None
    cache_type_k: str | None = None
    cache_type_v: str | None = None
    gpu_layers: int | None = None
    cpu_expert_layers: int | None = None
    draft_model: str | None = None
    projector: bool | None = None
    adapters: tuple[AdapterUse, ...] | None = None


class OptionsStore:
    """The options of all models, in jackdaw.db; `clock` gives seconds since 1970."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    async def get(self, model_id: str) -> ModelOptions:
        """The model's options; all None when nothing was chosen. A field that cannot be read counts as not chosen."""
        return (await self._database.read(_select_all)).get(model_id, ModelOptions())

    async def all(self) -> dict[str, ModelOptions]:
        """Options by model id, of the models that have any."""
        return await self._database.read(_select_all)

    async def set(self, model_id: str, options: ModelOptions) -> ModelOptions:
        """Keep the options from now on; those that choose nothing are forgotten. Raises BadOption, keeping the old."""
        check_options(options, model_id)
        text = json.dumps(_chosen(options))

        def store(connection: sqlite3.Connection) -> None:
            if options == ModelOptions():
                connection.execute("DELETE FROM model_options WHERE model_id = ?", (model_id,))
                return
            connection.execute(
                "INSERT INTO model_options VALUES (?, ?, ?)"
                " ON CONFLICT (model_id) DO UPDATE SET options = excluded.options, changed_at = excluded.changed_at",
                (model_id, text, self._clock()),
            )

        await self._database.write(store)
        return options

    async def forget(self, model_id: str) -> None:
        """Back to what the fit chooses. Unknown ids are fine."""
        await self.set(model_id, ModelOptions())

    async def without_adapter(self, adapter_id: str) -> tuple[str, ...]:
        """Take an adapter that is deleted out of every model's options; returns the ids of the models changed."""
        changed = []
        for model_id, options in (await self.all()).items():
            if any(use.id == adapter_id for use in options.adapters or ()):
                kept = tuple(use for use in options.adapters or () if use.id != adapter_id)
                await self.set(model_id, replace(options, adapters=kept or None))
                changed.append(model_id)
        return tuple(changed)


def check_options(options: ModelOptions, model_id: str = "") -> None:
    """Raise BadOption for a number out of its limits, an unknown cache type, or a model that drafts for itself."""
    for name, (least, most) in LIMITS.items():
        value = getattr(options, name)
        if value is not None and not least <= value <= most:
            raise BadOption(f"{name} must be from {least} to {most}, not {value}.", option=name)
    for name in ("cache_type_k", "cache_type_v"):
        value = getattr(options, name)
        if value is not None and value not in CACHE_TYPES:
            raise BadOption(f"{name} must be one of {', '.join(CACHE_TYPES)}, not {value!r}.", option=name)
    if options.draft_model and options.draft_model == model_id:
        raise BadOption("A model cannot draft for itself.", option="draft_model", hint="Choose a smaller model.")
    _check_adapters(options.adapters or ())


def needs_reload(loaded: ModelOptions, chosen: ModelOptions) -> bool:
    """Whether a model must be loaded anew for other options: scales of the same adapters change while it runs."""

    def without_scales(options: ModelOptions) -> ModelOptions:
        return replace(options, adapters=tuple(AdapterUse(use.id) for use in options.adapters or ()))

    return without_scales(loaded) != without_scales(chosen)


def options_of(values: Mapping[str, Any]) -> ModelOptions:
    """Options from stored JSON: what is not known or not of its type counts as not chosen, and is logged."""
    chosen: dict[str, Any] = {}
    for name in (field.name for field in fields(ModelOptions)):
        value = values.get(name)
        if value is None:
            continue
        try:
            read = _read_field(name, value)
            check_options(replace(ModelOptions(), **{name: read}))
        except (BadOption, TypeError, ValueError, KeyError, AttributeError) as error:
            log.warning("The stored model option %s is passed over: %s", name, error)
        else:
            chosen[name] = read
    return ModelOptions(**chosen)


def _check_adapters(adapters: Iterable[AdapterUse]) -> None:
    uses = tuple(adapters)
    if len(uses) > MOST_ADAPTERS:
        raise BadOption(f"A model takes at most {MOST_ADAPTERS} adapters, not {len(uses)}.", option="adapters")
    if len({use.id for use in uses}) != len(uses):
        raise BadOption("An adapter is named twice.", option="adapters")
    least, most = SCALE_LIMITS
    for use in uses:
        if not use.id or len(use.id) > _MOST_CHARACTERS:
            raise BadOption("An adapter without a proper id is named.", option="adapters")
        if not (math.isfinite(use.scale) and least <= use.scale <= most):
            raise BadOption(f"The scale of {use.id} must be from {least:g} to {most:g}.", option="adapters")


def _chosen(options: ModelOptions) -> dict[str, Any]:
    return {name: value for name, value in asdict(options).items() if value is not None}


def _read_field(name: str, value: Any) -> Any:
    if name in LIMITS:
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError(f"{value!r} is no whole number")
        return value
    if name == "projector":
        if not isinstance(value, bool):
            raise TypeError(f"{value!r} is neither true nor false")
        return value
    if name == "adapters":
        return tuple(AdapterUse(str(item["id"]), float(item.get("scale", 1.0))) for item in value)
    if not isinstance(value, str) or len(value) > _MOST_CHARACTERS:
        raise TypeError(f"{value!r:.80} is no name")
    return value


def _select_all(connection: sqlite3.Connection) -> dict[str, ModelOptions]:
    found = {}
    for model_id, text in connection.execute("SELECT model_id, options FROM model_options ORDER BY model_id"):
        try:
            values = json.loads(text)
        except ValueError:
            values = None
        if not isinstance(values, dict):
            log.warning("The stored options of %s cannot be read; the model is loaded as the fit chooses", model_id)
            continue
        found[model_id] = options_of(values)
    return found
