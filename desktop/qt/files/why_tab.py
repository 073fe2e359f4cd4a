"""The inspector's Why: how the question was understood, what the stages took, what was given and what was dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QScrollArea, QWidget

from desktop.qt.components.button import Button
from desktop.qt.components.card import Card
from desktop.qt.components.label import ElidedLabel, Label, plain_tooltip
from desktop.qt.details_tab import DetailsTab
from desktop.qt.files.evidence import Evidence
from desktop.qt.files.why_report import FactGrid, StageList
from desktop.qt.files.why_words import candidate_end, candidate_name, scored, spoken_candidate, why_facts
from desktop.qt.surface import clear, column, make_scroll, row
from desktop.qt.theme import Theme

if TYPE_CHECKING:
    from desktop.wire_files import CandidateRow

MOST = 12
NOTHING = "What led to an answer appears here: its search, its prompt, its numbers."
SHORT = ("Searched for", "Looks like", "Words asked for", "Prompt", "Removed citations")


class WhyTab(QScrollArea):
    """`opened` for the whole of it, over the window."""

    opened = Signal()

    def __init__(self, theme: Theme, evidence: Evidence, details: DetailsTab) -> None:
        super().__init__()
        self._theme = theme
        self._evidence = evidence
        self._nothing = Label(theme, NOTHING, "small", "text3", wrap=True)
        self.facts = FactGrid(theme)
        self.stages = StageList(theme)
        self.candidates = column(gap=6)
        self.open_button = Button(theme, "All of it, and run again", icon="external-link", small=True)
        self._search = QWidget()
        self._lay_out(details)
        self.open_button.clicked.connect(self.opened)
        evidence.changed.connect(self._show)
        self._show()

    def first_focus(self) -> QWidget | None:
        return self.open_button if self.open_button.isVisible() else None

    def _show(self) -> None:
        message, why = self._evidence.message, self._evidence.why
        failure = self._evidence.failure
        self._search.setVisible(why is not None)
        self._nothing.setVisible(message is None or (why is None and failure is not None))
        self._nothing.setText(failure.message if failure is not None else NOTHING)
        if self.isVisible():
            self._evidence.want_why()
        if why is None:
            return
        self.facts.show_facts([(name, value) for name, value in why_facts(why) if name in SHORT])
        self.stages.show_why(why)
        clear(self.candidates)
        for row_ in why.candidates[:MOST]:
            self.candidates.addWidget(self._candidate(row_))

    def _candidate(self, candidate: CandidateRow) -> QWidget:
        card = Card(self._theme, name=spoken_candidate(candidate), clickable=True, padding=8)
        card.content.addWidget(ElidedLabel(self._theme, candidate_name(candidate), "small", weight=500))
        line = row(gap=8)
        given = not candidate.dropped and candidate.final_rank is not None
        token = "accent" if given else "text3"
        end = ElidedLabel(self._theme, candidate_end(candidate), "small", token)
        line.addWidget(end, 1)
        score = candidate.rerank_score if candidate.rerank_score is not None else candidate.fused_score
        line.addWidget(Label(self._theme, scored(None, score), "small", "text2"))
        card.content.addLayout(line)
        card.setToolTip(plain_tooltip(candidate.why))
        card.clicked.connect(self.opened)
        return card

    def showEvent(self, event: object) -> None:
        super().showEvent(event)  # type: ignore[arg-type]
        self._evidence.want_why()

    def _lay_out(self, details: DetailsTab) -> None:
        inside = QWidget()
        layout = column(inside, margins=(0, 0, 0, 8))
        search = column(self._search, margins=(16, 0, 16, 8), gap=10)
        search.addWidget(self.facts)
        search.addWidget(Label(self._theme, "Stages", "label"))
        search.addWidget(self.stages)
        search.addWidget(Label(self._theme, "Candidates", "label"))
        search.addLayout(self.candidates)
        button = row()
        button.addWidget(self.open_button)
        button.addStretch(1)
        search.addLayout(button)
        layout.addWidget(self._search)
        nothing = column(margins=(16, 0, 16, 0))
        nothing.addWidget(self._nothing)
        layout.addLayout(nothing)
        layout.addWidget(details)
        layout.addStretch(1)
        make_scroll(self, inside)
