"""LoRA adapters as the wire has them."""

from __future__ import annotations

from collections.abc import Sequence

from desktop import wire_models as wire
from models.adapters.library import Adapter


def adapter_row(adapter: Adapter, fits_models: Sequence[str] = ()) -> wire.Adapter:
    """One adapter with the ids of the models it can be attached to."""
    return wire.Adapter(
        id=adapter.id,
        name=adapter.name,
        path=str(adapter.path),
        arch=adapter.arch,
        bytes=adapter.bytes,
        rank=adapter.rank,
        base_model=adapter.base_model,
        fits_models=list(fits_models),
        added_at=adapter.added_at,
    )
