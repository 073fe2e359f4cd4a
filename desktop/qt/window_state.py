"""What the window remembers between two starts: worth keeping, never worth an error."""

from __future__ import annotations

import json
import logging
import os
import tempfile
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)
MAX_BYTES = 64 * 1024


@dataclass(slots=True)
class WindowState:
    """Sizes in device-independent pixels; `x` and `y` None lets the system place the window."""

    x: int | None = None
    y: int | None = None
    width: int = 1440
    height: int = 900
    maximized: bool = False
    list_open: bool = True
    inspector_open: bool = True
    inspector_tab: str = "parameters"
    marks_unsupported: bool = False
    chat_id: str = ""
    model_id: str = ""
    # A copy of the setting, so that the first paint has the right colours before the service answers.
    theme: str = "system"
    zoom: int = 100


def load_window_state(path: Path) -> WindowState:
    """The saved state, or the defaults for whatever is missing, damaged or of the wrong type."""
    try:
        with path.open("rb") as file:
            raw = json.loads(file.read(MAX_BYTES))
    except (OSError, ValueError):
        return WindowState()
    state = WindowState()
    if not isinstance(raw, dict):
        return state
    for entry in fields(WindowState):
        value = raw.get(entry.name)
        if _fits(value, getattr(state, entry.name)):
            setattr(state, entry.name, value)
    return state


def save_window_state(path: Path, state: WindowState) -> None:
    """Write beside the old file, then rename: a crash leaves the old state. Owner-only (mkstemp makes it 0600)."""
    try:
        handle, name = tempfile.mkstemp(prefix=".window-", dir=path.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(asdict(state), file)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except OSError as error:
        log.info("the window's state was not saved: %s", error)


def _fits(value: Any, default: Any) -> bool:
    if default is None or (isinstance(default, int) and not isinstance(default, bool)):
        return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 100_000
    return isinstance(value, type(default))
