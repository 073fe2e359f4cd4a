"""Find words in the conversation in view: a field, how many there are, and the way from one to the next."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent

from desktop.qt.components.button import IconButton
from desktop.qt.components.field import SearchField
from desktop.qt.components.label import Label
from desktop.qt.surface import Pane, row
from desktop.qt.theme import Theme
from desktop.qt.transcript.view import TranscriptView


class FindBar(Pane):
    """Hidden until `open_bar`; Enter and Shift+Enter go on and back, Esc closes: `closed`."""

    closed = Signal()

    def __init__(self, theme: Theme, transcript: TranscriptView) -> None:
        super().__init__(theme, "bg_surface", ("bottom",))
        self._transcript = transcript
        self.field = SearchField(theme, "Find in this chat", "Find in this chat")
        self.count = Label(theme, "", "small", "text2")
        self.before = IconButton(theme, "chevron-up", "Match before", keys="Shift+Enter", size=28)
        self.after = IconButton(theme, "chevron-down", "Next match", keys="Enter", size=28)
        self.close_button = IconButton(theme, "x", "Close", keys="Esc", size=28, icon_size=16)
        layout = row(self, margins=(16, 6, 12, 7), gap=6)
        layout.addWidget(self.field, 1)
        for widget in (self.count, self.before, self.after, self.close_button):
            layout.addWidget(widget)
        self.field.textChanged.connect(transcript.find_text)
        self.before.clicked.connect(transcript.find_previous)
        self.after.clicked.connect(transcript.find_next)
        self.close_button.clicked.connect(self.close_bar)
        transcript.found_changed.connect(self._show_count)
        self._show_count(0, -1)
        self.hide()

    def open_bar(self) -> None:
        """Show the bar with its words selected, so that typing replaces them."""
        self.show()
        self.field.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.field.selectAll()
        self._transcript.find_text(self.field.text())

    def close_bar(self) -> None:
        self.hide()
        self._transcript.clear_find()
        self.closed.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape:
            self.close_bar()
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            back = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
            (self._transcript.find_previous if back else self._transcript.find_next)()
        else:
            super().keyPressEvent(event)

    def _show_count(self, count: int, current: int) -> None:
        if not self.field.text():
            self.count.setText("")
        elif not count:
            self.count.setText("Nothing found")
        else:
            self.count.setText(f"{current + 1} of {count}" if current >= 0 else str(count))
        for button in (self.before, self.after):
            button.setEnabled(count > 0)
