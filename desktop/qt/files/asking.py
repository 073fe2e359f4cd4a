"""Files in a chat: which collections it asks and what is attached to it, chosen at the composer."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QPoint, Qt, QTimer, Signal
from PySide6.QtWidgets import QWidget

from desktop.qt.components.label import plain_tooltip
from desktop.qt.components.menu import Menu
from desktop.qt.files.known import KnownFiles
from desktop.qt.theme import Theme

if TYPE_CHECKING:
    from desktop.qt.composer import Composer
    from desktop.qt.conversation import Conversation
    from desktop.wire_files import FilesEvent

SETTLE_MS = 200


class AskingFiles(QObject):
    """`choose_asked(folder)` for a dialog, `page_asked` for the Files page, `began` when the chat got files."""

    choose_asked = Signal(bool)
    page_asked = Signal()
    began = Signal()

    def __init__(self, theme: Theme, known: KnownFiles, composer: Composer) -> None:
        super().__init__(composer)
        self._theme = theme
        self._known = known
        self._composer = composer
        self._chat: Conversation | None = None
        self._look = QTimer(self, singleShot=True, interval=SETTLE_MS)
        self._look.timeout.connect(self._look_at_files)
        composer.attach_asked.connect(self._open_attach)
        composer.ask_files_asked.connect(self._open_collections)
        composer.asked.collection_removed.connect(self.forget_collection)
        composer.asked.file_removed.connect(self._detach)
        known.changed.connect(self._show)
        known.told.connect(self._told)

    def show_chat(self, chat: Conversation) -> None:
        """Show what this chat asks."""
        self._chat = chat
        self._show()

    def answer_ended(self) -> None:
        """Whether attached files were given whole is known by now."""
        if self._chat is not None and self._chat.files:
            self._look.start()

    def ask_collection(self, name: str) -> None:
        """Ask this collection before every answer from now on."""
        if self._chat is not None and name not in self._chat.collections:
            self._chat.patch({"collections": [*self._chat.collections, name]})
            self.began.emit()

    def forget_collection(self, name: str) -> None:
        """Ask this collection no longer."""
        if self._chat is not None:
            self._chat.patch({"collections": [one for one in self._chat.collections if one != name]})

    def attach(self, paths: Sequence[Path]) -> None:
        """Attach files or folders to the chat in view."""
        if self._chat is not None and paths:
            self._chat.attachments.attach(paths)
            self.began.emit()

    def attach_menu(self) -> Menu:
        """What can be attached."""
        menu = Menu(self._theme, "Attach to this chat", self._composer)
        icon = self._theme.icon
        menu.addAction(icon("file-text"), "Files…", lambda: self.choose_asked.emit(False))
        menu.addAction(icon("folder-open"), "A folder…", lambda: self.choose_asked.emit(True))
        return menu

    def collections_menu(self) -> Menu:
        """All collections; those that are asked are checked."""
        menu = Menu(self._theme, "Ask files", self._composer)
        asked = self._chat.collections if self._chat is not None else []
        for one in self._known.collections:
            action = menu.addAction(f"Ask {one.name}".replace("&", "&&"), partial(self._toggle, one.name))
            action.setToolTip(plain_tooltip(one.name))
            action.setCheckable(True)
            action.setChecked(one.name in asked)
        if not self._known.collections:
            menu.addAction("No collection yet").setEnabled(False)
        menu.addSeparator()
        menu.addAction(self._theme.icon("library"), "Collections…", self.page_asked.emit)
        return menu

    def _toggle(self, name: str) -> None:
        if self._chat is None:
            return
        if name in self._chat.collections:
            self.forget_collection(name)
        else:
            self.ask_collection(name)

    def _detach(self, path: str) -> None:
        if self._chat is not None:
            self._chat.attachments.detach(path)

    def _show(self) -> None:
        chat = self._chat
        if chat is None:
            return
        if chat.collections or chat.files:
            self._known.want()
        names = {one.name for one in self._known.collections}
        missing = [name for name in chat.collections if self._known.known and name not in names]
        self._composer.asked.show_asked(chat.collections, chat.files, missing)

    def _told(self, news: FilesEvent) -> None:
        """What is attached to the chat in view moves on."""
        chat = self._chat
        of_chat = news.collection is not None and chat is not None and news.collection.chat_id == chat.chat_id
        if of_chat and chat is not None and chat.chat_id and not self._look.isActive():
            self._look.start()

    def _look_at_files(self) -> None:
        if self._chat is not None:
            self._chat.attachments.look()

    def _open_attach(self, anchor: QWidget) -> None:
        self._open(self.attach_menu(), anchor)

    def _open_collections(self, anchor: QWidget) -> None:
        self._known.want()
        self._open(self.collections_menu(), anchor)

    def _open(self, menu: Menu, anchor: QWidget) -> None:
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        above = QPoint(0, menu.sizeHint().height() + self._theme.px(4))  # the composer is at the foot of the window
        menu.popup(anchor.mapToGlobal(QPoint(0, 0)) - above)
