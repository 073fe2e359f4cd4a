"""The list beside the page: collections, how much the index takes, and by what it is embedded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QAbstractListModel, QModelIndex, QPersistentModelIndex, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QWidget

from desktop.qt.components.button import Button, IconButton
from desktop.qt.components.field import SearchField
from desktop.qt.components.label import ElidedLabel, Label
from desktop.qt.components.rows import RowList, RowRole
from desktop.qt.figures import in_bytes
from desktop.qt.files.words import disk_bytes, holds
from desktop.qt.surface import Pane, column, row
from desktop.qt.theme import Theme
from desktop.qt.tokens import HEADER, LIST

if TYPE_CHECKING:
    from desktop.wire_files import Collection, IndexStatus

Index = QModelIndex | QPersistentModelIndex
NO_PARENT = QModelIndex()
BUSY = {"indexing": "Indexing", "paused": "Paused", "waiting": "Waiting", "failed": "Failed"}
TONES = {"indexing": "accent", "failed": "danger", "paused": "warning"}


class CollectionModel(QAbstractListModel):
    """Collections whose names hold the words that are searched for."""

    def __init__(self) -> None:
        super().__init__()
        self._all: list[Collection] = []
        self._shown: list[Collection] = []
        self._words = ""

    def show(self, collections: Sequence[Collection], words: str) -> None:
        """Show those; rows that stay are only refreshed."""
        self._all, self._words = list(collections), words.lower().strip()
        wanted = [one for one in self._all if self._words in one.name.lower()]
        if [one.id for one in wanted] == [one.id for one in self._shown]:
            self._shown = wanted
            if wanted:
                self.dataChanged.emit(self.index(0), self.index(len(wanted) - 1))
            return
        self.beginResetModel()
        self._shown = wanted
        self.endResetModel()

    def at(self, index: Index) -> Collection | None:
        return self._shown[index.row()] if index.isValid() and index.row() < len(self._shown) else None

    def index_of(self, collection_id: int) -> QModelIndex:
        places = (self.index(number) for number, one in enumerate(self._shown) if one.id == collection_id)
        return next(places, QModelIndex())

    def rowCount(self, parent: Index = NO_PARENT) -> int:
        return 0 if parent.isValid() else len(self._shown)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        one = self.at(index)
        if one is None:
            return None
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return one.name
            case RowRole.DETAIL:
                return holds(one)
            case RowRole.ICON:
                return "library"
            case RowRole.TRAILING:
                return BUSY.get(one.state, "")
            case RowRole.TONE:
                return TONES.get(one.state, "text3")
            case Qt.ItemDataRole.AccessibleTextRole:
                return ", ".join(part for part in (one.name, holds(one), BUSY.get(one.state, "")) if part)
        return None


class CollectionRows(RowList):
    """Arrow keys show another collection at once; Enter or Right goes into it, Delete asks to remove it."""

    entered = Signal()
    removal_asked = Signal()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Right):
            self.entered.emit()
        elif event.key() == Qt.Key.Key_Delete:
            self.removal_asked.emit()
        else:
            super().keyPressEvent(event)


class FilesNav(Pane):
    """`chosen(id)` when another collection is taken; `add_asked`, `doctor_asked`, `entered`, `removal_asked`."""

    chosen = Signal(int)
    add_asked = Signal()
    doctor_asked = Signal()
    entered = Signal()
    removal_asked = Signal()

    def __init__(self, theme: Theme) -> None:
        super().__init__(theme, "bg_list", ("right",))
        self.setAccessibleName("Collections")
        self.model = CollectionModel()
        self.rows = CollectionRows(theme, "Collections", self.model)
        self.rows.viewport().setAutoFillBackground(False)
        self.search = SearchField(theme, "Search collections", "Search collections")
        self.add = IconButton(theme, "folder-plus", "Add a collection", token="accent")
        self.doctor = Button(theme, "Check the index", "ghost", icon="activity", small=True)
        self._none = Label(theme, "", "small", "text3", wrap=True)
        self.problem = Label(theme, "", "small", "danger", wrap=True)
        self._disk = Label(theme, "–", "small", "text2")
        self._embedder = ElidedLabel(theme, "–", "small", "text2")
        self._embedder.setAlignment(Qt.AlignmentFlag.AlignRight)
        self._all: Sequence[Collection] = ()
        self._wanted = 0
        self._lay_out()
        self.rows.selectionModel().currentChanged.connect(self._current_changed)
        self.rows.entered.connect(self.entered)
        self.rows.removal_asked.connect(self.removal_asked)
        self.search.textChanged.connect(lambda _text: self._refresh())
        self.search.move_requested.connect(lambda _step: self.rows.setFocus(Qt.FocusReason.TabFocusReason))
        self.search.returnPressed.connect(self.entered)
        self.add.clicked.connect(self.add_asked)
        self.doctor.clicked.connect(self.doctor_asked)

    @property
    def current(self) -> int:
        """Id of the collection that is chosen, 0 for none."""
        return self._wanted

    def show_collections(self, collections: Sequence[Collection]) -> None:
        """Show these; the one that was chosen stays so, else the first is."""
        self._all = collections
        if self._wanted not in {one.id for one in collections}:
            self._wanted = 0
        self._refresh()
        if not self._wanted and collections:
            self.choose(collections[0].id)

    def choose(self, collection_id: int) -> None:
        """Take a collection; tells by `chosen` when it is another."""
        index = self.model.index_of(collection_id)
        if not index.isValid() and self.search.text():
            self.search.clear()
            index = self.model.index_of(collection_id)
        if index.isValid():
            self.rows.setCurrentIndex(index)

    def show_status(self, status: IndexStatus) -> None:
        """The figures at the foot, with what is wrong with the index as a whole."""
        self.problem.setText(status.problem)
        self.problem.setVisible(bool(status.problem))
        self._disk.setText(in_bytes(disk_bytes(status)))
        self._embedder.setText(status.embedder_name or "–")
        self._embedder.setAccessibleDescription(status.runtime)

    def first_focus(self) -> QWidget:
        return self.search if self.search.text() and not self.model.rowCount() else self.rows

    def _refresh(self) -> None:
        words = self.search.text()
        self.rows.selectionModel().blockSignals(True)
        self.model.show(self._all, words)
        index = self.model.index_of(self._wanted)
        if index.isValid():
            self.rows.setCurrentIndex(index)
        self.rows.selectionModel().blockSignals(False)
        self._none.setText(f"No collection is called “{words}”." if self._all and words else "")
        self._none.setVisible(bool(self._none.text()) and not self.model.rowCount())
        self.rows.viewport().update()

    def _current_changed(self, index: QModelIndex) -> None:
        one = self.model.at(index)
        if one is not None and one.id != self._wanted:
            self._wanted = one.id
            self.chosen.emit(one.id)

    def _lay_out(self) -> None:
        layout = column(self, margins=(0, 0, 1, 0))
        head = row(margins=(16, 0, 12, 0))
        head.addWidget(Label(self.theme, "Files", "title"), 1)
        head.addWidget(self.add)
        bar = QWidget()
        bar.setLayout(head)
        bar.setFixedHeight(HEADER)
        layout.addWidget(bar)
        search = row(margins=(12, 0, 12, 8))
        search.addWidget(self.search)
        layout.addLayout(search)
        title = row(margins=(18, 6, 12, 4))
        title.addWidget(Label(self.theme, "Collections", "meta", "text2", weight=600))
        layout.addLayout(title)
        none = row(margins=(18, 4, 12, 4))
        none.addWidget(self._none)
        self._none.hide()
        layout.addLayout(none)
        rows = row(margins=(8, 0, 8, 0))
        rows.addWidget(self.rows)
        layout.addLayout(rows, 1)
        layout.addWidget(self._foot())
        self.theme.changed.connect(self._resized)
        self._resized()

    def _foot(self) -> QWidget:
        foot = QWidget()
        foot_column = column(foot, margins=(4, 8, 16, 12), gap=4)
        lines = column(margins=(12, 0, 0, 0), gap=4)
        problem = row(margins=(12, 0, 0, 0))
        problem.addWidget(self.problem)
        self.problem.hide()
        foot_column.addLayout(problem)
        doctor = row()
        doctor.addWidget(self.doctor)
        doctor.addStretch(1)
        foot_column.addLayout(doctor)
        foot_column.addLayout(lines)
        for name, value in (("Index on disk", self._disk), ("Embeddings", self._embedder)):
            line = row(gap=12)
            line.addWidget(Label(self.theme, name, "small", "text2"))
            line.addWidget(value, 1, Qt.AlignmentFlag.AlignRight)
            lines.addLayout(line)
        return foot

    def _resized(self) -> None:
        self.setFixedWidth(self.theme.px(LIST))
