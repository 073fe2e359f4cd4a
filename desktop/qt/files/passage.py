"""A few lines of a document with the decisive sentence on a ground of its own. Painted: its text is never markup."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QPointF, QRectF, QSize
from PySide6.QtGui import QFont, QPainter, QPaintEvent, QTextCharFormat, QTextLayout, QTextOption
from PySide6.QtWidgets import QSizePolicy, QWidget

from desktop.qt.components import paint
from desktop.qt.files.passage_lines import PassageLine, Span, passage_lines
from desktop.qt.theme import Theme
from desktop.qt.tokens import RADIUS_CHIP

PAD = 8
LINE = 18


class Passage(QWidget):
    """Shows `text` around its decisive sentence; hits of the words that were searched for are written in the accent."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self.lines: list[PassageLine] = []
        self._layouts: list[tuple[QTextLayout, PassageLine]] = []
        self._laid_width = -1
        self._most = 6
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        theme.changed.connect(self._forget)

    def show_text(self, text: str, sentence: Span, words: Sequence[Span] = (), most: int = 6) -> None:
        """Show up to `most` lines around the sentence, (0, 0) for none; offsets are characters of `text`."""
        self._most = most
        self.lines = passage_lines(text, sentence, words, most)
        self.setAccessibleName(self.text)
        self._forget()

    @property
    def text(self) -> str:
        """The lines that are shown."""
        return "\n".join(line.text for line in self.lines)

    @property
    def marked(self) -> str:
        """What stands on the ground of the decisive sentence."""
        parts = (line.text if line.whole else line.text[slice(*line.sentence)] for line in self.lines)
        return "\n".join(part for part in parts if part)

    def hasHeightForWidth(self) -> bool:
        return True

    def heightForWidth(self, width: int) -> int:
        self._lay_out(width)
        rows = min(self._most, sum(layout.lineCount() for layout, _line in self._layouts))
        return max(1, rows) * self._theme.px(LINE) + 2 * self._theme.px(PAD)

    def sizeHint(self) -> QSize:
        return QSize(self._theme.px(240), self.heightForWidth(max(self.width(), self._theme.px(120))))

    def minimumSizeHint(self) -> QSize:
        return QSize(self._theme.px(80), self._theme.px(LINE + 2 * PAD))

    def _forget(self) -> None:
        self._laid_width = -1
        self.updateGeometry()
        self.update()

    def _lay_out(self, width: int) -> None:
        """Wrap the lines for this width."""
        if width == self._laid_width:
            return
        self._laid_width = width
        inside = max(40, width - 2 * self._theme.px(PAD))
        option = QTextOption()
        option.setWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
        self._layouts = []
        for line in self.lines:
            layout = QTextLayout(line.text, self._font())
            layout.setTextOption(option)
            layout.setFormats(self._formats(line))
            layout.beginLayout()
            while (made := layout.createLine()).isValid():
                made.setLineWidth(inside)
            layout.endLayout()
            self._layouts.append((layout, line))
        self._make_room()

    def _make_room(self) -> None:
        """Long lines wrap to several: lines above the sentence give way, so that it is in view."""
        while len(self._layouts) > 1:
            first = next((n for n, (_layout, line) in enumerate(self._layouts) if line.whole or line.sentence[1]), 0)
            upto = sum(layout.lineCount() for layout, _line in self._layouts[: first + 1])
            if not first or upto <= self._most:
                return
            self._layouts.pop(0)

    def _font(self) -> QFont:
        font = self._theme.font("code")
        font.setPixelSize(max(1, round(font.pixelSize() * 12 / 13)))
        return font

    def _formats(self, line: PassageLine) -> list[QTextLayout.FormatRange]:
        made = [self._format(span, bold=True) for span in line.words]
        return [self._format(line.sentence), *made] if line.sentence[1] else made

    def _format(self, span: Span, *, bold: bool = False) -> QTextLayout.FormatRange:
        found, look = QTextLayout.FormatRange(), QTextCharFormat()
        found.start, found.length = span[0], span[1] - span[0]
        look.setForeground(self._theme.color("accent" if bold else "text"))
        if not bold:
            look.setBackground(self._theme.color("accent_subtle"))
        found.format = look
        return found

    def paintEvent(self, event: QPaintEvent) -> None:
        self._lay_out(self.width())
        painter = paint.antialiased(QPainter(self))
        theme, px = self._theme, self._theme.px
        lines = min(self._most, sum(layout.lineCount() for layout, _line in self._layouts))
        ground = QRectF(0, 0, self.width(), min(self.height(), max(1, lines) * px(LINE) + 2 * px(PAD)))
        paint.box(painter, ground, px(RADIUS_CHIP), theme.color("bg_sunken"))
        y, row, bottom = px(PAD), px(LINE), self.height() - px(PAD) + 1
        for layout, line in self._layouts:
            for number in range(layout.lineCount()):
                if y + row > bottom:
                    return
                if line.whole:
                    painter.fillRect(QRectF(0, y, self.width(), row), theme.color("accent_subtle"))
                painter.setPen(theme.color("text" if line.whole else "text2"))
                made = layout.lineAt(number)
                made.setPosition(QPointF(0, 0))
                made.draw(painter, QPointF(px(PAD), y + (row - made.height()) / 2))
                y += row
