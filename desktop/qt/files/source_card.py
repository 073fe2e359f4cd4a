"""A passage that was found or given to the model: number, file, place, score and the lines that matter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QContextMenuEvent, QGuiApplication, QKeyEvent, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from desktop.qt.components import paint
from desktop.qt.components.button import Button, IconButton
from desktop.qt.components.card import Card
from desktop.qt.components.label import ElidedLabel, plain_tooltip
from desktop.qt.components.menu import Menu
from desktop.qt.files.passage import Passage
from desktop.qt.files.place_words import decisive, detail_words, name_of, spoken_result
from desktop.qt.surface import row
from desktop.qt.theme import Theme
from desktop.qt.tokens import BUTTON_SMALL, RADIUS_CHIP

if TYPE_CHECKING:
    from desktop.wire_files import SearchResult

MARK = 18
BAR = 36
SNIPPET = 6


class NumberMark(QWidget):
    """The number of a source on the ground that citation marks have."""

    def __init__(self, theme: Theme, number: int, *, strong: bool = True) -> None:
        super().__init__()
        self._theme = theme
        self._number = number
        self._strong = strong
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        theme.changed.connect(self.updateGeometry)

    def sizeHint(self) -> QSize:
        words = paint.text_width(str(self._number), self._theme.font("meta", weight=600))
        return QSize(max(self._theme.px(MARK), words + self._theme.px(8)), self._theme.px(MARK))

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = paint.antialiased(QPainter(self))
        color = self._theme.color
        ground, words = ("accent_subtle", "accent") if self._strong else ("bg_chip", "text2")
        paint.box(painter, self.rect(), self._theme.px(RADIUS_CHIP), color(ground))
        font, middle = self._theme.font("meta", weight=600), Qt.AlignmentFlag.AlignHCenter
        paint.text(painter, self.rect(), str(self._number), font, color(words), align=middle)


class ScoreBar(QWidget):
    """ "0.92" and a bar of that length."""

    def __init__(self, theme: Theme, score: float) -> None:
        super().__init__()
        self._theme = theme
        self._score = score
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.setToolTip(f"Score {score:.2f} of 1")
        theme.changed.connect(self.updateGeometry)

    def sizeHint(self) -> QSize:
        words = paint.text_width("0.00", self._theme.font("small"))
        return QSize(words + self._theme.px(8 + BAR), self._theme.px(MARK))

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = paint.antialiased(QPainter(self))
        px, color = self._theme.px, self._theme.color
        words = QRectF(0, 0, self.width() - px(8 + BAR), self.height())
        right = Qt.AlignmentFlag.AlignRight
        font = self._theme.font("small", weight=500)
        paint.text(painter, words, f"{self._score:.2f}", font, color("text2"), align=right)
        bar = QRectF(self.width() - px(BAR), (self.height() - px(4)) / 2, px(BAR), px(4))
        paint.bar(painter, bar, self._score, color("accent"), color("border_strong"))


class SourceCard(Card):
    """`chosen` by a click or the keys that reach it, `preview_asked` by Space or a click, `open_asked` by Enter or a
    double click. With `acts` it has buttons for both below its lines while it is chosen."""

    chosen = Signal(object)
    preview_asked = Signal(object)
    open_asked = Signal(object)
    why_asked = Signal(object)

    def __init__(self, theme: Theme, number: int, found: SearchResult, *, strong: bool = True) -> None:
        super().__init__(theme, name=spoken_result(number, found), clickable=True)
        self.found = found
        self.number = number
        self.setToolTip(plain_tooltip(found.file or found.path))
        head = row(gap=8)
        head.addWidget(NumberMark(theme, number, strong=strong))
        head.addWidget(ElidedLabel(theme, name_of(found.path), "ui", weight=500), 1)
        head.addWidget(ScoreBar(theme, found.score))
        self.content.addLayout(head)
        self.content.addWidget(ElidedLabel(theme, detail_words(found), "small", "text2"))
        self.passage = Passage(theme)
        words = [(span.start, span.end) for span in found.highlights if span.kind == "word"]
        self.passage.show_text(found.text, decisive(found.text, found.highlights), words, SNIPPET)
        self.content.addWidget(self.passage)
        self._foot = QWidget()
        self.open_button = Button(theme, "Open in editor", "ghost", icon="external-link", small=True)
        self.preview_button = IconButton(theme, "eye", "Preview", keys="Space", size=BUTTON_SMALL, icon_size=16)
        self.copy_button = IconButton(theme, "copy", "Copy the passage", size=BUTTON_SMALL, icon_size=16)
        foot = row(self._foot)
        for button in (self.open_button, self.preview_button, self.copy_button):
            foot.addWidget(button)
        foot.addStretch(1)
        self._foot.hide()
        self.content.addWidget(self._foot)
        self.open_button.clicked.connect(lambda: self.open_asked.emit(self.found))
        self.preview_button.clicked.connect(lambda: self.preview_asked.emit(self.found))
        self.copy_button.clicked.connect(self._copy)
        self.clicked.connect(lambda: self.chosen.emit(self))

    def set_chosen(self, chosen: bool) -> None:
        """Give it the accent's outline and its buttons, or take them away."""
        self.set_selected(chosen)
        self._foot.setVisible(chosen)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.open_asked.emit(self.found)
        elif event.key() == Qt.Key.Key_Space:
            self.preview_asked.emit(self.found)
        else:
            super().keyPressEvent(event)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self.open_asked.emit(self.found)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        menu = Menu(self._theme, name_of(self.found.path), self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        icon = self._theme.icon
        menu.addAction(icon("external-link"), "Open in editor", lambda: self.open_asked.emit(self.found))
        menu.addAction(icon("eye"), "Preview", lambda: self.preview_asked.emit(self.found))
        menu.addAction(icon("copy"), "Copy the passage", self._copy)
        menu.addAction(icon("link"), "Copy the path", lambda: _to_clipboard(self.found.file or self.found.path))
        menu.popup(event.globalPos())

    def _copy(self) -> None:
        _to_clipboard(self.found.text)


def _to_clipboard(text: str) -> None:
    QGuiApplication.clipboard().setText(text)
