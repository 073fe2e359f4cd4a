"""How the pages are put together: panes with a line at an edge, layouts without the platform's own spacings."""

from __future__ import annotations

from typing import TypeVar

from PySide6.QtCore import Qt, Slot
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QBoxLayout, QFrame, QHBoxLayout, QScrollArea, QVBoxLayout, QWidget

from desktop.qt.theme import Theme

BareLayout = TypeVar("BareLayout", QVBoxLayout, QHBoxLayout)


class Pane(QWidget):
    """An area with the ground of a token, and a line of one pixel on the sides in `lines`: left, right, top, bottom."""

    def __init__(
        self, theme: Theme, token: str = "bg_surface", lines: tuple[str, ...] = (), parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.theme = theme
        self._token = token
        self._lines = lines
        theme.changed.connect(self.retheme)

    @Slot()
    def retheme(self) -> None:
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(event.rect(), self.theme.color(self._token))
        width, height, color = self.width(), self.height(), self.theme.color("border")
        sides = {
            "left": (0, 0, 1, height),
            "right": (width - 1, 0, 1, height),
            "top": (0, 0, width, 1),
            "bottom": (0, height - 1, width, 1),
        }
        for side in self._lines:
            painter.fillRect(*sides[side], color)


class Line(Pane):
    """A horizontal line of one pixel between areas."""

    def __init__(self, theme: Theme) -> None:
        super().__init__(theme, "border")
        self.setFixedHeight(1)


Margins = tuple[int, int, int, int]
NO_MARGINS: Margins = (0, 0, 0, 0)


def column(parent: QWidget | None = None, *, margins: Margins = NO_MARGINS, gap: int = 0) -> QVBoxLayout:
    """A vertical layout without the platform's own spacings."""
    layout = QVBoxLayout(parent) if parent is not None else QVBoxLayout()
    return _bare(layout, margins, gap)


def row(parent: QWidget | None = None, *, margins: Margins = NO_MARGINS, gap: int = 0) -> QHBoxLayout:
    """A horizontal layout without the platform's own spacings."""
    layout = QHBoxLayout(parent) if parent is not None else QHBoxLayout()
    return _bare(layout, margins, gap)


def make_scroll(area: QScrollArea, inside: QWidget) -> QScrollArea:
    """Let `inside` scroll up and down in `area`, without frame and with the ground of whatever is behind."""
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setWidgetResizable(True)
    area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setWidget(inside)
    # setWidget() makes it fill its ground again.
    inside.setAutoFillBackground(False)
    area.viewport().setAutoFillBackground(False)
    return area


def clear(layout: QBoxLayout) -> None:
    """Take everything out of a layout; the widgets are deleted when control returns to the event loop."""
    while (item := layout.takeAt(0)) is not None:
        if (widget := item.widget()) is not None:
            widget.hide()
            widget.deleteLater()


def _bare(layout: BareLayout, margins: Margins, gap: int) -> BareLayout:
    layout.setContentsMargins(*margins)
    layout.setSpacing(gap)
    return layout
