"""The inspector's Sources: what the answer in view was given to read, each with its decisive lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QStackedWidget, QWidget

from desktop.qt.components.label import Label
from desktop.qt.components.toggle import Toggle
from desktop.qt.figures import grouped_digits
from desktop.qt.files.evidence import Evidence
from desktop.qt.files.source_list import SourceList
from desktop.qt.surface import column, row
from desktop.qt.theme import Theme

if TYPE_CHECKING:
    from desktop.wire import Message
    from desktop.wire_files import Why

NO_ANSWER = "Sources of an answer appear here. Ask a collection with @, or attach a file with +."
NOT_ASKED = "This answer was written without files."


class SourcesTab(QWidget):
    """`preview_asked(Source)`, `open_asked(Source)`; `marks_changed(on)` for sentences without support."""

    preview_asked = Signal(object)
    open_asked = Signal(object)
    marks_changed = Signal(bool)

    def __init__(self, theme: Theme, evidence: Evidence) -> None:
        super().__init__()
        self._evidence = evidence
        self.summary = Label(theme, "", "small", "text2", wrap=True)
        self.note = Label(theme, "", "small", "text2", wrap=True)
        self.list = SourceList(theme, "Sources")
        self._none = Label(theme, NO_ANSWER, "small", "text3", wrap=True)
        self.marks = Toggle(theme, "Mark what no source carries")
        self._marks_line = QWidget()
        self._stack = QStackedWidget()
        layout = column(self)
        head = column(margins=(16, 0, 16, 6), gap=2)
        head.addWidget(self.summary)
        head.addWidget(self.note)
        layout.addLayout(head)
        none = QWidget()
        words = column(none, margins=(16, 0, 16, 0))
        words.addWidget(self._none)
        words.addStretch(1)
        self._stack.addWidget(none)
        self._stack.addWidget(self.list)
        layout.addWidget(self._stack, 1)
        foot = row(self._marks_line, margins=(16, 6, 16, 8))
        foot.addWidget(self.marks)
        foot.addStretch(1)
        layout.addWidget(self._marks_line)
        self.list.preview_asked.connect(self.preview_asked)
        self.list.open_asked.connect(self.open_asked)
        self.marks.toggled.connect(self.marks_changed)
        evidence.changed.connect(self._show)
        self._show()

    def choose(self, number: int) -> bool:
        """Go to the card of a source; False when there is none."""
        return self.list.choose(number)

    def first_focus(self) -> QWidget | None:
        return self.list.cards[0] if self.list.cards else None

    def _show(self) -> None:
        message = self._evidence.message
        sources = message.sources if message is not None else []
        self.summary.setText(summary_words(message, self._evidence.why) if message is not None else "")
        self.summary.setVisible(bool(self.summary.text()))
        self.note.setText(message.files_note if message is not None else "")
        self.note.setVisible(bool(self.note.text()))
        self._none.setText("" if self.note.text() else NO_ANSWER if message is None else NOT_ASKED)
        self.list.show_found([(source.number, source, source.cited) for source in sources])
        self._stack.setCurrentIndex(1 if sources else 0)
        self._marks_line.setVisible(bool(message is not None and message.support))


def summary_words(message: Message, why: Why | None) -> str:
    """ "3 of 61 candidates, 2 cited, 18 ms, hybrid search"."""
    sources = message.sources
    if not sources:
        return ""
    cited = sum(source.cited for source in sources)
    count = len(sources)
    given = f"{grouped_digits(count)} passage{'s' if count != 1 else ''}"
    if why is not None and why.candidates:
        given = f"{grouped_digits(count)} of {grouped_digits(len(why.candidates))} candidates"
    parts = [given, f"{cited or 'none'} cited" if message.state != "streaming" else ""]
    if why is not None and why.stages:
        parts.append(f"{sum(stage.took_ms for stage in why.stages):.0f} ms")
        parts.append(f"{why.mode} search" if why.mode and " " not in why.mode else why.mode)
    return ", ".join(part for part in parts if part)
