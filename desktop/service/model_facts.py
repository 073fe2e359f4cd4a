"""Facts of one model beyond its row, read from its file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from desktop.wire_models import Details
from models.blocks import shares_with
from models.gguf import ArrayInfo
from models.gguf_scan import Value
from models.jail.state import JailState, jail_state
from models.library import LibraryModel
from models.removal import model_files
from models.split_gguf import read_model

MAX_SHOWN = 2_000  # characters of one value; a chat template may have many more


class Jails:
    """How children are locked in here; found out once per run, because it starts a process."""

    def __init__(self) -> None:
        self._state: JailState | None = None

    async def state(self) -> JailState:
        if self._state is None:
            self._state = await jail_state()
        return self._state


def details_row(model: LibraryModel, elsewhere: Sequence[Path], jail: str) -> Details:
    """Reads the header; `elsewhere` are files that may share the model's bytes. Raises BadGguf."""
    header = read_model(model.path)
    own = set(model_files(model))
    others = [path for path in elsewhere if path not in own]
    shared = dict.fromkeys(str(path) for file in own for path in shares_with(file, others))
    return Details(
        id=model.id,
        repo=model.repo,
        commit=model.commit,
        sha256=model.sha256,
        projector=str(model.projector or ""),
        template_sha256=model.template_sha256,
        template_changed=model.template_changed,
        source_model=model.source_model,
        shared_with=list(shared),
        metadata={key: _shown(value) for key, value in header.metadata.items()},
        jail=jail,
    )


def _shown(value: Value) -> str | int | float | bool:
    """A value of the header as JSON; long lists by their length alone."""
    if isinstance(value, ArrayInfo):
        return f"{value.count} values"
    if isinstance(value, str):
        return value if len(value) <= MAX_SHOWN else value[:MAX_SHOWN] + "…"
    return value
