"""What of a folder is read: the rules of a collection, to be set before or after it was indexed."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QGridLayout, QWidget

from desktop.qt.components.label import Label
from desktop.qt.components.toggle import Toggle
from desktop.qt.parameters_tab import TextBox
from desktop.qt.surface import column
from desktop.qt.theme import Theme

TOGGLES = (
    ("ignore_files", "Obey .gitignore, .ignore and .jackdawignore", ""),
    ("secrets", "Read files that usually hold keys and passwords", "Off, so that no secret gets into an answer."),
    ("generated", "Read generated and vendored files", "Built and minified files, lock files, node_modules."),
    ("hidden", "Read hidden files", "Files and folders whose names begin with a dot."),
)
DEFAULTS: dict[str, Any] = {
    "include": [],
    "exclude": [],
    "ignore_files": True,
    "secrets": False,
    "generated": False,
    "hidden": False,
    "max_file_mib": 50,
}


class RulesForm(QWidget):
    """`changed` when a rule is another; `rules` are the fields of CollectionRules."""

    changed = Signal()

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self._rules = dict(DEFAULTS)
        self._filling = False
        self.toggles: dict[str, Toggle] = {}
        self.include = TextBox(theme, "Include these patterns", "*.md, docs/** — one per line", lines=2)
        self.exclude = TextBox(theme, "Leave out these patterns", "drafts/, *.bak — one per line", lines=2)
        self._lay_out()
        for box in (self.include, self.exclude):
            box.textChanged.connect(self._edited)

    @property
    def rules(self) -> dict[str, Any]:
        """The rules as they stand now."""
        patterns = {"include": _patterns(self.include), "exclude": _patterns(self.exclude)}
        return {**self._rules, **patterns, **{name: toggle.isChecked() for name, toggle in self.toggles.items()}}

    def show_rules(self, rules: dict[str, Any]) -> None:
        """Fill in these; tells nobody."""
        self._filling = True
        self._rules = {**DEFAULTS, **rules}
        for name, toggle in self.toggles.items():
            toggle.setChecked(bool(self._rules[name]))
        self.include.setPlainText("\n".join(self._rules["include"]))
        self.exclude.setPlainText("\n".join(self._rules["exclude"]))
        self._filling = False

    def _edited(self) -> None:
        if not self._filling:
            self.changed.emit()

    def _lay_out(self) -> None:
        layout = column(self, gap=6)
        grid = QGridLayout()
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setVerticalSpacing(4)
        grid.setColumnStretch(0, 1)
        for line, (name, words, help_text) in enumerate(TOGGLES):
            toggle = Toggle(self._theme, words, show_name=False)
            toggle.setToolTip(help_text or words)
            toggle.toggled.connect(self._edited)
            self.toggles[name] = toggle
            grid.addWidget(Label(self._theme, words, "ui"), line, 0)
            grid.addWidget(toggle, line, 1)
        layout.addLayout(grid)
        patterns = QGridLayout()
        patterns.setContentsMargins(0, 4, 0, 0)
        patterns.setHorizontalSpacing(12)
        patterns.setVerticalSpacing(4)
        for place, (words, box) in enumerate((("Include", self.include), ("Leave out", self.exclude))):
            patterns.addWidget(Label(self._theme, words, "small", "text2"), 0, place)
            patterns.addWidget(box, 1, place)
        layout.addLayout(patterns)


def _patterns(box: TextBox) -> list[str]:
    return [line.strip() for line in box.toPlainText().splitlines() if line.strip()]
