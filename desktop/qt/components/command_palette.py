"""The command palette: one field over a list of commands and chats, driven by the keyboard."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PySide6.QtCore import (
    QAbstractListModel,
    QEvent,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QRect,
    Qt,
    Signal,
    Slot,
)
from PySide6.QtGui import QKeyEvent, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QApplication, QVBoxLayout, QWidget

from desktop.qt.components import paint
from desktop.qt.components.field import SearchField
from desktop.qt.components.rows import RowList, RowRole
from desktop.qt.theme import Theme
from desktop.qt.tokens import RADIUS_COMPOSER

WIDTH = 560
HEIGHT = 440
PAGE = 8


@dataclass(frozen=True, slots=True)
class PaletteRow:
    """Something that can be chosen. `id` comes back in `chosen`; rows of one `section` stand under its name."""

    id: str
    title: str
    section: str = ""
    keys: str = ""
    icon: str = ""
    detail: str = ""


RowSource = Callable[[str], Sequence[PaletteRow]]


def with_headings(rows: Sequence[PaletteRow]) -> list[PaletteRow | str]:
    """Rows in their order, with the name of each section before its first row."""
    mixed: list[PaletteRow | str] = []
    section = ""
    for row in rows:
        if row.section and row.section != section:
            mixed.append(row.section)
        section = row.section
        mixed.append(row)
    return mixed


class PaletteModel(QAbstractListModel):
    """Rows and headings for the list; headings cannot be chosen."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._rows: list[PaletteRow | str] = []

    def show_rows(self, rows: Sequence[PaletteRow]) -> None:
        self.beginResetModel()
        self._rows = with_headings(rows)
        self.endResetModel()

    def row_at(self, number: int) -> PaletteRow | None:
        row = self._rows[number] if 0 <= number < len(self._rows) else None
        return row if isinstance(row, PaletteRow) else None

    def rowCount(self, parent: QModelIndex | QPersistentModelIndex = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self._rows)

    def flags(self, index: QModelIndex | QPersistentModelIndex) -> Qt.ItemFlag:
        return super().flags(index) if self.row_at(index.row()) else Qt.ItemFlag.NoItemFlags

    def data(self, index: QModelIndex | QPersistentModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        row = self._rows[index.row()]
        if isinstance(row, str):
            spoken = {Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole}
            return row if role in spoken else role == RowRole.SECTION or None
        told = ", ".join(part for part in (row.title, row.detail, row.keys) if part)
        values = {
            int(Qt.ItemDataRole.DisplayRole): row.title,
            int(Qt.ItemDataRole.AccessibleTextRole): told,
            int(RowRole.DETAIL): row.detail,
            int(RowRole.TRAILING): row.keys,
            int(RowRole.ICON): row.icon,
        }
        return values.get(role)


class CommandPalette(QWidget):
    """Lies over a whole window, with a box in the middle. `chosen(id)` when a row is taken by Enter or a click.

    Esc or a click outside the box closes it, and the focus goes back to where it was.
    What is listed for a query is decided by the source given to `open`.
    """

    chosen = Signal(str)
    closed = Signal()

    def __init__(self, theme: Theme, window: QWidget) -> None:
        super().__init__(window)
        self._theme = theme
        self._host = window
        self._source: RowSource | None = None
        self._return_to: QWidget | None = None
        self.setAccessibleName("Command palette")
        self.field = SearchField(theme, "Find a command or chat", "Type a command or the name of a chat")
        self.model = PaletteModel(self)
        self.list = RowList(theme, "Commands and chats", self.model)
        self.list.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._column = QVBoxLayout(self)
        self._column.addWidget(self.field)
        self._column.addWidget(self.list)
        self.field.textChanged.connect(self._query)
        self.field.move_requested.connect(self.move_current)
        self.field.returnPressed.connect(self._take_current)
        self.list.clicked.connect(self._take)
        self.field.installEventFilter(self)
        window.installEventFilter(self)
        theme.changed.connect(self.retheme)
        self.retheme()
        self.hide()

    def open(self, source: RowSource) -> None:
        """Show the palette with what `source` gives for an empty query, and again for each that is typed."""
        if not self.isVisible():
            self._return_to = QApplication.focusWidget()
        self._source = source
        self.field.clear()
        self._query("")
        self._place()
        self.show()
        self.raise_()
        self.field.setFocus(Qt.FocusReason.ShortcutFocusReason)

    def close_palette(self) -> None:
        """Close without choosing, and give the focus back."""
        if not self.isVisible():
            return
        self.hide()
        if self._return_to is not None:
            self._return_to.setFocus(Qt.FocusReason.OtherFocusReason)
        self._return_to = None
        self.closed.emit()

    def current_id(self) -> str:
        """Id of the row that Enter would take, "" when nothing fits."""
        row = self.model.row_at(self.list.currentIndex().row())
        return row.id if row else ""

    @Slot(int)
    def move_current(self, direction: int) -> None:
        """One row down (1) or up (-1), over headings, and around the ends."""
        count = self.model.rowCount()
        row = self.list.currentIndex().row()
        for _ in range(count):
            row = (row + direction) % count
            if self.model.row_at(row):
                self._set_current(row)
                return

    def _set_current(self, row: int) -> None:
        index = self.model.index(row, 0)
        self.list.setCurrentIndex(index)
        self.list.scrollTo(self.model.index(0, 0) if row <= 1 else index)

    @Slot(str)
    def _query(self, text: str) -> None:
        if self._source is None:
            return
        self.model.show_rows(self._source(text))
        first = next((row for row in range(self.model.rowCount()) if self.model.row_at(row)), None)
        if first is not None:
            self._set_current(first)
        self.update()

    @Slot()
    def _take_current(self) -> None:
        chosen = self.current_id()
        if chosen:
            self.close_palette()
            self.chosen.emit(chosen)

    @Slot(QModelIndex)
    def _take(self, index: QModelIndex) -> None:
        if self.model.row_at(index.row()):
            self.list.setCurrentIndex(index)
            self._take_current()

    @Slot()
    def retheme(self) -> None:
        self._column.setSpacing(self._theme.px(8))
        self._place()
        self.update()

    def box(self) -> QRect:
        """Where the box lies in the window."""
        px = self._theme.px
        width = min(px(WIDTH), self.width() - px(32))
        height = min(px(HEIGHT), self.height() - px(64))
        return QRect((self.width() - width) // 2, min(px(56), (self.height() - height) // 2), width, height)

    def _place(self) -> None:
        self.setGeometry(self._host.rect())
        box, pad = self.box(), self._theme.px(12)
        right, bottom = self.width() - box.right() - 1, self.height() - box.bottom() - 1
        self._column.setContentsMargins(box.left() + pad, box.top() + pad, right + pad, bottom + pad)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if not self.box().contains(event.position().toPoint()):
            self.close_palette()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if watched is self._host and event.type() == QEvent.Type.Resize:
            self._place()
        elif watched is self.field and isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            return self._key(event)
        return False

    def _key(self, event: QKeyEvent) -> bool:
        if event.key() == Qt.Key.Key_Escape:
            self.close_palette()
        elif event.key() in (Qt.Key.Key_Tab, Qt.Key.Key_Backtab):
            pass  # there is nowhere else to go while the palette is open
        elif event.key() in (Qt.Key.Key_PageDown, Qt.Key.Key_PageUp):
            for _ in range(PAGE):
                self.move_current(1 if event.key() == Qt.Key.Key_PageDown else -1)
        else:
            return False
        return True

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = paint.antialiased(QPainter(self))
        color = self._theme.color
        veil = color("bg_app")
        veil.setAlphaF(0.6)
        painter.fillRect(self.rect(), veil)
        radius = self._theme.px(RADIUS_COMPOSER)
        paint.box(painter, self.box(), radius, color("bg_raised"), color("border_control"))
        if not self.model.rowCount():
            middle = Qt.AlignmentFlag.AlignHCenter
            words, font = "Nothing fits these words.", self._theme.font()
            paint.text(painter, self.list.geometry(), words, font, color("text2"), align=middle)
