"""Which adapters are attached with which strength: the arithmetic behind the rows. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from desktop.wire import AdapterUse
    from desktop.wire_models import Adapter

LOWEST, HIGHEST, STEP = -2.0, 2.0, 0.05
"""What the slider reaches. Values beyond are allowed by the service and kept when they are set elsewhere."""


@dataclass(frozen=True, slots=True)
class AdapterRow:
    """One adapter beside a model: `attached` with `scale`, or left out; `problem` says why it cannot be attached."""

    id: str
    name: str
    detail: str
    attached: bool
    scale: float
    problem: str = ""


def rows_of(adapters: Sequence[Adapter], uses: Sequence[AdapterUse], model_id: str) -> list[AdapterRow]:
    """Those that fit this model first, attached ones before others; the rest with the reason why not."""
    scales = {use.id: use.scale for use in uses}
    rows = [
        AdapterRow(
            one.id,
            one.name or one.id,
            _detail(one),
            one.id in scales,
            scales.get(one.id, 1.0),
            "" if model_id in one.fits_models else "Made for another model.",
        )
        for one in adapters
    ]
    return sorted(rows, key=lambda row: (bool(row.problem), not row.attached, row.name.lower()))


def with_use(uses: Sequence[AdapterUse], adapter_id: str, scale: float | None) -> list[AdapterUse]:
    """The uses with one attached at `scale`, or left out when it is None; the order of the others stays."""
    from desktop.wire import AdapterUse

    if scale is None:
        return [use for use in uses if use.id != adapter_id]
    changed = AdapterUse(id=adapter_id, scale=scale)
    if any(use.id == adapter_id for use in uses):
        return [changed if use.id == adapter_id else use for use in uses]
    return [*uses, changed]


def _detail(one: Adapter) -> str:
    parts = [f"rank {one.rank}" if one.rank else "", one.base_model or one.arch]
    return " · ".join(part for part in parts if part)
