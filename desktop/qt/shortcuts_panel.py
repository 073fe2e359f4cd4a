"""All keys at a glance (F1), made from the table of commands."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QWidget

from desktop.qt.commands import GROUPS, Commands
from desktop.qt.components.button import IconButton
from desktop.qt.components.chip import Chip
from desktop.qt.components.label import Label
from desktop.qt.overlay import Overlay
from desktop.qt.surface import Line, column, row
from desktop.qt.theme import Theme

WIDTH = 760
COLUMNS = 2


class ShortcutsPanel(Overlay):
    """Two columns of keys, in groups."""

    def __init__(self, theme: Theme, host: QWidget, commands: Commands) -> None:
        super().__init__(theme, host, "Keys", dim=True)
        head = row(margins=(20, 14, 12, 10))
        head.addWidget(Label(theme, "Keys", "heading"), 1)
        close = IconButton(theme, "x", "Close", keys="Esc")
        close.clicked.connect(self.close_overlay)
        head.addWidget(close)
        self.panel.content.addLayout(head)
        self.panel.content.addWidget(Line(theme))
        grid = QGridLayout()
        grid.setContentsMargins(20, 14, 20, 20)
        grid.setHorizontalSpacing(32)
        grid.setVerticalSpacing(16)
        for place, name in enumerate(GROUPS):
            group = self._group(name, commands)
            grid.addWidget(group, place // COLUMNS, place % COLUMNS, Qt.AlignmentFlag.AlignTop)
        for side in range(COLUMNS):
            grid.setColumnStretch(side, 1)
        self.panel.content.addLayout(grid)

    def show_keys(self) -> None:
        self.open_centered(WIDTH)

    def _group(self, name: str, commands: Commands) -> QWidget:
        holder = QWidget()
        layout = column(holder, gap=6)
        layout.addWidget(Label(self.theme, name, "small", "text3", weight=600))
        for command in commands:
            if command.group == name and command.keys:
                line = row(gap=8)
                line.addWidget(Label(self.theme, command.title, "ui", "text"), 1)
                line.addWidget(Chip(self.theme, command.shown_keys, mono=True))
                layout.addLayout(line)
        return holder
