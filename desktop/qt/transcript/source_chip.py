"""A source below an answer: its number, its file's name and where in it; pressed it leads to its card."""

from __future__ import annotations

from PySide6.QtCore import QRect, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from desktop.qt.components import paint
from desktop.qt.components.button import Button
from desktop.qt.components.label import plain_tooltip
from desktop.qt.theme import Theme
from desktop.qt.tokens import BUTTON_SMALL, RADIUS_BUTTON, RADIUS_CHIP
from desktop.qt.transcript.messages import Source

MARK = 18
MOST_TITLE = 220
MOST_DETAIL = 120


class SourceChip(Button):
    """`show_source` gives it what it shows; one is used for many sources, one after the other."""

    def __init__(self, theme: Theme, parent: QWidget) -> None:
        self._source = Source(0, "")
        super().__init__(theme, "", "outline", small=True, parent=parent)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.setCursor(Qt.CursorShape.PointingHandCursor)

    @property
    def source(self) -> Source:
        return self._source

    def show_source(self, source: Source) -> None:
        if source == self._source:
            return
        self._source = source
        name = ", ".join(part for part in (f"Source {source.number}: {source.title}", source.detail) if part)
        self.setAccessibleName(name)
        self.setToolTip(plain_tooltip(source.about))
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        px = self._theme.px
        width = px(6 + MARK + 8) + self._title_width() + px(8)
        if self._source.detail:
            width += px(6) + self._detail_width()
        return QSize(width, px(BUTTON_SMALL))

    def _title_width(self) -> int:
        words = paint.text_width(self._source.title, self._theme.font("small", weight=500))
        return min(words, self._theme.px(MOST_TITLE))

    def _detail_width(self) -> int:
        return min(paint.text_width(self._source.detail, self._theme.font("small")), self._theme.px(MOST_DETAIL))

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = paint.antialiased(QPainter(self))
        theme, px = self._theme, self._theme.px
        ground = "bg_selected" if self.isDown() else "bg_hover" if self.underMouse() else "bg_surface"
        paint.box(painter, self.rect(), px(RADIUS_BUTTON), theme.color(ground), theme.color("border"))
        mark = QRect(px(6), (self.height() - px(MARK)) // 2, px(MARK), px(MARK))
        paint.box(painter, mark, px(RADIUS_CHIP), theme.color("accent_subtle"))
        font, middle = theme.font("meta", weight=600), Qt.AlignmentFlag.AlignHCenter
        paint.text(painter, mark, str(self._source.number), font, theme.color("accent"), align=middle)
        title = QRect(mark.right() + px(8), 0, self._title_width(), self.height())
        paint.text(painter, title, self._source.title, theme.font("small", weight=500), theme.color("text"))
        detail = QRect(title.right() + px(6), 0, self._detail_width(), self.height())
        paint.text(painter, detail, self._source.detail, theme.font("small"), theme.color("text3"))
