"""Paragraphs, headings and lists: written through a cursor, with chips and markers painted under the text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QByteArray, QPoint, QPointF, QRect, QRectF, Qt, QUrl, Slot
from PySide6.QtGui import (
    QImage,
    QPainter,
    QPaintEvent,
    QTextBlock,
    QTextCharFormat,
    QTextCursor,
    QTextDocument,
    QTextImageFormat,
)
from PySide6.QtWidgets import QFrame, QTextBrowser, QTextEdit, QWidget

from desktop.qt.components import paint
from desktop.qt.tokens import RADIUS_CHIP
from desktop.qt.transcript.formats import INDENT
from desktop.qt.transcript.math import FormulaKey
from desktop.qt.transcript.piece_widget import FoundRange, Kit, PieceWidget
from desktop.qt.transcript.pieces import Mark, Para, Piece, Prose, Span, utf16_length
from desktop.qt.transcript.ranges import ShownRanges

BLEED = 4
CHIP_PAD = 4
_CHIPS = Mark.CODE | Mark.CITATION | Mark.IMAGE


@dataclass(frozen=True, slots=True)
class _Chip:
    """A run painted on a ground of its own: place in its paragraph, and which ground."""

    para: int
    start: int
    end: int
    marks: Mark


class ProseBrowser(QTextBrowser):
    """A text that loads nothing, opens nothing and paints its chips itself."""

    def __init__(self, owner: ProseBlock) -> None:
        super().__init__(owner)
        self._owner = owner
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setOpenLinks(False)
        self.setOpenExternalLinks(False)
        self.setUndoRedoEnabled(False)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.viewport().setAutoFillBackground(False)
        self.viewport().setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.document().setDocumentMargin(BLEED)
        self.document().setUndoRedoEnabled(False)

    def loadResource(self, kind: int, name: QUrl | str) -> Any:
        """Nothing: no text of a model or a document makes this program read a file or an address.

        Empty bytes, not None: for None Qt reads the file itself.
        """
        return QByteArray()

    def paintEvent(self, event: QPaintEvent) -> None:
        self._owner.paint_under(QPainter(self.viewport()))
        super().paintEvent(event)


class ProseBlock(PieceWidget):
    """Shows `Prose`. The document is only changed from the first paragraph that differs."""

    bleed = BLEED

    def __init__(self, kit: Kit, parent: QWidget | None = None) -> None:
        super().__init__(kit, parent)
        self._paras: tuple[Para, ...] = ()
        self._chips: list[_Chip] = []
        self._citations: dict[int, int] = {}
        self._waiting: set[str] = set()
        self._underlined: tuple[tuple[int, int], ...] = ()
        self._look = ("reading", "text")
        self.browser = ProseBrowser(self)
        self._ranges = ShownRanges(kit.theme, self.browser)
        self.browser.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.browser.anchorClicked.connect(self._anchor_activated)
        kit.maths.ready.connect(self._formula_ready)

    # What is shown

    def show_piece(self, piece: Piece) -> None:
        self.piece = piece
        self._show(_paras_of(piece))

    def set_look(self, style: str, token: str) -> None:
        """Another text style and colour than that of answers."""
        if self._look != (style, token):
            self._look = (style, token)
            self._rebuild()

    def _show(self, paras: tuple[Para, ...]) -> None:
        same = 0
        for old, new in zip(self._paras, paras, strict=False):
            if old != new:
                break
            same += 1
        if same == len(paras) == len(self._paras) and paras:
            return
        self._paras = paras
        self._chips = [chip for chip in self._chips if chip.para < same]
        self._write_from(same)
        links = any(span.href for para in paras for span in para.spans)
        self.browser.setFocusPolicy(Qt.FocusPolicy.TabFocus if links else Qt.FocusPolicy.NoFocus)
        flags = Qt.TextInteractionFlag.LinksAccessibleByKeyboard if links else Qt.TextInteractionFlag.NoTextInteraction
        self.browser.setTextInteractionFlags(flags)
        self.browser.viewport().update()

    def _write_from(self, first: int) -> None:
        document = self.browser.document()
        cursor = QTextCursor(document)
        cursor.beginEditBlock()
        if first == 0:
            cursor.select(QTextCursor.SelectionType.Document)
            cursor.removeSelectedText()
        else:
            cursor.setPosition(document.findBlockByNumber(first - 1).position())
            cursor.movePosition(QTextCursor.MoveOperation.EndOfBlock)
            cursor.movePosition(QTextCursor.MoveOperation.End, QTextCursor.MoveMode.KeepAnchor)
            cursor.removeSelectedText()
        for index in range(first, len(self._paras)):
            para = self._paras[index]
            block = self.kit.formats.block(para, first=index == 0, base=self._look[0])
            if index:
                cursor.insertBlock(block, QTextCharFormat())
            else:
                cursor.setBlockFormat(block)
            self._write_para(cursor, index, para)
        cursor.endEditBlock()

    def _write_para(self, cursor: QTextCursor, index: int, para: Para) -> None:
        position = 0
        base, token = self._look
        for number, span in enumerate(para.spans):
            if span.formula:
                self._write_formula(cursor, span)
                position += 1
                continue
            chip = bool(span.marks & _CHIPS)
            made = self.kit.formats.span(para.style, span, base, token)
            following = para.spans[number + 1] if number + 1 < len(para.spans) else None
            before_chip = following is not None and bool(following.marks & _CHIPS)
            self._insert(cursor, span.text, made, wide_end=chip or before_chip)
            length = utf16_length(span.text)
            if chip:
                self._chips.append(_Chip(index, position, position + length, span.marks))
            position += length

    def _insert(self, cursor: QTextCursor, text: str, made: QTextCharFormat, *, wide_end: bool) -> None:
        """Insert text; before a chip and at its end the last character is wider: room for the chip's edge."""
        if not wide_end:
            cursor.insertText(text, made)
            return
        wide = QTextCharFormat(made)
        font = wide.font()
        font.setLetterSpacing(font.SpacingType.AbsoluteSpacing, self.kit.theme.px(CHIP_PAD))
        wide.setFont(font)
        cursor.insertText(text[:-1], made)
        cursor.insertText(text[-1:], wide)

    def _write_formula(self, cursor: QTextCursor, span: Span) -> None:
        theme = self.kit.theme
        size = theme.font(self._look[0]).pixelSize()
        key = FormulaKey(span.formula, theme.color(self._look[1]).name(), size + 1, self.devicePixelRatioF(), False)
        picture = self.kit.maths.picture(key)
        if picture is None:
            self._waiting.add(span.formula)
        image = picture.image if picture is not None and picture.image is not None else self._as_source(span.formula)
        # Made of nothing the model wrote: Qt would take a name it has no picture for as that of a file.
        name = f"formula:{image.cacheKey()}"
        self.browser.document().addResource(QTextDocument.ResourceType.ImageResource.value, QUrl(name), image)
        made = QTextImageFormat()
        made.setName(QUrl(name).toString())
        made.setToolTip(span.formula)
        made.setProperty(QTextCharFormat.Property.ImageAltText.value, span.formula)
        made.setVerticalAlignment(QTextCharFormat.VerticalAlignment.AlignMiddle)
        shown = image.deviceIndependentSize()
        made.setWidth(shown.width())
        made.setHeight(shown.height())
        cursor.insertImage(made)

    def _as_source(self, source: str) -> QImage:
        theme, scale = self.kit.theme, self.devicePixelRatioF()
        words = source.replace("\n", " ")[:200]
        width = paint.text_width(words, theme.font("code")) + 2
        height = theme.px(18)
        image = QImage(round(width * scale), round(height * scale), QImage.Format.Format_ARGB32_Premultiplied)
        image.setDevicePixelRatio(scale)
        image.fill(Qt.GlobalColor.transparent)
        painter = QPainter(image)
        paint.text(painter, QRectF(0, 0, width, height), words, theme.font("code"), theme.color("code_text"))
        painter.end()
        return image

    @Slot(str)
    def _formula_ready(self, source: str) -> None:
        if source in self._waiting:
            self._waiting.discard(source)
            self._rebuild()
            self.height_changed.emit()

    def _rebuild(self) -> None:
        paras, self._paras, self._chips = self._paras, (), []
        if paras:
            self._show(paras)
            self._ranges.show()

    def retheme(self) -> None:
        self._rebuild()

    # Measures

    def height_for(self, width: int) -> int:
        self._set_width(width)
        return round(self.browser.document().size().height()) - 2 * BLEED

    def _set_width(self, width: int) -> None:
        # A width of our own: the edit would lay out for its viewport, whose size may not be set yet.
        self.browser.setLineWrapMode(QTextEdit.LineWrapMode.FixedPixelWidth)
        if self.browser.lineWrapColumnOrWidth() != width + 2 * BLEED:
            self.browser.setLineWrapColumnOrWidth(width + 2 * BLEED)

    def ideal_width(self, limit: int) -> int:
        """Width of the longest line when none is broken before `limit`."""
        self._set_width(limit)
        return min(limit, int(self.browser.document().idealWidth()) + 1 - 2 * BLEED)

    def resizeEvent(self, event: object) -> None:
        self.browser.setGeometry(0, -BLEED, self.width(), self.height() + 2 * BLEED)

    # Places

    def offset_at(self, point: QPoint) -> int:
        spot = QPointF(point.x(), point.y() + BLEED)
        return max(0, self.browser.document().documentLayout().hitTest(spot, Qt.HitTestAccuracy.FuzzyHit))

    def rect_at(self, offset: int) -> QRect:
        cursor = QTextCursor(self.browser.document())
        cursor.setPosition(min(offset, self.browser.document().characterCount() - 1))
        return self.browser.cursorRect(cursor).translated(0, -BLEED)

    def link_at(self, point: QPoint) -> str:
        spot = QPointF(point.x(), point.y() + BLEED)
        return self.browser.document().documentLayout().anchorAt(spot)

    def citation_at(self, point: QPoint) -> int:
        for chip in self._chips:
            if chip.marks & Mark.CITATION and any(rect.contains(point) for rect in self._rects(chip)):
                return int(self._block(chip.para).text()[chip.start : chip.end])
        return 0

    # Selection and search

    def select(self, start: int, end: int) -> None:
        self._ranges.select(start, end)

    def mark(self, ranges: Sequence[FoundRange]) -> None:
        self._ranges.mark(ranges)

    def underline(self, ranges: Sequence[tuple[int, int]]) -> None:
        if self._underlined != tuple(ranges):
            self._underlined = tuple(ranges)
            self.browser.viewport().update()

    def release(self) -> None:
        self.select(0, 0)
        self.mark(())
        self.underline(())
        self._waiting.clear()
        self.set_look("reading", "text")

    @Slot(QUrl)
    def _anchor_activated(self, url: QUrl) -> None:
        self.link_activated.emit(url.toString())

    # Painting

    def _block(self, para: int) -> QTextBlock:
        return self.browser.document().findBlockByNumber(para)

    def _rects(self, chip: _Chip) -> list[QRectF]:
        """Where a chip stands, one rectangle per line, in this widget."""
        layout = self._block(chip.para).layout()
        theme = self.kit.theme
        height = theme.px(18 if chip.marks & Mark.CITATION else 20)
        rects = []
        for number in range(layout.lineCount()):
            line = layout.lineAt(number)
            first = max(chip.start, line.textStart())
            last = min(chip.end, line.textStart() + line.textLength())
            if first >= last:
                continue
            left, right = _x(line, first), _x(line, last)
            pad = theme.px(CHIP_PAD)
            # The last character is wider by the edge already, see _insert.
            right_edge = right if last == chip.end else right + pad
            middle = line.y() + line.height() / 2
            rect = QRectF(left - pad, middle - height / 2, right_edge - left + pad, height)
            rects.append(rect.translated(layout.position()).translated(0, -BLEED))
        return rects

    def paint_under(self, painter: QPainter) -> None:
        """Grounds of inline code and citations, and list markers."""
        paint.antialiased(painter)
        painter.translate(0, BLEED)
        theme = self.kit.theme
        for chip in self._chips:
            token = "accent_subtle" if chip.marks & Mark.CITATION else "bg_chip"
            for rect in self._rects(chip):
                paint.box(painter, rect, theme.px(RADIUS_CHIP), theme.color(token))
        for number, para in enumerate(self._paras):
            if para.marker:
                self._paint_marker(painter, number, para)
        for start, end in self._underlined:
            self._paint_underline(painter, start, end)

    def _paint_underline(self, painter: QPainter, start: int, end: int) -> None:
        """Dots below the lines that show [start, end) of the document."""
        theme = self.kit.theme
        block = self.browser.document().findBlock(start)
        side = max(1.5, theme.px(3) / 2)
        while block.isValid() and block.position() < end:
            layout, begin = block.layout(), block.position()
            for number in range(layout.lineCount()):
                line = layout.lineAt(number)
                first = max(start - begin, line.textStart())
                last = min(end - begin, line.textStart() + line.textLength())
                if first >= last:
                    continue
                y = layout.position().y() + line.y() + line.height() - 2 * side - BLEED
                left = layout.position().x()
                x, right = left + _x(line, first), left + _x(line, last)
                while x + side <= right:
                    paint.disc(painter, x + side / 2, y, side / 2, theme.color("warning"))
                    x += 2.5 * side
            block = block.next()

    def _paint_marker(self, painter: QPainter, number: int, para: Para) -> None:
        theme = self.kit.theme
        layout = self._block(number).layout()
        if not layout.lineCount():
            return
        line = layout.lineAt(0)
        top = layout.position().y() + line.y() - BLEED
        right = BLEED + theme.px(INDENT * para.depth)
        if para.marker == "•":
            paint.disc(painter, right - theme.px(9), top + line.height() / 2 + 1, theme.px(3), theme.color("text2"))
            return
        area = QRectF(0, top, right - theme.px(6), line.height())
        font = theme.font(self._look[0])
        paint.text(painter, area, para.marker, font, theme.color("text2"), align=Qt.AlignmentFlag.AlignRight)


def _x(line: Any, position: int) -> float:
    found = line.cursorToX(position)
    return float(found[0] if isinstance(found, tuple) else found)


def _paras_of(piece: Piece) -> tuple[Para, ...]:
    assert isinstance(piece, Prose)
    return piece.paras
