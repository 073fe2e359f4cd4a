"""The inspector's Answer tab: the numbers of the last answer in view, as the service stored them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QSizePolicy, QWidget

from desktop.qt.components.label import ElidedLabel, Label
from desktop.qt.context_gauge import Room
from desktop.qt.figures import grouped_digits, in_seconds, per_second
from desktop.qt.surface import column
from desktop.qt.theme import Theme

if TYPE_CHECKING:
    from desktop.wire import Message

STATES = {
    "complete": "Complete",
    "streaming": "Being written",
    "interrupted": "Interrupted",
    "stopped": "Stopped by you",
    "failed": "Failed",
}
FINISHED = {"stop": "end of the answer", "length": "length limit", "tool_calls": "tool call"}


class DetailsTab(QWidget):
    """Rows of name and value; rows without a value are left out."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self._shown: list[tuple[str, str]] = []
        layout = column(self, margins=(16, 4, 16, 16), gap=8)
        self._nothing = Label(theme, "The numbers of an answer appear here.", "small", "text3", wrap=True)
        layout.addWidget(self._nothing)
        self._grid = QGridLayout()
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setVerticalSpacing(8)
        self._grid.setHorizontalSpacing(12)
        self._grid.setColumnStretch(1, 1)
        layout.addLayout(self._grid)
        layout.addStretch(1)

    def show_answer(self, answer: Message | None, room: Room) -> None:
        """Show this answer and how full the context is now."""
        rows = answer_rows(answer, room) if answer is not None else []
        if rows == self._shown:
            return
        self._shown = rows
        self._nothing.setVisible(not rows)
        while (item := self._grid.takeAt(0)) is not None:
            if (old := item.widget()) is not None:
                old.hide()
                old.deleteLater()
        for line, (name, value) in enumerate(rows):
            self._grid.addWidget(Label(self._theme, name, "ui", "text2"), line, 0)
            label = ElidedLabel(self._theme, value)
            label.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            self._grid.addWidget(label, line, 1)


def answer_rows(answer: Message, room: Room) -> list[tuple[str, str]]:
    """Names and values in reading order; pure."""
    usage = answer.usage
    rows = [
        ("Model", answer.model),
        ("State", STATES[answer.state]),
        ("Written", f"{datetime.fromtimestamp(answer.created_at).astimezone():%d %b %Y, %H:%M}"),
    ]
    if usage is not None:
        cached = f" ({grouped_digits(usage.cached_tokens)} from cache)" if usage.cached_tokens else ""
        rows += [
            ("Prompt", f"{grouped_digits(usage.prompt_tokens)} tokens{cached}" if usage.prompt_tokens else ""),
            ("Answer", f"{grouped_digits(usage.completion_tokens)} tokens" if usage.completion_tokens else ""),
            ("Writing speed", per_second(usage.tokens_per_s)),
            ("Reading speed", per_second(usage.prompt_tokens_per_s)),
            ("First token after", in_seconds(usage.first_token_ms)),
            ("Ended by", FINISHED.get(usage.finish_reason, usage.finish_reason)),
        ]
    rows.append(("Context now", room.in_words() if room.used is not None else ""))
    return [(name, value) for name, value in rows if value]
