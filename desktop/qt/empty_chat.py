"""What stands in a chat without messages: the first steps without a model, or that one may begin."""

from __future__ import annotations

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QStackedWidget, QWidget

from desktop.qt.components.button import Button, IconButton
from desktop.qt.components.drop import DropZone
from desktop.qt.components.label import Label
from desktop.qt.components.states import Skeleton
from desktop.qt.rail import Mark
from desktop.qt.surface import column, row
from desktop.qt.theme import Theme

COMMAND = "jackdaw models import FILE"
PAGES = {"loading": 0, "no_model": 1, "ready": 2, "unreachable": 2}
BEGIN = "What are you working on?"
NOT_RUNNING = "Jackdaw's service is not running"
LONG_MS = 2000  # after this long, waiting is explained and can be given up


class EmptyChat(QStackedWidget):
    """`show_state` with a name of PAGES. `dropped`, `choose_asked`, `find_asked` are the ways to a first model."""

    dropped = Signal(list)
    choose_asked = Signal()
    give_up_asked = Signal()
    find_asked = Signal()

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self.state = "loading"
        self.waiting = Label(theme, "", "ui", "text2", wrap=True)
        self.give_up = Button(theme, "Cancel", small=True)
        self._long = QTimer(self, singleShot=True, interval=LONG_MS)
        self._long.timeout.connect(self._explain)
        self.addWidget(self._loading())
        self.addWidget(self._first_run())
        self.headline = Label(theme, BEGIN, "heading")
        self.note = Label(theme, "", "ui", "text2", wrap=True)
        self.addWidget(self._ready())

    def show_state(self, state: str, note: str = "") -> None:
        """`note` says which model will answer, what is to be done, or what is waited for (after two seconds)."""
        self.headline.setText(NOT_RUNNING if state == "unreachable" else BEGIN)
        (self.waiting if state == "loading" else self.note).setText(note)
        if state != "loading":
            self._long.stop()
        elif not self._long.isActive() and not self.waiting.isVisibleTo(self):
            self._long.start()
        if state != self.state:
            self.waiting.hide()
            self.give_up.hide()
        self.state = state
        self.setCurrentIndex(PAGES[state])

    def _explain(self) -> None:
        self.waiting.show()
        self.give_up.show()

    def _loading(self) -> QWidget:
        page = QWidget()
        layout = column(page, margins=(24, 24, 24, 24), gap=12)
        layout.addWidget(Skeleton(self._theme, rows=6))
        layout.addWidget(self.waiting)
        layout.addWidget(self.give_up, 0, Qt.AlignmentFlag.AlignLeft)
        layout.addStretch(1)
        self.give_up.clicked.connect(self.give_up_asked)
        self.waiting.hide()
        self.give_up.hide()
        return page

    def _ready(self) -> QWidget:
        page = QWidget()
        layout = column(page, margins=(24, 24, 24, 24), gap=10)
        layout.addStretch(2)
        layout.addWidget(Mark(self._theme, 44), 0, Qt.AlignmentFlag.AlignHCenter)
        layout.addWidget(self.headline, 0, Qt.AlignmentFlag.AlignHCenter)
        self.note.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        layout.addWidget(self.note)
        layout.addStretch(3)
        return page

    def _first_run(self) -> QWidget:
        page = QWidget()
        layout = column(page, margins=(24, 24, 24, 24), gap=12)
        layout.addStretch(2)
        layout.addWidget(Mark(self._theme, 44), 0, Qt.AlignmentFlag.AlignHCenter)
        layout.addWidget(Label(self._theme, "Jackdaw needs a model", "heading"), 0, Qt.AlignmentFlag.AlignHCenter)
        words = "Give it a GGUF file that is on this computer already. It is used where it lies, nothing is copied."
        text = Label(self._theme, words, "ui", "text2", wrap=True)
        text.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        layout.addWidget(text)
        zone = DropZone(self._theme, "Drop a GGUF file here", "or anywhere in this window", action="Choose a file…")
        zone.dropped.connect(self.dropped)
        zone.choose_clicked.connect(self.choose_asked)
        layout.addWidget(zone)
        find = Button(self._theme, "Find one: to download, or of Ollama and LM Studio", "ghost", icon="compass")
        find.clicked.connect(self.find_asked)
        layout.addWidget(find, 0, Qt.AlignmentFlag.AlignHCenter)
        layout.addWidget(self._command_line(), 0, Qt.AlignmentFlag.AlignHCenter)
        layout.addStretch(3)
        return page

    def _command_line(self) -> QWidget:
        line = QWidget()
        layout = row(line, gap=8)
        layout.addWidget(Label(self._theme, "From a terminal:", "small", "text3"))
        command = Label(self._theme, COMMAND, "small", "text2", mono=True)
        command.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        layout.addWidget(command)
        copy = IconButton(self._theme, "copy", "Copy the command", size=24, icon_size=14)
        copy.clicked.connect(lambda: QGuiApplication.clipboard().setText(COMMAND))
        layout.addWidget(copy)
        return line
