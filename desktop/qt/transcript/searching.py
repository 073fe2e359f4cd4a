"""Searching the transcript: finds in the model, shows in the widgets."""

from __future__ import annotations

from PySide6.QtCore import QTimer, Signal, Slot
from PySide6.QtGui import QHideEvent
from PySide6.QtWidgets import QWidget

from desktop.qt.theme import Theme
from desktop.qt.transcript.area import TranscriptArea
from desktop.qt.transcript.find import Finding, Match
from desktop.qt.transcript.piece_widget import FoundRange
from desktop.qt.transcript.pieces import Thought

SEARCH_S = 0.04
SEARCH_ON_S = 0.008


class SearchingArea(TranscriptArea):
    """Adds the search to the area."""

    found_changed = Signal(int, int)  # matches, index of the current one or -1

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        self._finding: Finding | None = None
        super().__init__(theme, parent)
        self._search = QTimer(self)
        self._search.setInterval(0)
        self._search.timeout.connect(self._search_on)

    def find_text(self, text: str) -> int:
        """Search the whole conversation, upper and lower case alike; returns the matches found in the first 40 ms.

        The search goes on by itself; `found_changed` tells the count. "" ends it. At most 5,000 matches.
        """
        self._search.stop()
        self._finding = Finding(self.rows, text, self.stage.read_all) if text.strip() else None
        if self._finding is not None and self._finding.step(SEARCH_S):
            self._search.start()
        self._found()
        return len(self._finding.matches) if self._finding is not None else 0

    @Slot()
    def _search_on(self) -> None:
        if self._finding is None or not self._finding.step(SEARCH_ON_S):
            self._search.stop()
        self._found()

    def _found(self) -> None:
        count, current = (len(self._finding.matches), self._finding.current) if self._finding else (0, -1)
        self.found_changed.emit(count, current)
        self.stage.show_all_ranges()

    def find_next(self) -> int:
        """Go to the next match; its index, -1 when there is none."""
        return self._go(1)

    def find_previous(self) -> int:
        """Go to the previous match; its index, -1 when there is none."""
        return self._go(-1)

    def clear_find(self) -> None:
        self.find_text("")

    def _go(self, by: int) -> int:
        if self._finding is None:
            return -1
        match = self._finding.move(by, self.rows.at(self._value))
        if match is None:
            return -1
        self._show_match(match)
        self._found()
        return self._finding.current

    def _show_match(self, match: Match) -> None:
        row = self.rows.rows[match.row]
        if isinstance(row.parts[match.part].piece, Thought) and not row.thought_opened:
            row.toggle_thought(True, self.rows.zoom)
            self.rows.changed(match.row)
        third = self.viewport().height() // 3
        self.scroll_to(match.row, match.part, margin=third)
        frame = self.stage.frames.get(match.row)
        widget = frame.widgets.get(match.part) if frame is not None else None
        if widget is not None:
            y = widget.mapTo(self.viewport(), widget.rect_at(match.start).topLeft()).y()
            if not third // 2 < y < 2 * third:
                self.scroll_to(match.row, match.part, offset=widget.rect_at(match.start).top(), margin=third)

    def found_in(self, row: int, part: int) -> list[FoundRange]:
        return self._finding.ranges(row, part) if self._finding is not None else []

    def hideEvent(self, event: QHideEvent) -> None:
        self._search.stop()
        super().hideEvent(event)
