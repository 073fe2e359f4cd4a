"""Rows of a list, painted by one delegate: an icon, one or two lines, and a remark at the end."""

from enum import IntEnum

from PySide6.QtCore import QAbstractItemModel, QModelIndex, QPersistentModelIndex, QRect, QRectF, QSize, Qt, Slot
from PySide6.QtGui import QFocusEvent, QKeyEvent, QMouseEvent, QPainter
from PySide6.QtWidgets import QAbstractItemView, QListView, QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from desktop.qt.components import paint
from desktop.qt.theme import Theme
from desktop.qt.tokens import RADIUS_BUTTON, RING_WIDTH, ROW, ROW_TWO_LINES

Index = QModelIndex | QPersistentModelIndex


class RowRole(IntEnum):
    """What a model gives a RowDelegate, beside DisplayRole (first line) and AccessibleTextRole (all of it, spoken)."""

    DETAIL = Qt.ItemDataRole.UserRole + 1  # second line; makes the row two lines high
    TRAILING = Qt.ItemDataRole.UserRole + 2  # at the end of the first line: a time, a size, a count
    ICON = Qt.ItemDataRole.UserRole + 3  # name of an icon
    SECTION = Qt.ItemDataRole.UserRole + 4  # True: a heading between rows, which cannot be chosen
    TONE = Qt.ItemDataRole.UserRole + 5  # colour token of the trailing words


def _words(index: Index, role: int) -> str:
    value = index.data(role)
    return value if isinstance(value, str) else ""


class RowDelegate(QStyledItemDelegate):
    """Paints a row: 34 high, 50 with a second line, a heading 30."""

    def __init__(self, theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self._theme = theme

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        height = 30 if index.data(RowRole.SECTION) else ROW_TWO_LINES if _words(index, RowRole.DETAIL) else ROW
        return QSize(0, self._theme.px(height))

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        painter.save()
        paint.antialiased(painter)
        rect: QRect = option.rect
        state: QStyle.StateFlag = option.state
        if index.data(RowRole.SECTION):
            self._paint_section(painter, rect, index)
        else:
            self._paint_ground(painter, rect, state)
            self._paint_row(painter, rect, index, state)
        painter.restore()

    def _paint_section(self, painter: QPainter, rect: QRect, index: Index) -> None:
        px = self._theme.px
        area = rect.adjusted(px(10), px(6), -px(10), 0)
        font = self._theme.font("meta", weight=600)
        paint.text(painter, area, _words(index, Qt.ItemDataRole.DisplayRole), font, self._theme.color("text2"))

    def _paint_ground(self, painter: QPainter, rect: QRect, state: QStyle.StateFlag) -> None:
        color, radius = self._theme.color, self._theme.px(RADIUS_BUTTON)
        selected = bool(state & QStyle.StateFlag.State_Selected)
        if selected:
            paint.box(painter, rect, radius, color("bg_selected"))
        elif state & QStyle.StateFlag.State_MouseOver:
            paint.box(painter, rect, radius, color("bg_hover"))
        view = self.parent()
        if state & QStyle.StateFlag.State_HasFocus and isinstance(view, RowList) and view.by_keyboard:
            paint.box(painter, rect, radius, None, color("accent"), width=RING_WIDTH)

    def _paint_row(self, painter: QPainter, rect: QRect, index: Index, state: QStyle.StateFlag) -> None:
        px, color = self._theme.px, self._theme.color
        enabled = bool(state & QStyle.StateFlag.State_Enabled)
        selected = bool(state & QStyle.StateFlag.State_Selected)
        area = QRectF(rect.adjusted(px(10), 0, -px(10), 0))
        detail = _words(index, RowRole.DETAIL)
        line = px(20)
        first = QRectF(area.x(), area.y() + (px(6) if detail else 0), area.width(), line if detail else area.height())
        if icon := _words(index, RowRole.ICON):
            side = px(16)
            spot = QRectF(first.x(), first.center().y() - side / 2, side, side)
            self._theme.paint_icon(painter, spot, icon, "text2" if enabled else "text_disabled")
            first.setLeft(first.left() + side + px(10))
        left = first.left()
        if trailing := _words(index, RowRole.TRAILING):
            tone = _words(index, RowRole.TONE) or "text3"
            font = self._theme.font("small")
            width = paint.text_width(trailing, font)
            spot = QRectF(first.right() - width, first.y(), width, first.height())
            paint.text(painter, spot, trailing, font, color(tone if enabled else "text_disabled"))
            first.setRight(spot.left() - px(8))
        font = self._theme.font("ui", weight=500 if selected else 0)
        words = _words(index, Qt.ItemDataRole.DisplayRole)
        paint.text(painter, first, words, font, color("text" if enabled else "text_disabled"))
        if detail:
            second = QRectF(left, first.bottom(), area.right() - left, px(18))
            token = "text2" if enabled else "text_disabled"
            paint.text(painter, second, detail, self._theme.font("small"), color(token))


class RowList(QListView):
    """A list of rows by a model with RowRoles. Arrow keys move, Enter activates; Tab reaches and leaves it."""

    def __init__(self, theme: Theme, name: str, model: QAbstractItemModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._by_keyboard = True
        self.setAccessibleName(name)
        self.setModel(model)
        self.setItemDelegate(RowDelegate(theme, self))
        self.setMouseTracking(True)
        self.setUniformItemSizes(False)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setFrameShape(QListView.Shape.NoFrame)
        theme.changed.connect(self.retheme)

    @Slot()
    def retheme(self) -> None:
        self.scheduleDelayedItemsLayout()
        self.viewport().update()

    @property
    def by_keyboard(self) -> bool:
        """Whether the row was reached by keys, so that it shows where the focus is."""
        return self._by_keyboard

    def keyPressEvent(self, event: QKeyEvent) -> None:
        self._by_keyboard = True
        super().keyPressEvent(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._by_keyboard = False
        super().mousePressEvent(event)

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self._by_keyboard = event.reason() != Qt.FocusReason.MouseFocusReason
        if not self.currentIndex().isValid():
            first = next((row for row in range(self.model().rowCount()) if self._choosable(row)), -1)
            if first >= 0:
                self.setCurrentIndex(self.model().index(first, 0))

    def _choosable(self, row: int) -> bool:
        flags = self.model().flags(self.model().index(row, 0))
        return bool(flags & Qt.ItemFlag.ItemIsSelectable and flags & Qt.ItemFlag.ItemIsEnabled)
