"""The middle of the page: head, drop zone, the card of a running index, and the table of files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import QStackedWidget, QWidget

from desktop.qt.bridge import Bridge, Failure
from desktop.qt.components.drop import DropZone
from desktop.qt.components.field import SearchField
from desktop.qt.components.label import Label
from desktop.qt.components.notice import Notice
from desktop.qt.components.segmented import Segmented
from desktop.qt.components.states import EmptyState, Skeleton
from desktop.qt.figures import grouped_digits
from desktop.qt.files.file_facts import FileFacts
from desktop.qt.files.file_list import FileList
from desktop.qt.files.header import CollectionHeader
from desktop.qt.files.progress_card import ProgressCard
from desktop.qt.files.table import FileTable
from desktop.qt.files.table_model import FileTableModel
from desktop.qt.surface import Pane, column, row
from desktop.qt.theme import Theme

if TYPE_CHECKING:
    from desktop.wire_files import Collection

EDGE = 20
TYPED_MS = 250
STATES = ("", "failed", "skipped")
DROP_TITLE = "Drop files or folders here"
DROP_WORDS = "PDF, Markdown, source code, Office, CSV. They stay on this computer."
NOTHING_OF = {"": "No files yet.", "failed": "No file has a problem.", "skipped": "No file was left out."}


class CollectionView(Pane):
    """`dropped(paths)`, `choose_asked(folder)`, `retry_asked` when the collections could not be read."""

    dropped = Signal(list)
    choose_asked = Signal(bool)
    retry_asked = Signal()

    def __init__(self, theme: Theme, bridge: Bridge) -> None:
        super().__init__(theme, "bg_surface")
        self.setAccessibleName("Files of the collection")
        self.files = FileList(bridge)
        self.model = FileTableModel(self.files, self)
        self.header = CollectionHeader(theme)
        self.notice = Notice(theme, "error", "", closable=True)
        self.zone = DropZone(theme, DROP_TITLE, DROP_WORDS)
        self.progress = ProgressCard(theme)
        self.kind = Segmented(theme, "Which files", ["All", "Problems", "Skipped"])
        self.filter = SearchField(theme, "Filter files by name", "Filter by name")
        self.count = Label(theme, "", "small", "text2")
        self.table = FileTable(theme, self.model)
        self.facts = FileFacts(theme)
        self.empty = EmptyState(theme, "", icon="library")
        self._skeleton = Skeleton(theme, rows=8)
        self._stack = QStackedWidget()
        self._tools = QWidget()
        self._typed = QTimer(self, singleShot=True, interval=TYPED_MS)
        self._typed.timeout.connect(self._ask)
        self._retry = False
        self._lay_out()
        self._connect()

    def show_collection(self, collection: Collection | None, *, known: bool, failure: Failure | None) -> None:
        """Show this one, or what there is to do without one."""
        other = (collection.id if collection else 0) != (self.files.collection.id if self.files.collection else 0)
        self.header.show_collection(collection)
        if other:
            self.notice.hide()
            self.filter.clear()
            self.kind.set_index(0)
        self._tools.setVisible(collection is not None)
        self._ask(collection)
        if collection is None:
            self._show_none(known=known, failure=failure)
        else:
            self._show_files()

    def say(self, sentence: str, hint: str = "") -> None:
        """What did not work, where it was asked."""
        self.notice.show_message("error", sentence, hint=hint)
        self.notice.show()

    def first_focus(self) -> QWidget:
        if self._stack.currentWidget() is self.table:
            return self.table
        return self.zone.button if self.zone.isVisible() else self.empty.button

    def _ask(self, collection: Collection | None = None) -> None:
        collection = collection or self.files.collection
        if collection is None and self.header.collection is None:
            self.files.show(None)
            return
        self.files.show(self.header.collection, STATES[self.kind.index], self.filter.text().strip())

    def _show_none(self, *, known: bool, failure: Failure | None) -> None:
        self.facts.show_file(None)
        self._retry = failure is not None and not known
        if self._retry and failure is not None:
            self.empty.set_sentence(" ".join(part for part in (failure.message, failure.hint) if part), "Try again")
        elif known:
            self.empty.set_sentence(
                "Nothing is indexed yet. Add a folder, and ask questions about what is in it.", "Choose a folder…"
            )
        self._stack.setCurrentWidget(self.empty if known or self._retry else self._skeleton)

    def _show_files(self) -> None:
        files = self.files
        if files.collection is None:
            return
        self.count.setText(count_words(len(files.rows), files.total, has_more=files.has_more))
        if files.rows:
            self._stack.setCurrentWidget(self.table)
        elif not files.known:
            self._stack.setCurrentWidget(self._skeleton)
        else:
            words = f"No file's path holds “{files.words}”." if files.words else NOTHING_OF[files.state]
            self.empty.set_sentence(words)
            self._retry = False
            self._stack.setCurrentWidget(self.empty)
        if (chosen := self.table.current_file()) is not self.facts.row:
            self.facts.show_file(chosen)

    def _empty_acted(self) -> None:
        if self._retry:
            self.retry_asked.emit()
        else:
            self.choose_asked.emit(True)

    def _list_failed(self, failure: Failure) -> None:
        self.say(f"The files could not be listed: {failure.message}", failure.hint)

    def _connect(self) -> None:
        self.zone.dropped.connect(self.dropped)
        self.zone.choose_clicked.connect(lambda: self.choose_asked.emit(False))
        self.files.changed.connect(self._show_files)
        self.files.failed.connect(self._list_failed)
        self.kind.changed.connect(lambda _index: self._ask())
        self.filter.textChanged.connect(lambda _text: self._typed.start())
        self.filter.move_requested.connect(lambda step: self.table.choose_first() if step > 0 else None)
        self.filter.returnPressed.connect(self.table.choose_first)
        self.table.chosen.connect(self.facts.show_file)
        self.empty.action_clicked.connect(self._empty_acted)

    def _lay_out(self) -> None:
        layout = column(self, margins=(EDGE, 0, 0, 0))
        layout.addLayout(_ended(self.header))
        self.notice.hide()
        above = column(margins=(0, 0, EDGE, 0), gap=12)
        above.addWidget(self.notice)
        above.addWidget(self.zone)
        above.addWidget(self.progress)
        above.addWidget(self._tools)
        tools = row(self._tools, gap=12)
        tools.addWidget(self.kind)
        tools.addWidget(self.filter)
        self.filter.setMaximumWidth(self.theme.px(220))
        tools.addWidget(self.count, 0, Qt.AlignmentFlag.AlignVCenter)
        tools.addStretch(1)
        layout.addLayout(above)
        layout.addSpacing(4)
        for page in (self.table, self.empty, self._skeleton):
            self._stack.addWidget(page)
        table = row(margins=(0, 0, EDGE, 0))
        table.addWidget(self._stack)
        layout.addLayout(table, 1)
        layout.addWidget(self.facts)


def _ended(widget: QWidget):  # type: ignore[no-untyped-def]
    end = row(margins=(0, 0, EDGE, 0))
    end.addWidget(widget)
    return end


def count_words(shown: int, total: int, *, has_more: bool) -> str:
    """ "212 files"; while pages are missing "the first 200 of 1,204"."""
    if has_more and total > shown:
        return f"the first {grouped_digits(shown)} of {grouped_digits(total)}"
    return f"{grouped_digits(shown)} file{'s' if shown != 1 else ''}" if shown else ""
