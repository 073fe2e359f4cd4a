"""The sheet after a drop: where it goes, what will be read and what is left out, and Start."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import QWidget

from desktop.qt.bridge import Bridge, Call, Failure
from desktop.qt.components.button import Button, IconButton
from desktop.qt.components.field import Field
from desktop.qt.components.label import ElidedLabel, Label
from desktop.qt.components.toggle import Toggle
from desktop.qt.files.known import KnownFiles
from desktop.qt.files.plan_report import PlanReport
from desktop.qt.files.rules_form import DEFAULTS, RulesForm
from desktop.qt.files.words import names_of
from desktop.qt.models.page_view import ChoiceButton
from desktop.qt.overlay import Overlay
from desktop.qt.surface import Line, column, row
from desktop.qt.theme import Theme

if TYPE_CHECKING:
    from desktop.client import Client
    from desktop.wire_files import Collection, Plan

WIDTH = 640
TYPED_MS = 350
NEW = "A new collection"


class PlanSheet(Overlay):
    """Opens with `show_for(paths)`. `new_asked(name, paths, rules, local_only)` or `add_asked(Collection, paths,
    rules)` when Start is pressed."""

    new_asked = Signal(str, list, dict, bool)
    add_asked = Signal(object, list, dict)

    def __init__(self, theme: Theme, host: QWidget, bridge: Bridge, known: KnownFiles) -> None:
        super().__init__(theme, host, "Add to the index", dim=True)
        self._bridge = bridge
        self._known = known
        self._paths: list[Path] = []
        self._choices: list[Collection] = []
        self._call: Call | None = None
        self.plan: Plan | None = None
        self.title = ElidedLabel(theme, "", "heading")
        self._where = ElidedLabel(theme, "", "small", "text2")
        self.target = ChoiceButton(theme, "Goes into", [NEW])
        self.name = Field(theme, "Name of the new collection", "Name")
        self.local_only = Toggle(theme, "Never leaves this computer", show_name=False)
        self._new_only = QWidget()
        self.rules = RulesForm(theme)
        self.report = PlanReport(theme)
        self.problem = Label(theme, "", "small", "danger", wrap=True)
        self.start = Button(theme, "Start", "primary")
        self.cancel = Button(theme, "Cancel")
        self.close_button = IconButton(theme, "x", "Close", keys="Esc")
        self._soon = QTimer(self, singleShot=True, interval=TYPED_MS)
        self._soon.timeout.connect(self._look)
        self._lay_out()
        self._connect()

    def show_for(self, paths: Sequence[Path], into: Collection | None = None) -> None:
        """Ask about these paths; `into` is the collection that is in view."""
        self._paths = list(paths)
        self._choices = [one for one in self._known.collections if not one.problem]
        names = [f"Add to {one.name}" for one in self._choices]
        chosen = next((n for n, one in enumerate(self._choices) if into is not None and one.id == into.id), -1)
        self.target.set_choices([NEW, *names], chosen + 1)
        self.title.setText(f"Index {names_of(str(path) for path in paths)}")
        self._where.setText(", ".join(str(path) for path in paths))
        self.name.setText(self._free_name(paths))
        self.local_only.setChecked(False)
        self.problem.hide()
        self._target_changed()
        self.open_centered(WIDTH)

    def refuse(self, failure: Failure) -> None:
        """The service did not take it: say why, here."""
        self._say(" ".join(part for part in (failure.message, failure.hint) if part))

    @property
    def into(self) -> Collection | None:
        """The collection it goes into, None for a new one."""
        return self._choices[self.target.index - 1] if self.target.index else None

    def focus_first(self) -> QWidget | None:
        return self.start

    def _free_name(self, paths: Sequence[Path]) -> str:
        """The first path's name; with a number when a collection has it already."""
        base = (paths[0].name if paths[0].is_absolute() and paths[0].name else "files")[:70] if paths else "files"
        taken = {one.name.lower() for one in self._known.collections}
        names = (base if number == 1 else f"{base} {number}" for number in range(1, 1000))
        return next(name for name in names if name.lower() not in taken)

    def _target_changed(self) -> None:
        into = self.into
        self._new_only.setVisible(into is None)
        self.rules.show_rules(into.rules.model_dump() if into is not None else DEFAULTS)
        self._look()

    def _look(self) -> None:
        """Ask what would be read, by the rules as they stand."""
        self._soon.stop()
        if self._call is not None:
            self._call.cancel()
        self.plan = None
        self.report.show_waiting()
        paths, rules = [str(path) for path in self._paths], self.rules.rules

        async def work(client: Client) -> Plan:
            from desktop import wire_files

            asked = wire_files.PlanRequest(paths=paths, rules=wire_files.CollectionRules.model_validate(rules))
            return await client.plan_files(asked)

        self._call = self._bridge.call(work, self._came, self._failed, owner=self)

    def _came(self, plan: Plan) -> None:
        self._call, self.plan = None, plan
        self.report.show_plan(plan)

    def _failed(self, failure: Failure) -> None:
        self._call = None
        self.report.show_problem(" ".join(part for part in (failure.message, failure.hint) if part))

    def _start(self) -> None:
        name, into = self.name.text().strip(), self.into
        if into is None and not name:
            self.name.set_error("A collection needs a name.")
            self._say("A collection needs a name.")
            return
        self.name.set_error("")
        paths, rules = list(self._paths), self.rules.rules
        self.close_overlay()
        if into is None:
            self.new_asked.emit(name, paths, rules, self.local_only.isChecked())
        else:
            self.add_asked.emit(into, paths, rules)

    def _say(self, sentence: str) -> None:
        self.problem.setText(sentence)
        self.problem.show()

    def close_overlay(self) -> None:
        self._soon.stop()
        if self._call is not None:
            self._call.cancel()
            self._call = None
        super().close_overlay()

    def _connect(self) -> None:
        self.target.changed.connect(lambda _index: self._target_changed())
        self.rules.changed.connect(self._soon.start)
        self.name.returnPressed.connect(self._start)
        self.start.clicked.connect(self._start)
        self.cancel.clicked.connect(self.close_overlay)
        self.close_button.clicked.connect(self.close_overlay)

    def _lay_out(self) -> None:
        layout = self.panel.content
        head = row(margins=(24, 18, 14, 10), gap=8)
        words = column(gap=2)
        words.addWidget(self.title)
        words.addWidget(self._where)
        head.addLayout(words, 1)
        head.addWidget(self.close_button)
        layout.addLayout(head)
        body = column(margins=(24, 0, 24, 14), gap=12)
        target = row(gap=12)
        target.addWidget(self.target)
        target.addStretch(1)
        body.addLayout(target)
        body.addWidget(self._new_only)
        new = row(self._new_only, gap=12)
        new.addWidget(self.name, 1)
        new.addWidget(Label(self.theme, "Never leaves this computer", "ui", "text2"))
        new.addWidget(self.local_only)
        body.addWidget(self.report)
        body.addWidget(Line(self.theme))
        body.addWidget(self.rules)
        body.addWidget(self.problem)
        layout.addLayout(body)
        layout.addWidget(Line(self.theme))
        foot = row(margins=(24, 12, 24, 12), gap=8)
        foot.addWidget(Label(self.theme, "Nothing leaves this computer.", "small", "text3"), 1)
        foot.addWidget(self.cancel)
        foot.addWidget(self.start)
        layout.addLayout(foot)
