"""Names and values below each other, as at the foot of the inspector; a value may be a link or in a tone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QGridLayout, QSizePolicy, QWidget

from desktop.qt.components import paint
from desktop.qt.components.button import Button
from desktop.qt.components.label import ElidedLabel, Label
from desktop.qt.theme import Theme
from desktop.qt.tokens import TARGET_MIN


@dataclass(frozen=True, slots=True)
class Fact:
    """One row. `link` makes the value a button that asks for this address; `tip` is the whole of a short value."""

    name: str
    value: str
    token: str = "text"
    link: str = ""
    tip: str = ""


class LinkButton(Button):
    """Words in the colour of links that are pressed like a button."""

    def __init__(self, theme: Theme, text: str) -> None:
        super().__init__(theme, text, "ghost", small=True)
        self.setCursor(Qt.CursorShape.PointingHandCursor)

    def sizeHint(self) -> QSize:
        words = paint.text_width(self._label, self._theme.font("small", weight=500))
        return QSize(words + 1, self._theme.px(TARGET_MIN))

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = paint.antialiased(QPainter(self))
        font = self._theme.font("small", weight=500)
        font.setUnderline(self.underMouse())
        right = Qt.AlignmentFlag.AlignRight
        paint.text(painter, self.rect(), self._label, font, self._theme.color("link"), align=right)


class Facts(QWidget):
    """Shows rows of facts; rows without a value are left out. `link_asked(url)` leads to the gate of links."""

    link_asked = Signal(str)

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self._shown: list[Fact] = []
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setVerticalSpacing(4)
        self._grid.setHorizontalSpacing(12)
        self._grid.setColumnStretch(1, 1)

    @property
    def shown(self) -> list[Fact]:
        return list(self._shown)

    def show_facts(self, facts: Sequence[Fact]) -> None:
        """Show these instead."""
        kept = [fact for fact in facts if fact.value]
        if kept == self._shown:
            return
        self._shown = kept
        while (item := self._grid.takeAt(0)) is not None:
            if (old := item.widget()) is not None:
                old.hide()
                old.deleteLater()
        for line, fact in enumerate(kept):
            self._grid.addWidget(Label(self._theme, fact.name, "small", "text2"), line, 0)
            self._grid.addWidget(self._value(fact), line, 1, Qt.AlignmentFlag.AlignRight)

    def _value(self, fact: Fact) -> QWidget:
        if fact.link:
            button = LinkButton(self._theme, fact.value)
            button.setToolTip(fact.link)
            button.clicked.connect(lambda: self.link_asked.emit(fact.link))
            return button
        label = ElidedLabel(self._theme, fact.value, "small", fact.token, weight=500)
        label.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        label.setAlignment(Qt.AlignmentFlag.AlignRight)
        if fact.tip:
            label.setAccessibleDescription(fact.tip)
        return label
