"""The options of a model between the wire and the engine."""

from __future__ import annotations

from dataclasses import asdict, replace

from desktop import wire_models as wire
from desktop.service.errors import BadRequest
from engine.model_options import AdapterUse, ModelOptions


def options_row(options: ModelOptions) -> wire.ModelOptions:
    """As the wire has them."""
    return wire.ModelOptions.model_validate(asdict(options))


def options_from(row: wire.ModelOptions) -> ModelOptions:
    """As the engine has them."""
    return changed_options(ModelOptions(), row)


def changed_options(options: ModelOptions, changes: wire.ModelOptions) -> ModelOptions:
    """`options` with the fields that are set in `changes`; null takes a choice back."""
    values = {name: getattr(changes, name) for name in changes.model_fields_set}
    if values.get("adapters") is not None:
        values["adapters"] = tuple(AdapterUse(use.id, use.scale) for use in changes.adapters or ())
    return replace(options, **values)


def options_of_query(query: dict[str, str]) -> ModelOptions:
    """From the query of a GET, where every value is a text. Raises BadRequest."""
    values: dict[str, str | int] = {}
    for name, text in query.items():
        if name in ("cache_type_k", "cache_type_v"):
            values[name] = text
        elif not (text.isascii() and text.isdigit() and len(text) < 10):
            raise BadRequest("bad_request", f"{name} must be a whole number.")
        else:
            values[name] = int(text)
    return ModelOptions(**values)  # type: ignore[arg-type]
