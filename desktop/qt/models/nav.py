"""The list beside the page: library, tasks, and how full the model folder is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QAbstractListModel, QModelIndex, QPersistentModelIndex, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QWidget

from desktop.qt.components.button import IconButton
from desktop.qt.components.field import SearchField
from desktop.qt.components.gauges import ProgressBar
from desktop.qt.components.label import Label
from desktop.qt.components.rows import RowList, RowRole
from desktop.qt.figures import of_bytes
from desktop.qt.surface import Pane, column, row
from desktop.qt.theme import Theme
from desktop.qt.tokens import HEADER, LIST

if TYPE_CHECKING:
    from desktop.wire_models import DiskUse

Index = QModelIndex | QPersistentModelIndex
NO_PARENT = QModelIndex()
FULL = 0.9  # of the disk's room for models: above this the bar warns


@dataclass(frozen=True, slots=True)
class NavRow:
    """A row: a view of the page ("installed", …), a task ("task:code"), or with `id` "" the heading above some."""

    id: str
    title: str
    icon: str = ""


ROWS = (
    NavRow("", "Library"),
    NavRow("installed", "Installed", "hard-drive"),
    NavRow("discover", "Discover", "compass"),
    NavRow("transfers", "Transfers", "download"),
    NavRow("stores", "On this computer", "monitor"),
    NavRow("", "By task"),
    NavRow("task:code", "Code", "code"),
    NavRow("task:chat", "Chat", "message-square"),
    NavRow("task:reasoning", "Reasoning", "brain"),
    NavRow("task:autocomplete", "Completion", "pencil"),
    NavRow("task:vision", "Vision", "image"),
    NavRow("task:embedding", "Embedding", "waypoints"),
    NavRow("task:rerank", "Reranking", "arrow-down-narrow-wide"),
)


class NavModel(QAbstractListModel):
    """ROWS with a count behind some of them."""

    def __init__(self) -> None:
        super().__init__()
        self._counts: dict[str, int] = {}

    def set_count(self, row_id: str, count: int) -> None:
        """Show a count; 0 shows none."""
        if self._counts.get(row_id, 0) != count:
            self._counts[row_id] = count
            index = self.index_of(row_id)
            self.dataChanged.emit(index, index)

    def index_of(self, row_id: str) -> QModelIndex:
        return self.index(next(place for place, row in enumerate(ROWS) if row.id == row_id))

    def rowCount(self, parent: Index = NO_PARENT) -> int:
        return 0 if parent.isValid() else len(ROWS)

    def flags(self, index: Index) -> Qt.ItemFlag:
        chooses = index.isValid() and ROWS[index.row()].id
        return super().flags(index) if chooses else Qt.ItemFlag.NoItemFlags

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid():
            return None
        row = ROWS[index.row()]
        count = self._counts.get(row.id, 0)
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return row.title
            case Qt.ItemDataRole.AccessibleTextRole:
                return f"{row.title}, {count}" if count else row.title
            case RowRole.ICON:
                return row.icon
            case RowRole.SECTION:
                return not row.id
            case RowRole.TRAILING:
                return str(count) if count else ""
        return None


class NavList(RowList):
    """Arrow keys change the view at once; Enter goes to its content."""

    entered = Signal()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Right):
            self.entered.emit()
        else:
            super().keyPressEvent(event)


class ModelsNav(Pane):
    """`chosen(id)` when another row is taken; `filter_changed(text)`; `add_asked` for a file; `entered` by Enter."""

    chosen = Signal(str)
    entered = Signal()
    filter_changed = Signal(str)
    add_asked = Signal()

    def __init__(self, theme: Theme) -> None:
        super().__init__(theme, "bg_list", ("right",))
        self.setAccessibleName("Library")
        self.model = NavModel()
        self.rows = NavList(theme, "Library", self.model)
        self.rows.viewport().setAutoFillBackground(False)
        self.filter = SearchField(theme, "Filter library", "Filter library")
        self.add = IconButton(theme, "folder-plus", "Add a model from a file", token="accent")
        self._folder = Label(theme, "", "small", "text2")
        self._bar = ProgressBar(theme, "Model folder")
        self._foot = QWidget()
        self._lay_out()
        self._foot.hide()
        self.rows.selectionModel().currentChanged.connect(self._current_changed)
        self.rows.entered.connect(self.entered)
        self.filter.textChanged.connect(self.filter_changed)
        self.filter.move_requested.connect(lambda _step: self.entered.emit())
        self.filter.returnPressed.connect(self.entered)
        self.add.clicked.connect(self.add_asked)

    @property
    def current(self) -> str:
        index = self.rows.currentIndex()
        return ROWS[index.row()].id if index.isValid() else ""

    def choose(self, row_id: str) -> None:
        self.rows.setCurrentIndex(self.model.index_of(row_id))

    def first_focus(self) -> QWidget:
        return self.rows

    def show_disk(self, use: DiskUse) -> None:
        """How much of the room for models is used: what ours take, of that and what is free."""
        taken = use.used_bytes + use.partial_bytes
        room = taken + use.free_bytes
        self._folder.setText(of_bytes(taken, room))
        self._folder.setToolTip(use.folder)
        share = taken / room if room else 0.0
        self._bar.set_fraction(share, "warning" if share > FULL else "accent")
        self._bar.setAccessibleDescription(f"{of_bytes(taken, room)} in {use.folder}")
        self._foot.show()

    def _current_changed(self, index: QModelIndex) -> None:
        if index.isValid() and ROWS[index.row()].id:
            self.chosen.emit(ROWS[index.row()].id)

    def _lay_out(self) -> None:
        layout = column(self, margins=(0, 0, 1, 0))
        head = row(margins=(16, 0, 12, 0))
        head.addWidget(Label(self.theme, "Models", "title"), 1)
        head.addWidget(self.add)
        bar = QWidget()
        bar.setLayout(head)
        bar.setFixedHeight(HEADER)
        layout.addWidget(bar)
        search = row(margins=(12, 0, 12, 8))
        search.addWidget(self.filter)
        layout.addLayout(search)
        rows = row(margins=(8, 0, 8, 0))
        rows.addWidget(self.rows)
        layout.addLayout(rows, 1)
        foot = column(self._foot, margins=(16, 8, 16, 12), gap=6)
        words = row()
        words.addWidget(Label(self.theme, "Model folder", "small", weight=500), 1)
        words.addWidget(self._folder)
        foot.addLayout(words)
        foot.addWidget(self._bar)
        layout.addWidget(self._foot)
        self.theme.changed.connect(self._resized)
        self._resized()

    def _resized(self) -> None:
        self.setFixedWidth(self.theme.px(LIST))
