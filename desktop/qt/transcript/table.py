"""A table: cells as text layouts on a card. Columns take what they need; where that is too much, their text wraps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from PySide6.QtCore import QPoint, QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QTextCharFormat, QTextLayout, QTextOption
from PySide6.QtWidgets import QWidget

from desktop.qt.components import paint
from desktop.qt.tokens import RADIUS_CARD
from desktop.qt.transcript.piece_widget import FoundRange, Kit, PieceWidget
from desktop.qt.transcript.pieces import Mark, Piece, Span, Table, piece_text, utf16_length

PAD_X = 14
PAD_Y = 6
MIN_COLUMN = 56
HIDDEN_ROW = 32


def column_widths(natural: Sequence[float], room: float, least: float) -> list[float]:
    """Widths of columns that need `natural` each in `room`: what is left goes to the first, a lack is shared."""
    if not natural:
        return []
    total = sum(natural)
    if total <= room:
        return [natural[0] + room - total, *natural[1:]]
    # Narrow columns keep what they need; the wide ones share the rest.
    fair = room / len(natural)
    narrow = [width for width in natural if width <= fair]
    wide = [width for width in natural if width > fair]
    share = (room - sum(narrow)) / sum(wide)
    return [width if width <= fair else max(least, width * share) for width in natural]


@dataclass(slots=True)
class _Cell:
    spans: tuple[Span, ...]
    layout: QTextLayout
    start: int
    length: int
    natural: float
    height: float = 0.0
    origin: QPointF = field(default_factory=QPointF)


class TableBlock(PieceWidget):
    """Shows `Table`, at most 200 rows; a line says how many more there are."""

    def __init__(self, kit: Kit, parent: QWidget | None = None) -> None:
        super().__init__(kit, parent)
        self._rows: list[list[_Cell]] = []
        self._tops: list[float] = []
        self._width = 0
        self._height = 0
        self._selected = (0, 0)
        self._found: tuple[FoundRange, ...] = ()

    def show_piece(self, piece: Piece) -> None:
        assert isinstance(piece, Table)
        known = {(number, cell.spans): cell for number, row in enumerate(self._rows) for cell in row}
        self.piece = piece
        self._width = 0
        self._rows = []
        position = 0
        for number, row in enumerate((piece.header, *piece.rows)):
            cells = []
            for column, spans in enumerate(row):
                cell = known.pop((number, spans), None) or self._make_cell(spans, piece, number, column)
                cell.start = position
                position += cell.length + 1
                cells.append(cell)
            self._rows.append(cells)
        self.setAccessibleName(f"Table, {len(piece.header)} columns, {len(piece.rows) + piece.hidden} rows")
        self.setAccessibleDescription(piece_text(piece))
        self.update()

    def _make_cell(self, spans: tuple[Span, ...], piece: Table, row: int, column: int) -> _Cell:
        text = "".join(span.formula or span.text for span in spans)
        theme = self.kit.theme
        layout = QTextLayout(text, theme.font("ui", weight=600 if row == 0 else 0))
        option = QTextOption()
        align = piece.aligns[column] if column < len(piece.aligns) else "left"
        side = {"right": Qt.AlignmentFlag.AlignRight, "center": Qt.AlignmentFlag.AlignHCenter}
        option.setAlignment(side.get(align, Qt.AlignmentFlag.AlignLeft))
        option.setWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
        layout.setTextOption(option)
        layout.setCacheEnabled(True)
        layout.setFormats(self._formats(spans, row))
        natural = max((paint.text_width(line, layout.font()) for line in text.split("\u2028")), default=0)
        chips = sum(8 for span in spans if span.marks & Mark.CODE)
        wide = 1.12 if any(span.marks & (Mark.CODE | Mark.BOLD) for span in spans) else 1.0
        return _Cell(spans, layout, 0, utf16_length(text), natural * wide + chips + 2)

    def _formats(self, spans: tuple[Span, ...], row: int) -> list[Any]:
        formats, position = [], 0
        token = "text2" if row == 0 else "text"
        for span in spans:
            length = utf16_length(span.formula or span.text)
            found: Any = QTextLayout.FormatRange()
            found.start, found.length = position, length
            shown = Span(span.text, span.marks | (Mark.BOLD if row == 0 else Mark.NONE), span.href)
            found.format = QTextCharFormat(self.kit.formats.span("cell", shown, "ui", token))
            if span.marks & (Mark.CODE | Mark.CITATION) or span.formula:
                found.format.setBackground(self.kit.theme.color("bg_chip"))
            formats.append(found)
            position += length
        return formats

    def retheme(self) -> None:
        self._rows = []
        super().retheme()

    # Measures

    def height_for(self, width: int) -> int:
        if width != self._width:
            self._lay_out(width)
        return self._height

    def _lay_out(self, width: int) -> None:
        theme = self.kit.theme
        pad_x, pad_y = theme.px(PAD_X), theme.px(PAD_Y)
        columns = max((len(row) for row in self._rows), default=0)
        natural = [max((row[i].natural for row in self._rows if i < len(row)), default=0.0) for i in range(columns)]
        widths = column_widths(natural, width - 2 * pad_x * columns, theme.px(MIN_COLUMN))
        top = 0.0
        self._tops = []
        for row in self._rows:
            self._tops.append(top)
            left, height = 0.0, float(theme.line_height("ui"))
            for cell, room in zip(row, widths, strict=False):
                cell.height = self._break_lines(cell.layout, room)
                cell.origin = QPointF(left + pad_x, top + pad_y)
                height = max(height, cell.height)
                left += room + 2 * pad_x
            top += height + 2 * pad_y
        assert isinstance(self.piece, Table)
        self._tops.append(top)
        self._width = width
        self._height = round(top) + 1 + (theme.px(HIDDEN_ROW) if self.piece.hidden else 0)

    def _break_lines(self, layout: QTextLayout, room: float) -> float:
        line_height = float(self.kit.theme.line_height("ui"))
        layout.beginLayout()
        height = 0.0
        while (line := layout.createLine()).isValid():
            line.setLineWidth(room)
            line.setPosition(QPointF(0, height + (line_height - line.height()) / 2))
            height += line_height
        layout.endLayout()
        return height

    # Places

    def _row_at(self, y: float) -> int:
        rows = [number for number in range(len(self._rows)) if self._tops[number] <= y]
        return rows[-1] if rows else 0

    def _cell_at(self, point: QPoint) -> _Cell | None:
        if not self._rows or not self._tops:
            return None
        row = self._rows[self._row_at(point.y())]
        left = [cell for cell in row if cell.origin.x() - self.kit.theme.px(PAD_X) <= point.x()]
        return (left or row)[-1] if row else None

    def offset_at(self, point: QPoint) -> int:
        cell = self._cell_at(point)
        if cell is None:
            return 0
        local = QPointF(point) - cell.origin
        for number in range(cell.layout.lineCount()):
            line = cell.layout.lineAt(number)
            if local.y() < line.y() + line.height() or number == cell.layout.lineCount() - 1:
                return cell.start + int(line.xToCursor(local.x()))
        return cell.start

    def rect_at(self, offset: int) -> QRect:
        for row in self._rows:
            for cell in row:
                if cell.start <= offset <= cell.start + cell.length:
                    return QRectF(cell.origin.x(), cell.origin.y(), 2, cell.height).toRect()
        return self.rect()

    def _span_at(self, point: QPoint) -> Span | None:
        cell = self._cell_at(point)
        if cell is None:
            return None
        position = cell.start
        offset = self.offset_at(point)
        for span in cell.spans:
            position += utf16_length(span.formula or span.text)
            if offset < position:
                return span
        return None

    def link_at(self, point: QPoint) -> str:
        span = self._span_at(point)
        return span.href if span is not None else ""

    def citation_at(self, point: QPoint) -> int:
        span = self._span_at(point)
        return int(span.text) if span is not None and span.marks & Mark.CITATION else 0

    def select(self, start: int, end: int) -> None:
        if self._selected != (start, end):
            self._selected = (start, end)
            self.update()

    def mark(self, ranges: Sequence[FoundRange]) -> None:
        self._found = tuple(ranges)
        self.update()

    def release(self) -> None:
        self._selected, self._found, self._rows = (0, 0), (), []

    # Painting

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = paint.antialiased(QPainter(self))
        theme = self.kit.theme
        if self.width() != self._width:
            self._lay_out(self.width())
        paint.box(painter, self.rect(), theme.px(RADIUS_CARD), theme.color("bg_surface"), theme.color("border"))
        clip = event.rect()
        for number, row in enumerate(self._rows):
            top, bottom = self._tops[number], self._tops[number + 1]
            if bottom < clip.top() or top > clip.bottom():
                continue
            if number:
                painter.fillRect(QRectF(1, round(top), self.width() - 2, 1), theme.color("border"))
            painter.setPen(theme.color("text2" if number == 0 else "text"))
            for cell in row:
                cell.layout.draw(painter, cell.origin, self._ranges(cell))
        self._paint_hidden(painter)

    def _paint_hidden(self, painter: QPainter) -> None:
        assert isinstance(self.piece, Table)
        if self.piece.hidden:
            theme = self.kit.theme
            top = round(self._tops[-1])
            painter.fillRect(QRect(1, top, self.width() - 2, 1), theme.color("border"))
            area = QRect(theme.px(PAD_X), top, self.width(), theme.px(HIDDEN_ROW))
            words = f"{self.piece.hidden:,} more rows are not shown here. Copying the message gives all of them."
            paint.text(painter, area, words, theme.font("small"), theme.color("text3"))

    def _ranges(self, cell: _Cell) -> list[Any]:
        wanted = [(r.start, r.end, "selection" if r.current else "warning_subtle") for r in self._found]
        wanted.append((*self._selected, "selection"))
        made = []
        for start, end, token in wanted:
            first, last = max(start - cell.start, 0), min(end - cell.start, cell.length)
            if first < last:
                found: Any = QTextLayout.FormatRange()
                found.start, found.length = first, last - first
                found.format = QTextCharFormat()
                found.format.setBackground(self.kit.theme.color(token))
                made.append(found)
        return made
