"""What the window does for files: dialogs, the way from a chat to its evidence, from a collection to a chat."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt
from PySide6.QtWidgets import QFileDialog

from desktop.qt.bridge import Failure
from desktop.qt.files.news import FilesNews

if TYPE_CHECKING:
    from desktop.qt.shell import MainWindow
    from desktop.wire import Message
    from desktop.wire_files import Source


class FilesInWindow(QObject):
    """Joins the Files page and the Chat page of one window."""

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self._window = window
        files, chat = window.files, window.chat
        files.choose_asked.connect(lambda folder: self._choose(folder, "Index", files.take))
        files.ask_asked.connect(self.ask_collection)
        files.actions_of_files.refused.connect(self._refused)
        chat.preview_asked.connect(self._preview)
        chat.open_asked.connect(files.actions_of_files.open_result)
        chat.why_asked.connect(self._show_why)
        asking = chat.column.asking
        asking.choose_asked.connect(lambda folder: self._choose(folder, "Attach", asking.attach))
        self.news = FilesNews(window.store, window.toasts, told=files.isVisible)
        self.news.working.connect(lambda works: window.rail.set_dot("files", works))
        self.news.page_asked.connect(lambda: window.show_page("files"))
        window.known_files.told.connect(self.news.check_failed)
        asking.page_asked.connect(lambda: window.show_page("files"))

    def add_folder(self) -> None:
        """Ask for a folder to be indexed."""
        self._window.show_page("files")
        self._choose(True, "Index", self._window.files.take)

    def ask_collection(self, name: str) -> None:
        """Ask a collection in the chat in view."""
        self._window.show_page("chat")
        self._window.chat.column.asking.ask_collection(name)

    def _choose(self, folder: bool, verb: str, take: Callable[[list[Path]], None]) -> None:
        """Ask for a folder, or for files; the dialog does not block the window."""
        title = f"{verb} a folder" if folder else f"{verb} files"
        dialog = QFileDialog(self._window, title, str(Path.home()))
        dialog.setFileMode(QFileDialog.FileMode.Directory if folder else QFileDialog.FileMode.ExistingFiles)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.filesSelected.connect(lambda names: take([Path(name) for name in names]))
        dialog.open()

    def _preview(self, source: Source) -> None:
        self._window.files.over.preview.show_result(source)

    def _show_why(self, message: Message | None) -> None:
        if message is not None and message.why_id:
            why = self._window.chat.inspector.evidence.why
            title = why.question if why is not None else "this answer"
            self._window.files.over.why.show_id(message.why_id, title, why=why)

    def _refused(self, what: str, failure: Failure) -> None:
        """On the page itself it is told there."""
        if not self._window.files.isVisible():
            self._window.toasts.show_toast(f"{what} did not work: {failure.message}")
