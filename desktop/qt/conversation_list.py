"""The conversation list: search, groups by day, rename in place, pin, delete with undo."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from PySide6.QtCore import QItemSelectionModel, QModelIndex, QPoint, Qt, QTimer, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QAbstractItemView, QListView, QMenu, QStackedWidget, QWidget

from desktop.qt.bridge import Bridge, Call, Failure
from desktop.qt.chat_list_delegate import ChatListDelegate
from desktop.qt.chat_list_model import ChatListModel
from desktop.qt.components.button import IconButton
from desktop.qt.components.field import SearchField
from desktop.qt.components.label import Label
from desktop.qt.components.menu import Menu
from desktop.qt.components.states import Skeleton
from desktop.qt.store import Store
from desktop.qt.surface import Pane, column, row
from desktop.qt.theme import Theme
from desktop.qt.tokens import HEADER, LIST

if TYPE_CHECKING:
    from desktop.wire import ChatSummary

SEARCH_SETTLE_MS = 150
MINUTE_MS = 60_000


class ConversationList(Pane):
    """`chosen(id)`, `new_asked`, `rename_asked(id, title)`, `pin_asked(id, bool)`, `delete_asked(id, title)`."""

    chosen = Signal(str)
    new_asked = Signal()
    rename_asked = Signal(str, str)
    pin_asked = Signal(str, bool)
    delete_asked = Signal(str, str)

    def __init__(self, theme: Theme, bridge: Bridge, store: Store) -> None:
        super().__init__(theme, "bg_list", ("right",))
        self.setAccessibleName("Chats")
        self._bridge = bridge
        self._store = store
        self._current = ""
        self._query = ""
        self._search_call: Call | None = None
        self.search = SearchField(theme, "Search chats", "Search chats", keys="Ctrl K")
        self.new_button = IconButton(theme, "square-pen", "New chat", keys="Ctrl+N", token="accent")
        self.model = ChatListModel(self)
        self.view = ChatView(theme)
        self.view.setModel(self.model)
        self._delegate = ChatListDelegate(theme, self.view)
        self.view.setItemDelegate(self._delegate)
        self._empty = Label(theme, "", "small", "text3", wrap=True)
        self._stack = self._make_stack()
        self._lay_out()
        self._search_timer = QTimer(self, singleShot=True, interval=SEARCH_SETTLE_MS)
        self._search_timer.timeout.connect(self._search)
        # Only so that "Today" becomes "Yesterday" in a window that is left open.
        self._clock = QTimer(self, interval=MINUTE_MS)
        self._clock.timeout.connect(self._show_all)
        self._clock.start()
        self._connect()
        self._show_all()

    def set_current(self, chat_id: str) -> None:
        """Mark the chat that is shown; "" for none."""
        self._current = chat_id
        self._select_current()

    def set_busy(self, chat_id: str, busy: bool) -> None:
        """Mark a chat whose answer is being written."""
        (self._delegate.busy_ids.add if busy else self._delegate.busy_ids.discard)(chat_id)
        self.view.viewport().update()

    def focus_search(self) -> None:
        self.search.setFocus(Qt.FocusReason.ShortcutFocusReason)

    def first_focus(self) -> QWidget:
        return self.view if self.model.rowCount() else self.search

    # -- showing -----------------------------------------------------------------------------------------------------

    def _show_all(self) -> None:
        if self._query or self.view.state() == QAbstractItemView.State.EditingState:
            return
        self.model.show(self._store.chats, datetime.now().astimezone())
        if not self._store.chats_known and self._bridge.link.phase in ("failed", "stopped"):
            self._say("Your chats appear here once the service runs.")
        elif not self._store.chats_known:
            self._stack.setCurrentIndex(1)
        elif self._store.chats:
            self._stack.setCurrentIndex(0)
        else:
            self._say("No chats yet. Your conversations are kept here, on this computer.")
        self._select_current()

    def _link_changed(self, _link: object) -> None:
        if not self._store.chats_known:
            self._show_all()

    def _show_found(self, query: str, chats: list[ChatSummary]) -> None:
        if query != self._query:
            return
        word = "chat" if len(chats) == 1 else "chats"
        self.model.show(chats, datetime.now().astimezone(), heading=f"{len(chats)} {word} found")
        if chats:
            self._stack.setCurrentIndex(0)
        else:
            self._say(f"Nothing holds “{query}”.")
        self._select_current()

    def _say(self, text: str) -> None:
        self._empty.setText(text)
        self._stack.setCurrentIndex(2)

    def _select_current(self) -> None:
        index = self.model.index_of(self._current)
        selection = self.view.selectionModel()
        if index.isValid():
            selection.setCurrentIndex(index, QItemSelectionModel.SelectionFlag.ClearAndSelect)
        else:
            selection.clearSelection()

    # -- searching ---------------------------------------------------------------------------------------------------

    def _typed(self, text: str) -> None:
        self._query = text.strip()
        if self._query:
            self._search_timer.start()
        else:
            self._search_timer.stop()
            self._show_all()

    def _search(self) -> None:
        query = self._query
        if self._search_call is not None:
            self._search_call.cancel()
        if query:
            self._search_call = self._bridge.call(
                lambda client: client.chats(query),
                lambda chats: self._show_found(query, chats),
                self._search_failed,
                owner=self,
            )

    def _search_failed(self, failure: Failure) -> None:
        self._say(f"{failure.message} {failure.hint}".strip())

    def _chats_changed(self) -> None:
        if self._query:
            self._search_timer.start()
        else:
            self._show_all()

    # -- doing -------------------------------------------------------------------------------------------------------

    def _clicked(self, index: QModelIndex) -> None:
        chat = self.model.chat_at(index)
        if chat is not None:
            self.chosen.emit(chat.id)

    def _delete_current(self) -> None:
        chat = self.model.chat_at(self.view.currentIndex())
        if chat is not None:
            self.delete_asked.emit(chat.id, chat.title)

    def menu_for(self, index: QModelIndex) -> QMenu | None:
        """What can be done with a chat; None on a heading."""
        chat = self.model.chat_at(index)
        if chat is None:
            return None
        menu = Menu(self.theme, "This chat", self)
        menu.addAction(self.theme.icon("pencil"), "Rename", lambda: self.view.edit(index)).setShortcut("F2")
        pin = ("pin-off", "Unpin") if chat.pinned else ("pin", "Pin")
        menu.addAction(self.theme.icon(pin[0]), pin[1], lambda: self.pin_asked.emit(chat.id, not chat.pinned))
        menu.addSeparator()
        menu.addAction(
            self.theme.icon("trash-2"), "Delete", lambda: self.delete_asked.emit(chat.id, chat.title)
        ).setShortcut("Del")
        return menu

    def _menu_asked(self, place: QPoint) -> None:
        menu = self.menu_for(self.view.indexAt(place))
        if menu is not None:
            menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
            menu.popup(self.view.viewport().mapToGlobal(place))

    # -- building ----------------------------------------------------------------------------------------------------

    def _make_stack(self) -> QStackedWidget:
        stack = QStackedWidget()
        stack.addWidget(self.view)
        stack.addWidget(Skeleton(self.theme, rows=6))
        holder = QWidget()
        layout = column(holder, margins=(16, 16, 16, 16))
        layout.addWidget(self._empty)
        layout.addStretch(1)
        stack.addWidget(holder)
        return stack

    def _lay_out(self) -> None:
        layout = column(self)
        head = row(margins=(16, 0, 12, 0))
        head.addWidget(Label(self.theme, "Chats", "title"), 1)
        head.addWidget(self.new_button)
        bar = QWidget()
        bar.setLayout(head)
        bar.setFixedHeight(HEADER)
        layout.addWidget(bar)
        search = row(margins=(12, 0, 12, 8))
        search.addWidget(self.search)
        layout.addLayout(search)
        layout.addWidget(self._stack, 1)
        self.theme.changed.connect(self._resized)
        self._resized()

    def _resized(self) -> None:
        self.setFixedWidth(self.theme.px(LIST))
        self.view.doItemsLayout()

    def _connect(self) -> None:
        self._store.chats_changed.connect(self._chats_changed)
        self._bridge.link_changed.connect(self._link_changed)
        self.search.textChanged.connect(self._typed)
        self.search.move_requested.connect(lambda _step: self.view.setFocus(Qt.FocusReason.TabFocusReason))
        self.new_button.clicked.connect(self.new_asked)
        self.view.clicked.connect(self._clicked)
        self.view.activated.connect(self._clicked)
        self.view.delete_asked.connect(self._delete_current)
        self.view.customContextMenuRequested.connect(self._menu_asked)
        self.model.rename_asked.connect(self.rename_asked)


class ChatView(QListView):
    """A list of chats: F2 renames, Delete deletes, Enter opens."""

    delete_asked = Signal()

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.setAccessibleName("Chats")
        self.setMouseTracking(True)
        self.setUniformItemSizes(False)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setEditTriggers(QAbstractItemView.EditTrigger.EditKeyPressed)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.viewport().setAutoFillBackground(False)
        theme.changed.connect(self.viewport().update)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Delete:
            self.delete_asked.emit()
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.currentIndex().isValid():
            self.activated.emit(self.currentIndex())
        else:
            super().keyPressEvent(event)
