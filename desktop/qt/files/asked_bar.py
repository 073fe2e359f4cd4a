"""What a chat asks: chips of collections and attached files above the field, each with a cross."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QWidget

from desktop.qt.components.chip import RemovableChip, Tone
from desktop.qt.files.flow import Flow
from desktop.qt.files.place_words import name_of
from desktop.qt.files.words import counted, file_icon
from desktop.qt.theme import Theme

if TYPE_CHECKING:
    from desktop.wire import ChatFile


@dataclass(frozen=True, slots=True)
class Asked:
    """One chip: what it stands for (`key` is a name or a path), and what it shows and says."""

    kind: Literal["collection", "file"]
    key: str
    text: str
    tone: Tone
    icon: str
    about: str


class AskedBar(QWidget):
    """Hidden while there is nothing. `collection_removed(name)`, `file_removed(path)`."""

    collection_removed = Signal(str)
    file_removed = Signal(str)

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self._shown: list[Asked] = []
        self.chips: list[RemovableChip] = []
        self._flow = Flow(self)
        self.setAccessibleName("Files that are asked")
        self.hide()

    def show_asked(self, collections: Sequence[str], files: Sequence[ChatFile], missing: Sequence[str] = ()) -> None:
        """Show these; `missing` are collections that are gone."""
        wanted = [_collection(name, gone=name in missing) for name in collections]
        wanted += [_file(file) for file in files]
        if wanted == self._shown:
            return
        focused = next((n for n, chip in enumerate(self.chips) if chip.hasFocus()), -1)
        self._shown = wanted
        self._clear()
        for asked in wanted:
            self.chips.append(self._chip(asked))
        self.setVisible(bool(wanted))
        self.updateGeometry()
        if focused >= 0 and self.chips:
            self.chips[min(focused, len(self.chips) - 1)].setFocus()

    def _chip(self, asked: Asked) -> RemovableChip:
        chip = RemovableChip(self._theme, asked.text, asked.tone, icon=asked.icon, parent=self)
        chip.setAccessibleName(f"{asked.text}: {asked.about}")
        removed = self.collection_removed if asked.kind == "collection" else self.file_removed
        chip.removed.connect(lambda: removed.emit(asked.key))
        self._flow.addWidget(chip)
        chip.show()
        return chip

    def _clear(self) -> None:
        self.chips = []
        while self._flow.count():
            widget = self._flow.takeAt(0).widget()
            if widget is not None:
                widget.hide()
                widget.deleteLater()


def _collection(name: str, *, gone: bool) -> Asked:
    if gone:
        return Asked("collection", name, name, "warning", "triangle-alert", "this collection is gone")
    return Asked("collection", name, name, "accent", "library", "this collection is asked before every answer")


def _file(file: ChatFile) -> Asked:
    state, tone = state_words(file)
    name = name_of(file.path)
    icon = "triangle-alert" if file.state == "failed" else file_icon(file.path)
    return Asked("file", file.path, f"{name} · {state}" if state else name, tone, icon, file.message or file.path)


def state_words(file: ChatFile) -> tuple[str, Tone]:
    """How an attached file stands, and the tone of its chip."""
    match file.state:
        case "waiting" | "reading":
            return "reading…", "neutral"
        case "failed":
            return file.message or "could not be read", "danger"
    if file.whole is None:
        return (counted(file.files, "file"), "outline") if file.files > 1 else ("", "outline")
    return ("given whole" if file.whole else "searched", "outline")
