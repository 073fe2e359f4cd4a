"""Saved checks: questions whose passages were right once, whether they still are, and the way to forget them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QWidget

from desktop.qt.bridge import Bridge, Failure
from desktop.qt.components.button import Button, IconButton
from desktop.qt.components.label import ElidedLabel, Label
from desktop.qt.components.states import IconSpot
from desktop.qt.surface import clear, column, row
from desktop.qt.theme import Theme

if TYPE_CHECKING:
    from desktop.wire_files import Check

STATES = {None: ("clock", "text3", "not run yet"), True: ("circle-check", "success", "holds")}
BROKEN = ("triangle-alert", "warning", "does not hold")


class ChecksBox(QWidget):
    """Hidden while there is none. `ask` reads them anew."""

    def __init__(self, theme: Theme, bridge: Bridge) -> None:
        super().__init__()
        self._theme = theme
        self._bridge = bridge
        self.checks: list[Check] = []
        self.run = Button(theme, "Run all", icon="play", small=True)
        self.problem = Label(theme, "", "small", "danger", wrap=True)
        self._rows = column(gap=6)
        layout = column(self, gap=8)
        head = row(gap=8)
        head.addWidget(Label(theme, "Checks", "label"), 1)
        head.addWidget(self.run)
        layout.addLayout(head)
        layout.addWidget(self.problem)
        layout.addLayout(self._rows)
        self.problem.hide()
        self.hide()
        self.run.clicked.connect(self._run)

    def ask(self) -> None:
        """Read them anew."""
        self._call(lambda client: client.checks(), self._came)

    def _run(self) -> None:
        self.run.setEnabled(False)
        self._call(lambda client: client.run_checks(), self._came)

    def _forget(self, check: Check) -> None:
        self._call(lambda client: client.remove_check(check.id), lambda _nothing: self.ask())

    def _call(self, work: Callable[[Any], Any], done: Callable[[Any], None]) -> None:
        self._bridge.call(work, done, self._failed, owner=self)

    def _came(self, checks: list[Check]) -> None:
        self.checks = checks
        self.run.setEnabled(True)
        self.problem.hide()
        clear(self._rows)
        for check in checks:
            self._rows.addWidget(self._row(check))
        self.setVisible(bool(checks))

    def _failed(self, failure: Failure) -> None:
        self.run.setEnabled(True)
        self.problem.setText(" ".join(part for part in (failure.message, failure.hint) if part))
        self.problem.show()
        self.show()

    def _row(self, check: Check) -> QWidget:
        icon, token, state = STATES.get(check.passed, BROKEN)
        holder = QWidget()
        layout = row(holder, gap=10)
        layout.addWidget(IconSpot(self._theme, icon, token, 16), 0, Qt.AlignmentFlag.AlignTop)
        words = column(gap=0)
        words.addWidget(ElidedLabel(self._theme, check.name or check.query))
        about = ": ".join(part for part in (f"{check.collection}, {state}", check.message) if part)
        words.addWidget(Label(self._theme, about, "small", "text2", wrap=True))
        layout.addLayout(words, 1)
        remove = IconButton(self._theme, "x", f"Forget the check {check.name or check.query}", size=28, icon_size=16)
        remove.clicked.connect(partial(self._forget, check))
        layout.addWidget(remove)
        return holder
