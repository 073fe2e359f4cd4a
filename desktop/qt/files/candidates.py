"""All candidates of a search in a table: scores of each stage, and what became of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent, QPainter, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QWidget,
)

from desktop.qt.components import paint
from desktop.qt.components.label import plain_tooltip
from desktop.qt.files.table_head import TableHead, fixed_sections
from desktop.qt.files.why_words import candidate_end, candidate_name, scored, spoken_candidate
from desktop.qt.theme import Theme

if TYPE_CHECKING:
    from desktop.wire_files import CandidateRow

Index = QModelIndex | QPersistentModelIndex
NO_PARENT = QModelIndex()
CANDIDATE = Qt.ItemDataRole.UserRole + 1
HEADS = ("Passage", "Words", "Meaning", "Joined", "Reranked", "Outcome")
WIDTHS = (0, 76, 76, 64, 76, 178)
ROW = 40
HEADER = 32


class CandidateModel(QAbstractTableModel):
    """Candidates in the order of the search: what was given first, then by joined score."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.rows: list[CandidateRow] = []

    def show(self, rows: Sequence[CandidateRow]) -> None:
        self.beginResetModel()
        self.rows = sorted(rows, key=_order)
        self.endResetModel()

    def rowCount(self, parent: Index = NO_PARENT) -> int:
        return 0 if parent.isValid() else len(self.rows)

    def columnCount(self, parent: Index = NO_PARENT) -> int:
        return 0 if parent.isValid() else len(HEADS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return HEADS[section]
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.TextAlignmentRole:
            side = Qt.AlignmentFlag.AlignRight if 0 < section < 5 else Qt.AlignmentFlag.AlignLeft
            return int(side | Qt.AlignmentFlag.AlignVCenter)
        return None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid():
            return None
        row = self.rows[index.row()]
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return cells(row)[index.column()]
            case Qt.ItemDataRole.AccessibleTextRole:
                return spoken_candidate(row) if index.column() == 0 else cells(row)[index.column()]
            case Qt.ItemDataRole.ToolTipRole:
                return plain_tooltip(row.why or row.header)
            case _:
                return row if role == CANDIDATE else None


def cells(row: CandidateRow) -> tuple[str, ...]:
    """The words of each column."""
    return (
        candidate_name(row),
        scored(row.lexical_rank, row.lexical_score),
        scored(row.dense_rank, row.dense_score),
        scored(None, row.fused_score),
        scored(None, row.rerank_score),
        candidate_end(row),
    )


def _order(row: CandidateRow) -> tuple[bool, bool, int, float]:
    given = row.final_rank is not None
    return bool(row.dropped), not given, row.final_rank or 0, -(row.fused_score or 0.0)


class CandidateDelegate(QStyledItemDelegate):
    """Paints a cell; the first has the passage's first words below its place."""

    def __init__(self, theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self._theme = theme

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return QSize(0, self._theme.px(ROW))

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        row: CandidateRow = index.data(CANDIDATE)
        painter.save()
        paint.antialiased(painter)
        theme, px = self._theme, self._theme.px
        area = QRectF(option.rect)
        state: QStyle.StateFlag = option.state
        if state & QStyle.StateFlag.State_Selected:
            painter.fillRect(area, theme.color("bg_selected"))
        painter.fillRect(QRectF(area.x(), area.bottom() - 1, area.width(), 1), theme.color("border"))
        inside = area.adjusted(px(6), 0, -px(6), 0)
        words = str(index.data(Qt.ItemDataRole.DisplayRole))
        if index.column() == 0:
            first = QRectF(inside.x(), inside.y() + px(3), inside.width(), px(18))
            paint.text(painter, first, words, theme.font("ui", weight=500), theme.color("text"))
            second = QRectF(inside.x(), first.bottom(), inside.width(), px(15))
            paint.text(painter, second, " ".join(row.text.split()), theme.font("meta"), theme.color("text3"))
        elif index.column() == len(HEADS) - 1:
            given = not row.dropped and row.final_rank is not None
            token = "accent" if given else "text2"
            side = px(14)
            spot = QRectF(inside.x(), inside.center().y() - side / 2, side, side)
            theme.paint_icon(painter, spot, "check" if given else "minus", token)
            rest = inside.adjusted(side + px(6), 0, 0, 0)
            paint.text(painter, rest, words, theme.font("small", weight=500 if given else 0), theme.color(token))
        else:
            right = Qt.AlignmentFlag.AlignRight
            paint.text(painter, inside, words, theme.font("small"), theme.color("text2"), align=right)
        painter.restore()


class CandidateTable(QTableView):
    """`chosen(CandidateRow)` when another is current, `opened(CandidateRow)` by Enter or a double click."""

    chosen = Signal(object)
    opened = Signal(object)

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self.candidates = CandidateModel(self)
        self.setAccessibleName("Candidates")
        self.setModel(self.candidates)
        self.setItemDelegate(CandidateDelegate(theme, self))
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setShowGrid(False)
        self.setTabKeyNavigation(False)
        self.viewport().setAutoFillBackground(False)
        self.verticalHeader().hide()
        head = TableHead(theme, height=HEADER, style="small", inset=6, first=6)
        self.setHorizontalHeader(head)
        fixed_sections(head)
        self.selectionModel().currentRowChanged.connect(self._current_changed)
        theme.changed.connect(self._resized)
        self._resized()

    def show_rows(self, rows: Sequence[CandidateRow]) -> None:
        self.candidates.show(rows)
        reranked = any(row.rerank_score is not None for row in rows)
        self.setColumnHidden(4, not reranked)

    def current(self) -> CandidateRow | None:
        index = self.currentIndex()
        return self.candidates.rows[index.row()] if index.isValid() else None

    def _current_changed(self, index: QModelIndex) -> None:
        if index.isValid():
            self.chosen.emit(self.candidates.rows[index.row()])

    def keyPressEvent(self, event: QKeyEvent) -> None:
        row = self.current()
        if row is not None and event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.opened.emit(row)
        else:
            super().keyPressEvent(event)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        if (row := self.current()) is not None:
            self.opened.emit(row)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._share_width()

    def _share_width(self) -> None:
        for section, width in enumerate(WIDTHS):
            if width:
                self.horizontalHeader().resizeSection(section, self._theme.px(width))

    def _resized(self) -> None:
        px = self._theme.px
        self.verticalHeader().setMinimumSectionSize(px(ROW))
        self.verticalHeader().setDefaultSectionSize(px(ROW))
        self._share_width()
        self.viewport().update()
