"""Everything the window can be told to do: one table behind shortcuts, tooltips, the palette and the list of keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from PySide6.QtCore import QObject, Qt
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QWidget

GROUPS = ("Window", "Chat", "Reading", "View")


@dataclass(frozen=True, slots=True)
class Command:
    """`keys` are portable key sequences; the first is shown. Without `run` the keys are handled where the focus is."""

    id: str
    title: str
    group: str
    run: Callable[[], None] | None = None
    keys: tuple[str, ...] = ()
    icon: str = ""
    in_palette: bool = True
    enabled: Callable[[], bool] | None = None

    @property
    def available(self) -> bool:
        return self.run is not None and (self.enabled is None or self.enabled())

    @property
    def shown_keys(self) -> str:
        """The first key sequence as this system writes it, or ""."""
        if not self.keys:
            return ""
        # Qt's name for the key above Shift is "Return"; on the key itself stands Enter.
        native = QKeySequence(self.keys[0]).toString(QKeySequence.SequenceFormat.NativeText)
        return native.replace("Return", "Enter")


class Commands(QObject):
    """The table, and the shortcuts of the window `host`."""

    def __init__(self, host: QWidget) -> None:
        super().__init__(host)
        self._host = host
        self._table: dict[str, Command] = {}
        self._shortcuts: list[QShortcut] = []

    def __iter__(self) -> Iterator[Command]:
        return iter(self._table.values())

    def __getitem__(self, command_id: str) -> Command:
        return self._table[command_id]

    def add(self, *commands: Command) -> None:
        """Take commands into the table and bind their keys; an id or a key taken twice is a mistake of ours."""
        taken = {key for known in self._table.values() if known.run is not None for key in known.keys}
        for command in commands:
            assert command.id not in self._table, command.id
            self._table[command.id] = command
            if command.run is None:
                continue
            for key in command.keys:
                assert key not in taken, key
                taken.add(key)
                self._bind(command, key)

    def run(self, command_id: str) -> None:
        """Do it, if it can be done now."""
        command = self._table[command_id]
        if command.available and command.run is not None:
            command.run()

    def _bind(self, command: Command, key: str) -> None:
        shortcut = QShortcut(QKeySequence(key), self._host)
        shortcut.setContext(Qt.ShortcutContext.WindowShortcut)
        shortcut.activated.connect(lambda: self.run(command.id))
        self._shortcuts.append(shortcut)


def with_keys(text: str, command: Command) -> str:
    """A tooltip that also teaches the keys: "Chats (Ctrl+B)"."""
    return f"{text} ({command.shown_keys})" if command.keys else text
