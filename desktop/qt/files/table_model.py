"""Files as a table model: rows come in pages when the end is in view, and a refresh changes no more than it must."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt

from desktop.qt.figures import grouped_digits, in_bytes
from desktop.qt.files.file_list import FileList
from desktop.qt.files.place_words import name_of
from desktop.qt.files.words import file_words, spoken_file

if TYPE_CHECKING:
    from desktop.wire_files import FileRow

Index = QModelIndex | QPersistentModelIndex
NO_PARENT = QModelIndex()
FILE = Qt.ItemDataRole.UserRole + 1


class Column(IntEnum):
    """What stands where."""

    NAME = 0
    SIZE = 1
    CHUNKS = 2
    STATUS = 3


AT_WORK = ("waiting", "reading", "embedding")
TITLES = ("Name", "Size", "Chunks", "Status")


class FileTableModel(QAbstractTableModel):
    """The rows of a FileList."""

    def __init__(self, files: FileList, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._files = files
        self._rows: list[FileRow] = []
        files.changed.connect(self._show)

    def file_at(self, index: Index) -> FileRow | None:
        return self._rows[index.row()] if index.isValid() and index.row() < len(self._rows) else None

    def index_of(self, root: str, path: str) -> QModelIndex:
        places = (number for number, row in enumerate(self._rows) if (row.root, row.path) == (root, path))
        return next((self.index(number, 0) for number in places), QModelIndex())

    def _show(self) -> None:
        old, new = self._rows, self._files.rows
        first = _shared(old, new)
        last = _shared(old[first:][::-1], new[first:][::-1])
        gone, come = len(old) - first - last, len(new) - first - last
        if gone:
            self.beginRemoveRows(NO_PARENT, first, first + gone - 1)
            self._rows = old[:first] + old[first + gone :]
            self.endRemoveRows()
        if come:
            self.beginInsertRows(NO_PARENT, first, first + come - 1)
            self._rows = self._rows[:first] + new[first : first + come] + self._rows[first:]
            self.endInsertRows()
        before, self._rows = self._rows, list(new)
        for number, (was, row) in enumerate(zip(before, self._rows, strict=True)):
            if was is not row and was != row:
                self.dataChanged.emit(self.index(number, 0), self.index(number, Column.STATUS))

    # What Qt asks

    def rowCount(self, parent: Index = NO_PARENT) -> int:
        return 0 if parent.isValid() else len(self._rows)

    def columnCount(self, parent: Index = NO_PARENT) -> int:
        return 0 if parent.isValid() else len(TITLES)

    def canFetchMore(self, parent: Index) -> bool:
        return not parent.isValid() and self._files.has_more

    def fetchMore(self, parent: Index) -> None:
        self._files.want_more()

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return TITLES[section]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            right = section in (Column.SIZE, Column.CHUNKS)
            side = Qt.AlignmentFlag.AlignRight if right else Qt.AlignmentFlag.AlignLeft
            return int(side | Qt.AlignmentFlag.AlignVCenter)
        return None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        row = self.file_at(index)
        if row is None:
            return None
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return cell_words(row, Column(index.column()))
            case Qt.ItemDataRole.AccessibleTextRole:
                return spoken_file(row) if index.column() == Column.NAME else cell_words(row, Column(index.column()))
            case Qt.ItemDataRole.ToolTipRole:
                return row.file if index.column() == Column.NAME else row.message or file_words(row).text
            case _:
                return row if role == FILE else None


def cell_words(row: FileRow, column: Column) -> str:
    """The words of one cell."""
    match column:
        case Column.NAME:
            return name_of(row.path)
        case Column.SIZE:
            return in_bytes(row.bytes) if row.bytes or row.state not in AT_WORK else "–"
        case Column.CHUNKS:
            return "–" if row.chunks is None else grouped_digits(row.chunks)
        case Column.STATUS:
            return file_words(row).text


def _shared(old: list[FileRow], new: list[FileRow]) -> int:
    """How many files both lists begin with."""
    count = 0
    for was, row in zip(old, new, strict=False):
        if (was.root, was.path) != (row.root, row.path):
            break
        count += 1
    return count
