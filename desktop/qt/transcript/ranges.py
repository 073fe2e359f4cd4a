"""What is selected and what the search found, shown on the text of one editor: prose and code alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PySide6.QtGui import QTextCursor
from PySide6.QtWidgets import QPlainTextEdit, QTextEdit

from desktop.qt.theme import Theme
from desktop.qt.transcript.piece_widget import FoundRange


class ShownRanges:
    """Extra selections of `editor`; offsets are positions in its document, those past its end are cut to it."""

    def __init__(self, theme: Theme, editor: QPlainTextEdit | QTextEdit) -> None:
        self._theme = theme
        self._editor = editor
        self._selected = (0, 0)
        self._found: tuple[FoundRange, ...] = ()

    def forget(self) -> None:
        """Know of nothing any more; what is drawn goes with the text that is about to be replaced."""
        self._selected, self._found = (0, 0), ()

    def select(self, start: int, end: int) -> None:
        if self._selected != (start, end):
            self._selected = (start, end)
            self.show()

    def mark(self, ranges: Sequence[FoundRange]) -> None:
        if self._found != tuple(ranges):
            self._found = tuple(ranges)
            self.show()

    def show(self) -> None:
        """Draw all of them, in the theme's colours of now."""
        made = [(r.start, r.end, "selection" if r.current else "warning_subtle") for r in self._found]
        if self._selected[0] < self._selected[1]:
            made.append((*self._selected, "selection"))
        last = self._editor.document().characterCount() - 1
        extras = []
        for start, end, token in made:
            extra: Any = QTextEdit.ExtraSelection()
            extra.cursor = QTextCursor(self._editor.document())
            extra.cursor.setPosition(min(start, last))
            extra.cursor.setPosition(min(end, last), QTextCursor.MoveMode.KeepAnchor)
            extra.format.setBackground(self._theme.color(token))
            extras.append(extra)
        self._editor.setExtraSelections(extras)
