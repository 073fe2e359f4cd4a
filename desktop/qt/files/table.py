"""The table of files, painted: thousands of rows cost what the dozen in view costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QModelIndex, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QContextMenuEvent, QFocusEvent, QHelpEvent, QKeyEvent, QMouseEvent, QPainter, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QToolTip,
)

from desktop.qt.components import paint
from desktop.qt.components.label import plain_tooltip
from desktop.qt.files.place_words import name_of
from desktop.qt.files.table_head import TableHead, fixed_sections
from desktop.qt.files.table_model import FILE, Column, FileTableModel, Index, cell_words
from desktop.qt.files.words import Said, file_icon, file_words
from desktop.qt.theme import Theme
from desktop.qt.tokens import RADIUS_BUTTON, RING_WIDTH

if TYPE_CHECKING:
    from desktop.wire_files import FileRow

ROW = 46
HEADER = 34
SIZE_WIDTH = 84
CHUNKS_WIDTH = 84
STATUS_WIDTH = 204
STATUS_LEAST = 132
NEAR_END = 600  # pixels before the end from which on more is wanted
RIGHT = Qt.AlignmentFlag.AlignRight


class FileDelegate(QStyledItemDelegate):
    """Paints the cells of a file: name over path, size, chunks, and how it stands."""

    def __init__(self, theme: Theme, parent: FileTable) -> None:
        super().__init__(parent)
        self._theme = theme
        self._table = parent

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return QSize(0, self._theme.px(ROW))

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        row: FileRow | None = index.data(FILE)
        if row is None:
            return
        painter.save()
        paint.antialiased(painter)
        rect: QRect = option.rect
        state: QStyle.StateFlag = option.state
        self._paint_ground(painter, QRectF(rect), index, state)
        match index.column():
            case Column.NAME:
                self._paint_name(painter, QRectF(rect), row)
            case Column.STATUS:
                self._paint_status(painter, QRectF(rect), row)
            case column:
                area = QRectF(rect).adjusted(0, 0, -self._theme.px(10), 0)
                color = self._theme.color("text2")
                paint.text(painter, area, cell_words(row, Column(column)), self._theme.font(), color, align=RIGHT)
        painter.restore()

    def _paint_ground(self, painter: QPainter, area: QRectF, index: Index, state: QStyle.StateFlag) -> None:
        theme, px = self._theme, self._theme.px
        chosen = bool(state & QStyle.StateFlag.State_Selected)
        if chosen or index.row() == self._table.hovered_row:
            # One ground over all cells of the row: rounded at both ends, drawn in parts.
            whole = QRectF(self._table.row_rect(index.row()))
            painter.setClipRect(area)
            color = theme.color("bg_selected" if chosen else "bg_hover")
            paint.box(painter, whole, px(RADIUS_BUTTON), color)
            if chosen and self._table.by_keyboard and self._table.hasFocus():
                paint.box(painter, whole, px(RADIUS_BUTTON), None, theme.color("accent"), width=RING_WIDTH)
            painter.setClipping(False)
        painter.fillRect(QRectF(area.x(), area.bottom() - 1, area.width(), 1), theme.color("border"))

    def _paint_name(self, painter: QPainter, area: QRectF, row: FileRow) -> None:
        theme, px = self._theme, self._theme.px
        side = px(16)
        icon = QRectF(area.x() + px(6), area.center().y() - side / 2, side, side)
        theme.paint_icon(painter, icon, file_icon(row.path, row.kind), "text2")
        left = icon.right() + px(10)
        name, width = name_of(row.path), area.right() - px(8) - left
        first = QRectF(left, area.y() + px(4), width, px(20))
        paint.text(painter, first, name, theme.font("ui", weight=500), theme.color("text"))
        second = QRectF(left, first.bottom(), width, px(16))
        middle = Qt.TextElideMode.ElideMiddle
        paint.text(painter, second, row.path, theme.font("small"), theme.color("text2"), elide=middle)

    def _paint_status(self, painter: QPainter, area: QRectF, row: FileRow) -> None:
        theme, px = self._theme, self._theme.px
        said = file_words(row)
        inside = area.adjusted(px(10), 0, -px(8), 0)
        if said.working:
            self._paint_working(painter, inside, said)
            return
        side = px(15)
        token = "success" if row.state == "indexed" and not row.warnings else said.token
        theme.paint_icon(painter, QRectF(inside.x(), inside.center().y() - side / 2, side, side), said.icon, token)
        words = inside.adjusted(side + px(7), 0, 0, 0)
        weight = 500 if row.state == "failed" else 0
        paint.text(painter, words, said.text, theme.font("ui", weight=weight), theme.color(said.token))

    def _paint_working(self, painter: QPainter, area: QRectF, said: Said) -> None:
        theme, px = self._theme, self._theme.px
        words = QRectF(area.x(), area.y() + px(5), area.width(), px(20))
        paint.text(painter, words, said.text, theme.font(), theme.color("text2"))
        bar = QRectF(area.x(), words.bottom() + px(5), area.width() - px(8), px(4))
        paint.bar(painter, bar, said.fraction or 0.0, theme.color("accent"), theme.color("border_strong"))
        if said.fraction is None:
            third = QRectF(bar.x() + bar.width() / 3, bar.y(), bar.width() / 3, bar.height())
            paint.box(painter, third, bar.height() / 2, theme.color("accent"))


class FileTable(QTableView):
    """`chosen(FileRow or None)` when another row is current, `opened(FileRow)` by Enter or a double click,
    `menu_asked(FileRow, point)` for its menu."""

    chosen = Signal(object)
    opened = Signal(object)
    menu_asked = Signal(object, object)

    def __init__(self, theme: Theme, model: FileTableModel) -> None:
        super().__init__()
        self._theme = theme
        self._model = model
        self.hovered_row = -1
        self.by_keyboard = False
        self.setAccessibleName("Files")
        self.setModel(model)
        self.setItemDelegate(FileDelegate(theme, self))
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setShowGrid(False)
        self.setTabKeyNavigation(False)
        self.setMouseTracking(True)
        self.setWordWrap(False)
        self.viewport().setAutoFillBackground(False)
        self._set_up_headers()
        self.selectionModel().currentRowChanged.connect(self._current_changed)
        theme.changed.connect(self._resized)
        self._resized()

    def current_file(self) -> FileRow | None:
        return self._model.file_at(self.currentIndex())

    def row_rect(self, row: int) -> QRect:
        """Where a whole row is in the viewport."""
        first = self.visualRect(self._model.index(row, 0))
        return QRect(0, first.y(), self.viewport().width(), first.height())

    def choose_first(self) -> None:
        """Take the focus, and make the first row current when none is."""
        self.by_keyboard = True
        if not self.currentIndex().isValid() and self._model.rowCount():
            self.selectRow(0)
        self.setFocus(Qt.FocusReason.TabFocusReason)

    def _set_up_headers(self) -> None:
        self.verticalHeader().hide()
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        head = TableHead(self._theme, height=HEADER, inset=10)
        self.setHorizontalHeader(head)
        fixed_sections(head, Column.NAME)

    def _resized(self) -> None:
        px = self._theme.px
        self.verticalHeader().setMinimumSectionSize(px(ROW))
        self.verticalHeader().setDefaultSectionSize(px(ROW))
        self.verticalScrollBar().setSingleStep(px(ROW) // 2)
        self._share_width()
        self.viewport().update()

    def _share_width(self) -> None:
        px, head = self._theme.px, self.horizontalHeader()
        head.resizeSection(Column.SIZE, px(SIZE_WIDTH))
        head.resizeSection(Column.CHUNKS, px(CHUNKS_WIDTH))
        head.resizeSection(Column.STATUS, max(px(STATUS_LEAST), min(px(STATUS_WIDTH), self.width() // 3)))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            self._share_width()
        if event.size().height() < event.oldSize().height() and self.currentIndex().isValid():
            self.scrollTo(self.currentIndex())  # what is said about it below must not cover it

    def _current_changed(self, index: QModelIndex) -> None:
        self.chosen.emit(self._model.file_at(index))

    # Keys and mouse

    def keyPressEvent(self, event: QKeyEvent) -> None:
        self.by_keyboard = True
        row = self.current_file()
        if row is not None and event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.opened.emit(row)
        elif row is not None and event.key() == Qt.Key.Key_Menu:
            self._ask_menu(row, self.row_rect(self.currentIndex().row()).center())
        elif event.key() in (Qt.Key.Key_Home, Qt.Key.Key_End) and self._model.rowCount():
            # In a table those go through the cells of a row, of which only the first is one.
            self.selectRow(0 if event.key() == Qt.Key.Key_Home else self._model.rowCount() - 1)
        else:
            super().keyPressEvent(event)
        self.viewport().update()

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self.by_keyboard = event.reason() != Qt.FocusReason.MouseFocusReason
        if self.by_keyboard and not self.currentIndex().isValid() and self._model.rowCount():
            self.selectRow(0)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self.by_keyboard = False
        super().mousePressEvent(event)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        row = self._model.file_at(self.indexAt(event.position().toPoint()))
        if row is not None and event.button() == Qt.MouseButton.LeftButton:
            self.opened.emit(row)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        super().mouseMoveEvent(event)
        self._hover(self.indexAt(event.position().toPoint()).row())

    def leaveEvent(self, event: object) -> None:
        self._hover(-1)

    def _hover(self, row: int) -> None:
        if row != self.hovered_row:
            self.hovered_row = row
            self.viewport().update()

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        index = self.indexAt(event.pos())
        row = self._model.file_at(index)
        if row is not None:
            self.selectRow(index.row())
            self._ask_menu(row, event.pos())

    def _ask_menu(self, row: FileRow, point: object) -> None:
        self.menu_asked.emit(row, point)

    def viewportEvent(self, event: object) -> bool:
        if isinstance(event, QHelpEvent) and event.type() == QHelpEvent.Type.ToolTip:
            index = self.indexAt(event.pos())
            words = str(index.data(Qt.ItemDataRole.ToolTipRole) or "") if index.isValid() else ""
            QToolTip.showText(event.globalPos(), plain_tooltip(words), self)
            return True
        return super().viewportEvent(event)  # type: ignore[arg-type]

    def scrollContentsBy(self, dx: int, dy: int) -> None:
        super().scrollContentsBy(dx, dy)
        self._hover(-1)
        bar = self.verticalScrollBar()
        if bar.maximum() and bar.value() > bar.maximum() - self._theme.px(NEAR_END):
            self._model.fetchMore(QModelIndex())  # before the end is reached, so that scrolling does not stop there
