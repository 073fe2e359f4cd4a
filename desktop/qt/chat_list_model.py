"""Rows of the conversation list: headings and chats, as a Qt model with names for screen readers."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QAbstractListModel, QModelIndex, QObject, QPersistentModelIndex, Qt, Signal

from desktop.qt.chat_groups import grouped, when
from desktop.qt.components.label import plain_tooltip

if TYPE_CHECKING:
    from desktop.wire import ChatSummary

Index = QModelIndex | QPersistentModelIndex
CHAT = Qt.ItemDataRole.UserRole + 1
TIME = Qt.ItemDataRole.UserRole + 2
NO_PARENT = QModelIndex()


class ChatListModel(QAbstractListModel):
    """A row is a heading (`str`) or a chat; editing the display role renames: `rename_asked(id, title)`."""

    rename_asked = Signal(str, str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._rows: list[str | ChatSummary] = []
        self._now = datetime.now().astimezone()

    def show(self, chats: list[ChatSummary], now: datetime, *, heading: str = "") -> None:
        """Show chats in groups, or under the one `heading` in the order they come (search results, best first)."""
        rows: list[str | ChatSummary] = []
        if heading:
            rows = [heading, *chats]
        else:
            for name, group in grouped(chats, now):
                rows += [name, *group]
        self.beginResetModel()
        self._rows, self._now = rows, now
        self.endResetModel()

    def chat_at(self, index: Index) -> ChatSummary | None:
        row = self._rows[index.row()] if index.isValid() and index.row() < len(self._rows) else None
        return None if isinstance(row, str) else row

    def index_of(self, chat_id: str) -> QModelIndex:
        for place, row in enumerate(self._rows):
            if not isinstance(row, str) and row.id == chat_id:
                return self.index(place)
        return QModelIndex()

    def rowCount(self, parent: Index = NO_PARENT) -> int:
        return 0 if parent.isValid() else len(self._rows)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid() or index.row() >= len(self._rows):
            return None
        row = self._rows[index.row()]
        if isinstance(row, str):
            return row if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole) else None
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return row.title or "New chat"
            case Qt.ItemDataRole.EditRole:
                return row.title
            case Qt.ItemDataRole.AccessibleTextRole:
                pinned = ", pinned" if row.pinned else ""
                return f"{row.title or 'New chat'}, {when(row.updated_at, self._now)}{pinned}"
            case Qt.ItemDataRole.ToolTipRole:
                return plain_tooltip(row.title) or None
        if role == CHAT:
            return row
        return when(row.updated_at, self._now) if role == TIME else None

    def setData(self, index: Index, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:
        chat = self.chat_at(index)
        title = str(value).strip()
        if chat is None or role != Qt.ItemDataRole.EditRole or not title or title == chat.title:
            return False
        self._rows[index.row()] = chat.model_copy(update={"title": title})
        self.dataChanged.emit(index, index)
        self.rename_asked.emit(chat.id, title)
        return True

    def flags(self, index: Index) -> Qt.ItemFlag:
        if self.chat_at(index) is None:
            return Qt.ItemFlag.NoItemFlags
        return Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsEditable
