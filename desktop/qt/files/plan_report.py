"""What a plan says: how many files will be read, and which are left out, by reason, with examples."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QScrollArea, QWidget

from desktop.qt.components.label import ElidedLabel, Label
from desktop.qt.figures import grouped_digits
from desktop.qt.files.words import REASONS, kind_words, plan_words, reason_counts
from desktop.qt.surface import clear, column, make_scroll
from desktop.qt.theme import Theme

if TYPE_CHECKING:
    from desktop.wire_files import Plan

EXAMPLES = 50
HEIGHT = 190


class PlanReport(QScrollArea):
    """Shows a plan; scrolls by itself, as examples may be many."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self.summary = Label(theme, "", "label", wrap=True)
        self._kinds = Label(theme, "", "small", "text2", wrap=True)
        self._left = column(gap=2)
        inside = QWidget()
        layout = column(inside, margins=(0, 0, 12, 0), gap=6)
        layout.addWidget(self.summary)
        layout.addWidget(self._kinds)
        layout.addLayout(self._left)
        layout.addStretch(1)
        make_scroll(self, inside)
        self.setAccessibleName("What will be read and what is left out")
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        theme.changed.connect(self._resized)
        self._resized()

    @property
    def words(self) -> list[str]:
        """Everything it says about what is left out."""
        return [label.text() for label in self.findChildren(Label) if label.text()]

    def show_waiting(self) -> None:
        """The folders are looked through just now."""
        self.summary.setText("Looking through the folders…")
        self._kinds.hide()

    def show_problem(self, sentence: str) -> None:
        self.summary.setText(sentence)
        self._kinds.hide()
        clear(self._left)

    def show_plan(self, plan: Plan) -> None:
        self.summary.setText(plan_words(plan))
        self._kinds.setText(kind_words(plan.kinds))
        self._kinds.setVisible(bool(plan.kinds))
        clear(self._left)
        for words, count in reason_counts(plan.reasons):
            self._left.addWidget(Label(self._theme, f"{grouped_digits(count)} × {words}", "small", "text2"))
        if plan.examples:
            self._left.addSpacing(6)
            self._left.addWidget(Label(self._theme, "Left out, for example", "meta", "text2", weight=600))
            self._left.addWidget(self._examples(plan))

    def _examples(self, plan: Plan) -> QWidget:
        holder = QWidget()
        grid = QGridLayout(holder)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(12)
        grid.setVerticalSpacing(2)
        grid.setColumnStretch(0, 3)
        grid.setColumnStretch(1, 2)
        for line, row in enumerate(plan.examples[:EXAMPLES]):
            reason = row.message or REASONS.get(row.reason, row.reason)
            grid.addWidget(ElidedLabel(self._theme, row.path, "small"), line, 0)
            grid.addWidget(ElidedLabel(self._theme, reason, "small", "text2"), line, 1)
        return holder

    def _resized(self) -> None:
        self.setFixedHeight(self._theme.px(HEIGHT))
