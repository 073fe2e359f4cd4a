"""LoRA adapters in a request: from our ids and scales to the numbers by which a running child knows them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from engine.errors import BadOption
from engine.model_options import AdapterUse
from engine.types import LoadedAdapter

FIELD = "lora"  # of a request: [{"id": "poems", "scale": 0.5}], at the port as in chats


def with_adapters(payload: Mapping[str, Any], loaded: Sequence[LoadedAdapter], model_id: str) -> dict[str, Any]:
    """The payload with `lora` in llama-server's numbers: the position of each adapter on its command line.

    Without the field the adapters' own scales hold; with it those that are not named are switched off. Raises BadOption
    for one that is not loaded. Source: parse_lora_request and construct_lora_list in llama.cpp tools/server.
    """
    made = {name: value for name, value in payload.items() if name != FIELD}
    wanted: Sequence[Mapping[str, Any]] | None = payload.get(FIELD)
    if wanted is None:
        scales = {adapter.id: adapter.scale for adapter in loaded}
    else:
        scales = {str(one["id"]): float(one.get("scale", 1.0)) for one in wanted}
        _require_loaded(scales, loaded, model_id)
    if loaded:
        made[FIELD] = [{"id": number, "scale": scales.get(adapter.id, 0.0)} for number, adapter in enumerate(loaded)]
    return made


def with_scales(loaded: Sequence[LoadedAdapter], uses: Sequence[AdapterUse]) -> tuple[LoadedAdapter, ...]:
    """The loaded adapters with the scales that hold from now on; one that is no longer wanted is switched off."""
    scales = {use.id: use.scale for use in uses}
    return tuple(replace(adapter, scale=scales.get(adapter.id, 0.0)) for adapter in loaded)


def _require_loaded(scales: Mapping[str, float], loaded: Sequence[LoadedAdapter], model_id: str) -> None:
    here = [adapter.id for adapter in loaded]
    missing = [adapter_id for adapter_id in scales if adapter_id not in here]
    if missing:
        raise BadOption(
            f"The adapter {missing[0]!r} is not loaded with {model_id}; loaded are: {', '.join(here) or 'none'}.",
            option="adapters",
            hint="Attach it to the model first; with scale 0 it stays ready and switched off.",
        )
