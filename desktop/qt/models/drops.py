"""What was dropped into the window: files to import, checkpoints to convert, adapters, folders to look through."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QWidget

from desktop.qt.bridge import Bridge
from desktop.qt.components.dialog import Dialog
from desktop.qt.imports import Imports
from desktop.qt.models.job_actions import JobActions
from desktop.qt.theme import Theme

WEIGHTS = (".gguf", ".safetensors")
CONVERT_WORDS = (
    "The weights are read and written as one GGUF file of 16 bits into Jackdaw's folder. "
    "The conversion runs locked in, without network and without code of the model. The folder itself stays as it is."
)


@dataclass(frozen=True, slots=True)
class Dropped:
    """What the paths are, in the order they came."""

    files: list[Path] = field(default_factory=list)
    checkpoints: list[Path] = field(default_factory=list)
    adapters: list[Path] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)


def sort_paths(paths: Iterable[Path]) -> Dropped:
    """Look what each path is. Reads folders, so never on the main thread."""
    dropped = Dropped()
    for path in dict.fromkeys(_whole(path) for path in paths):
        if not path.is_dir():
            dropped.files.append(path)
        elif (path / "adapter_config.json").is_file():
            dropped.adapters.append(path)
        elif (path / "config.json").is_file() and any(path.glob("*.safetensors")):
            dropped.checkpoints.append(path)
        else:
            dropped.folders.append(path)
    return dropped


def _whole(path: Path) -> Path:
    """A safetensors file stands for the folder it is a part of."""
    part = path.suffix.lower() == ".safetensors" and (path.parent / "config.json").is_file()
    return path.parent if part else path


class Drops(QObject):
    """Takes what was dropped or chosen, and starts what follows from it."""

    def __init__(self, theme: Theme, window: QWidget, bridge: Bridge, imports: Imports, jobs: JobActions) -> None:
        super().__init__(window)
        self._theme = theme
        self._window = window
        self._bridge = bridge
        self._imports = imports
        self._jobs = jobs

    def take(self, paths: Iterable[Path]) -> None:
        """Files and folders; a checkpoint is converted only after a word."""
        chosen = list(paths)
        if not any(path.suffix.lower() != ".gguf" for path in chosen):
            self._imports.start(chosen)
            return
        # In the client thread: a folder on a sleeping disk or a network must not hold up the window.
        self._bridge.call(lambda _client: asyncio.to_thread(sort_paths, chosen), self._sorted, owner=self)

    def take_in_chat(self, paths: Iterable[Path], attach: Callable[[list[Path]], None]) -> None:
        """Models, checkpoints and adapters go into the library, all else to `attach`."""
        chosen = list(paths)

        def sort_them(dropped: Dropped) -> None:
            weights = [path for path in dropped.files if path.suffix.lower() in WEIGHTS]
            others = [path for path in chosen if path in dropped.files and path not in weights]
            self._sorted(Dropped(weights, dropped.checkpoints, dropped.adapters))
            if others or dropped.folders:
                attach([*others, *dropped.folders])

        # In the client thread: a folder on a sleeping disk or a network must not hold up the window.
        self._bridge.call(lambda _client: asyncio.to_thread(sort_paths, chosen), sort_them, owner=self)

    def _sorted(self, dropped: Dropped) -> None:
        self._imports.start(dropped.files)
        for path in dropped.adapters:
            self._jobs.start("adapter", {"path": str(path)}, f"Importing {path.name}")
        if dropped.folders:
            folders = [str(path) for path in dropped.folders]
            self._jobs.start("scan", {"folders": folders}, f"Looking through {dropped.folders[0].name}")
        for path in dropped.checkpoints:
            self._offer(path)

    def _offer(self, path: Path) -> None:
        dialog = Dialog(self._theme, f"Convert {path.name} to GGUF?", CONVERT_WORDS, self._window)
        dialog.finished.connect(dialog.deleteLater)
        dialog.add_cancel()
        dialog.add_accept("Convert")
        dialog.accepted.connect(
            lambda: self._jobs.start("convert", {"path": str(path), "out_type": "f16"}, f"Converting {path.name}")
        )
        dialog.open()
