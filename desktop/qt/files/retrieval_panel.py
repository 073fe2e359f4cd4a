"""Test retrieval: what would be read for a question, shown as it would be given to a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QStackedWidget, QWidget

from desktop.qt.bridge import Bridge
from desktop.qt.components.button import Button
from desktop.qt.components.field import SearchField
from desktop.qt.components.label import Label
from desktop.qt.components.notice import Notice
from desktop.qt.components.states import EmptyState, Skeleton
from desktop.qt.components.toggle import Toggle
from desktop.qt.figures import grouped_digits
from desktop.qt.files.retrieval import Retrieval, Wish
from desktop.qt.files.source_list import SourceList
from desktop.qt.surface import Pane, column, row
from desktop.qt.theme import Theme
from desktop.qt.tokens import INSPECTOR

if TYPE_CHECKING:
    from desktop.wire_files import SearchAnswer

NOTHING_ASKED = "Type a question, an identifier or an error message."


class RetrievalPanel(Pane):
    """`why_asked(Wish)`, `preview_asked(SearchResult)`, `open_asked(SearchResult)`."""

    why_asked = Signal(object)
    preview_asked = Signal(object)
    open_asked = Signal(object)

    def __init__(self, theme: Theme, bridge: Bridge) -> None:
        super().__init__(theme, "bg_list", ("left",))
        self.setAccessibleName("Test retrieval")
        self.retrieval = Retrieval(bridge)
        self._collection = ""
        self.field = SearchField(theme, "Search the files", "how is streaming flushed?")
        self.count = Label(theme, "", "small", "text2", weight=500)
        self.hybrid = Toggle(theme, "Hybrid")
        self.hybrid.setChecked(True)
        self.hybrid.setToolTip("By words and by meaning, weighted by what the query looks like. Off: by meaning alone")
        self.why = Button(theme, "Why these?", "ghost", icon="info", small=True)
        self.note = Label(theme, "", "small", "text2", wrap=True)
        self.problem = Notice(theme, "error", "", narrow=True)
        self.results = SourceList(theme, "Results")
        self.empty = EmptyState(theme, NOTHING_ASKED, icon="search")
        self._skeleton = Skeleton(theme, rows=6)
        self._stack = QStackedWidget()
        self._lay_out()
        self._connect()
        self._show()

    def show_collection(self, name: str) -> None:
        """Search there from now on; what is asked is asked there again."""
        if name != self._collection:
            self._collection = name
            self._want(at_once=True)

    def look_again(self) -> None:
        """The index changed: the results in view may not be those of now."""
        if self.retrieval.answer is not None and not self.retrieval.busy:
            self.retrieval.search()

    def ask(self, words: str) -> None:
        """Put a query into the field and search at once."""
        self.field.setText(words)
        self._want(at_once=True)

    def first_focus(self) -> QWidget:
        return self.field

    @property
    def wish(self) -> Wish:
        return Wish(self.field.text().strip(), self._collection, self.hybrid.isChecked())

    def _want(self, *, at_once: bool = False) -> None:
        self.retrieval.want(self.wish, at_once=at_once)

    def _show(self) -> None:
        retrieval, answer = self.retrieval, self.retrieval.answer
        self.problem.setVisible(retrieval.failure is not None)
        if retrieval.failure is not None:
            self.problem.show_message("error", retrieval.failure.message, hint=retrieval.failure.hint, action="Retry")
        found = answer.results if answer is not None else []
        self.count.setText(count_words(answer) if answer is not None else "")
        self.note.setText(note_words(answer) if answer is not None else "")
        self.note.setVisible(bool(self.note.text()))
        self.why.setVisible(bool(found))
        self.results.show_found([(number, one, True) for number, one in enumerate(found, 1)])
        if found:
            self._stack.setCurrentWidget(self.results)
        elif retrieval.busy and answer is None and retrieval.failure is None:
            self._stack.setCurrentWidget(self._skeleton)
        else:
            self.empty.set_sentence("Nothing was found." if answer is not None else NOTHING_ASKED)
            self.empty.setVisible(retrieval.failure is None)
            self._stack.setCurrentWidget(self.empty)

    def _entered(self) -> None:
        """Enter searches at once; when that was done already it goes to the first result."""
        if self.retrieval.answer is not None and not self.retrieval.busy and self.retrieval.shown == self.wish:
            self._to_results()
        else:
            self._want(at_once=True)

    def _to_results(self) -> None:
        if self.results.cards:
            self.results.choose(self.results.cards[0].number, focus=True)

    def _connect(self) -> None:
        self.field.textChanged.connect(lambda _text: self._want())
        self.field.returnPressed.connect(self._entered)
        self.field.move_requested.connect(lambda step: self._to_results() if step > 0 else None)
        self.hybrid.toggled.connect(lambda _on: self._want(at_once=True))
        self.why.clicked.connect(lambda: self.why_asked.emit(self.retrieval.shown))
        self.problem.action_clicked.connect(self.retrieval.search)
        self.retrieval.changed.connect(self._show)
        self.results.preview_asked.connect(self.preview_asked)
        self.results.open_asked.connect(self.open_asked)

    def _lay_out(self) -> None:
        layout = column(self, margins=(1, 0, 0, 0))
        head = column(margins=(16, 15, 16, 8), gap=6)
        head.addWidget(Label(self.theme, "Test retrieval", "title"))
        head.addWidget(Label(self.theme, "What the assistant would read for a question.", "small", "text2", wrap=True))
        head.addSpacing(2)
        head.addWidget(self.field)
        line = row(gap=8)
        line.addWidget(self.count, 1)
        line.addWidget(self.hybrid, 0, Qt.AlignmentFlag.AlignRight)
        head.addLayout(line)
        head.addWidget(self.note)
        head.addWidget(self.problem)
        layout.addLayout(head)
        for page in (self.results, self.empty, self._skeleton):
            self._stack.addWidget(page)
        layout.addWidget(self._stack, 1)
        foot = row(margins=(12, 4, 12, 8))
        foot.addWidget(self.why)
        foot.addStretch(1)
        layout.addLayout(foot)
        self.theme.changed.connect(self._resized)
        self._resized()

    def _resized(self) -> None:
        self.setFixedWidth(self.theme.px(INSPECTOR))


def count_words(answer: SearchAnswer) -> str:
    """ "3 results, 16 ms"."""
    count = len(answer.results)
    took = f"{answer.took_ms:.0f} ms" if answer.took_ms >= 1 else "under 1 ms"
    return f"{grouped_digits(count)} result{'s' if count != 1 else ''}, {took}"


def note_words(answer: SearchAnswer) -> str:
    """What has to be known of the results."""
    parts = [answer.note, "" if answer.complete else "The index is still being built: more may be found later."]
    return " ".join(part for part in parts if part)
