"""Everything that led to an answer or a search: facts, stages, candidates, the exact prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QGridLayout, QPlainTextEdit, QStackedWidget, QWidget

from desktop.qt.components.label import ElidedLabel, Label
from desktop.qt.components.segmented import Tabs
from desktop.qt.files.candidates import CandidateTable
from desktop.qt.files.passage import Passage
from desktop.qt.files.why_words import prompt_text, stage_name, stage_words, why_facts
from desktop.qt.surface import clear, column, row
from desktop.qt.theme import Theme

if TYPE_CHECKING:
    from desktop.wire_files import CandidateRow, Why

DETAIL_LINES = 7


class FactGrid(QWidget):
    """Names and values under one another."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(14)
        self._grid.setVerticalSpacing(3)
        self._grid.setColumnStretch(1, 1)

    def show_facts(self, facts: list[tuple[str, str]]) -> None:
        while (item := self._grid.takeAt(0)) is not None:
            if (old := item.widget()) is not None:
                old.hide()
                old.deleteLater()
        top = Qt.AlignmentFlag.AlignTop
        for line, (name, value) in enumerate(facts):
            self._grid.addWidget(Label(self._theme, name, "small", "text2"), line, 0, top)
            label = Label(self._theme, value, "small", wrap=True)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            self._grid.addWidget(label, line, 1)


class WhyReport(QWidget):
    """`opened(CandidateRow)` when the passage of a candidate is wanted."""

    opened = Signal(object)

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self.facts = FactGrid(theme)
        self.tabs = Tabs(theme, "What led to it", ["Candidates", "Stages", "Prompt"])
        self.table = CandidateTable(theme)
        self.detail = Passage(theme)
        self.reason = Label(theme, "", "small", "text2", wrap=True)
        self.stages = column(gap=8)
        self.prompt = QPlainTextEdit()
        self.pages = QStackedWidget()
        self._lay_out()
        self.tabs.changed.connect(self.pages.setCurrentIndex)
        self.table.chosen.connect(self._candidate_chosen)
        self.table.opened.connect(self.opened)
        theme.changed.connect(self._restyle)
        self._restyle()

    def show_why(self, why: Why) -> None:
        """Show all of it."""
        self.facts.show_facts(why_facts(why))
        self.table.show_rows(why.candidates)
        self.detail.hide()
        self.reason.setText("" if why.candidates else "Nothing was found that could be given.")
        clear(self.stages)
        for stage in why.stages:
            line = QWidget()
            words = row(line, gap=12)
            name = Label(self._theme, stage_name(stage.name), "ui", weight=500)
            name.setMinimumWidth(self._theme.px(170))
            words.addWidget(name)
            words.addWidget(Label(self._theme, stage_words(stage), "ui", "text2", wrap=True), 1)
            self.stages.addWidget(line)
        self.prompt.setPlainText(prompt_text(why.prompt))
        self.prompt.setPlaceholderText("No model was asked: there is no prompt.")

    def _candidate_chosen(self, candidate: CandidateRow) -> None:
        self.detail.show_text(candidate.text, (0, 0), (), DETAIL_LINES)
        self.detail.setVisible(bool(candidate.text))
        parts = [candidate.path, f"“{candidate.header}”" if candidate.header else "", candidate.why]
        self.reason.setText(" · ".join(part for part in parts if part))

    def _lay_out(self) -> None:
        layout = column(self, gap=12)
        layout.addWidget(self.facts)
        tabs = row()
        tabs.addWidget(self.tabs)
        tabs.addStretch(1)
        layout.addLayout(tabs)
        candidates = QWidget()
        first = column(candidates, gap=8)
        first.addWidget(self.table, 1)
        first.addWidget(self.reason)
        first.addWidget(self.detail)
        stages = QWidget()
        second = column(stages, gap=8)
        second.addLayout(self.stages)
        second.addStretch(1)
        for page in (candidates, stages, self.prompt):
            self.pages.addWidget(page)
        layout.addWidget(self.pages, 1)
        self.prompt.setReadOnly(True)
        self.prompt.setFrameShape(QFrame.Shape.NoFrame)
        self.prompt.setAccessibleName("The exact prompt")
        self.prompt.setTabChangesFocus(True)

    def _restyle(self) -> None:
        self.prompt.setFont(self._theme.font("code"))


class StageList(QWidget):
    """Stages with their time, in a narrow column."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self._column = column(self, gap=4)

    def show_why(self, why: Why) -> None:
        clear(self._column)
        for stage in why.stages:
            line = QWidget()
            words = row(line, gap=8)
            words.addWidget(ElidedLabel(self._theme, stage_name(stage.name), "small"), 1)
            words.addWidget(Label(self._theme, f"{stage.candidates}", "small", "text2"))
            time = Label(self._theme, f"{stage.took_ms:.1f} ms", "small", "text2")
            time.setMinimumWidth(self._theme.px(56))
            time.setAlignment(Qt.AlignmentFlag.AlignRight)
            words.addWidget(time)
            line.setAccessibleName(f"{stage_name(stage.name)}: {stage_words(stage)}")
            self._column.addWidget(line)
