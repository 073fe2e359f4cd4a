"""The Files page: collections, what is in the one in view, and a search that shows what would be read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QPoint, Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QWidget

from desktop.qt.bridge import Bridge, Failure
from desktop.qt.components.menu import Menu
from desktop.qt.files.actions import FileActions
from desktop.qt.files.collection_view import CollectionView
from desktop.qt.files.known import KnownFiles
from desktop.qt.files.nav import FilesNav
from desktop.qt.files.over import FilesOver
from desktop.qt.files.retrieval import Wish
from desktop.qt.files.retrieval_panel import RetrievalPanel
from desktop.qt.models.folding import Folding
from desktop.qt.models.job_actions import JobActions
from desktop.qt.store import Store
from desktop.qt.surface import row
from desktop.qt.theme import Theme

if TYPE_CHECKING:
    from desktop.wire import Job
    from desktop.wire_files import Collection, FileRow, FilesEvent, SearchResult


class FilesPage(QWidget):
    """`choose_asked(folder)` for a dialog of the window; `ask_asked(name)` to ask a collection in a chat."""

    choose_asked = Signal(bool)  # True: a folder
    ask_asked = Signal(str)

    def __init__(self, theme: Theme, bridge: Bridge, store: Store, known: KnownFiles, *, jobs: JobActions) -> None:
        super().__init__()
        self.setAccessibleName("Files")
        self.theme = theme
        self._bridge = bridge
        self._store = store
        self.known = known
        self.jobs = jobs
        self.actions_of_files = FileActions(bridge, known)
        self.nav = FilesNav(theme)
        self.view = CollectionView(theme, bridge)
        self.panel = RetrievalPanel(theme, bridge)
        self.over = FilesOver(theme, self, bridge, known, self.actions_of_files)
        layout = row(self)
        layout.addWidget(self.nav)
        layout.addWidget(self.view, 1)
        layout.addWidget(self.panel)
        self.folding = Folding(theme, self, self.nav, self.panel, [self.view.header])
        self._connect()
        self._collections_changed()

    @property
    def collection(self) -> Collection | None:
        """The one in view."""
        return self.known.of_id(self.nav.current)

    def enter(self) -> None:
        """The page is shown: ask for what it needs."""
        self.known.want()
        self.view.files.refresh_soon()
        self.first_focus().setFocus(Qt.FocusReason.TabFocusReason)

    def first_focus(self) -> QWidget:
        return self.view.first_focus() if self.nav.isHidden() else self.nav.first_focus()

    def find_in_files(self) -> None:
        """Ctrl+F: search in the files."""
        if self.panel.isHidden():
            self.folding.open_inspector()
        self.panel.field.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.panel.field.selectAll()

    def areas(self) -> list[QWidget]:
        """Where F6 leads within this page."""
        areas = [] if self.nav.isHidden() else [self.nav.first_focus()]
        areas.append(self.view.first_focus())
        return areas if self.panel.isHidden() else [*areas, self.panel.first_focus()]

    def take(self, paths: Sequence[Path]) -> None:
        """Files and folders that were dropped or chosen: ask what shall be read of them."""
        if paths:
            self.over.plan.show_for(paths, self.collection)

    def show_collection(self, name: str) -> None:
        """Go to a collection by its name."""
        if (one := self.known.named(name)) is not None:
            self.nav.choose(one.id)

    # What is heard

    def _collections_changed(self) -> None:
        self.nav.show_collections(self.known.collections)
        self._show_collection()

    def _status_changed(self) -> None:
        if self.known.status is not None:
            self.nav.show_status(self.known.status)

    def _chosen(self, _collection_id: int) -> None:
        self._show_collection()

    def _show_collection(self) -> None:
        collection = self.collection
        self.view.show_collection(collection, known=self.known.known, failure=self.known.failure)
        if collection is not None:
            self.panel.show_collection(collection.name)
        elif self.known.known:
            self.panel.field.clear()
        self.panel.setEnabled(collection is not None)
        self._show_job()

    def _show_job(self, _job: object = None) -> None:
        collection = self.collection
        job = self._store.jobs.get(collection.job_id) if collection is not None else None
        self.view.progress.show_job(job)

    def _job_changed(self, job: Job) -> None:
        collection = self.collection
        if collection is not None and job.id == collection.job_id:
            self._show_job()
            if job.state not in ("pending", "running"):
                self.view.files.refresh_soon()

    def _told(self, news: FilesEvent) -> None:
        collection = self.collection
        if collection is not None and news.id == collection.id and self.isVisible():
            self.view.files.patch(news.files)
            if news.action == "changed":
                self.view.files.refresh_soon()
                self.panel.look_again()

    def _refused(self, what: str, failure: Failure) -> None:
        self.view.say(f"{what} did not work: {failure.message}", failure.hint)

    def _added(self, collection: Collection) -> None:
        self._store.ask_all()
        self.nav.choose(collection.id)

    # What is asked for

    def act(self, act: str) -> None:
        """What the menu of the collection offers, by its id."""
        collection = self.collection
        if collection is None:
            return
        match act:
            case "rename" | "settings" | "folders":
                self.over.sheet.show_collection(collection, about=act)
            case "ask":
                self.ask_asked.emit(collection.name)
            case "pause":
                self.actions_of_files.change(collection.id, {"paused": not collection.paused})
            case "watch":
                self.actions_of_files.change(collection.id, {"watch": not collection.watch})
            case "local_only":
                self.actions_of_files.change(collection.id, {"local_only": not collection.local_only})
            case "doctor":
                self.over.doctor.show_for(collection.name)
            case "remove":
                self.over.ask_to_remove(collection)

    def _file_menu(self, file: FileRow, point: QPoint) -> None:
        menu = Menu(self.theme, file.path, self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        icon = self.theme.icon
        menu.addAction(icon("external-link"), "Open in editor", lambda: self._open(file))
        if file.state == "indexed":
            menu.addAction(icon("eye"), "Preview", lambda: self._preview(file))
        if file.state == "failed":
            menu.addAction(icon("refresh-cw"), "Retry", lambda: self._retry(file))
        menu.addSeparator()
        menu.addAction(icon("trash-2"), "Remove from the index", lambda: self._remove(file))
        menu.popup(self.view.table.viewport().mapToGlobal(point))

    def _open(self, file: FileRow) -> None:
        self.actions_of_files.open_file(file.file)

    def _preview(self, file: FileRow) -> None:
        self.over.preview.show_file(file.file)

    def _preview_result(self, found: SearchResult) -> None:
        self.over.preview.show_result(found)

    def _show_why(self, wish: Wish) -> None:
        self.over.why.show_wish(wish)

    def _retry(self, _file: FileRow) -> None:
        if (collection := self.collection) is not None:
            self.actions_of_files.reindex(collection.id)

    def _remove(self, file: FileRow) -> None:
        if (collection := self.collection) is not None:
            self.actions_of_files.remove_paths(collection.name, [file.file])

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            self.folding.fold_for(self.window().width())

    def _connect(self) -> None:
        known, view = self.known, self.view
        known.changed.connect(self._collections_changed)
        known.status_changed.connect(self._status_changed)
        known.told.connect(self._told)
        self.nav.chosen.connect(self._chosen)
        self.nav.entered.connect(lambda: self.view.first_focus().setFocus(Qt.FocusReason.TabFocusReason))
        self.nav.add_asked.connect(lambda: self.choose_asked.emit(True))
        self.nav.doctor_asked.connect(lambda: self.over.doctor.show_for(""))
        self.nav.removal_asked.connect(lambda: self.act("remove"))
        self._store.job_changed.connect(self._job_changed)
        self._store.jobs_changed.connect(self._show_job)
        view.retry_asked.connect(known.ask)
        view.dropped.connect(self.take)
        view.choose_asked.connect(self.choose_asked)
        view.header.acted.connect(self.act)
        view.header.reindex_asked.connect(self._reindex)
        view.progress.paused.connect(self.jobs.pause)
        view.progress.resumed.connect(self.jobs.resume)
        view.progress.cancelled.connect(self.jobs.cancel)
        view.table.opened.connect(self._open)
        view.table.menu_asked.connect(self._file_menu)
        view.facts.open_asked.connect(self._open)
        view.facts.preview_asked.connect(self._preview)
        view.facts.retry_asked.connect(self._retry)
        self.panel.preview_asked.connect(self._preview_result)
        self.panel.open_asked.connect(self.actions_of_files.open_result)
        self.panel.why_asked.connect(self._show_why)
        self.actions_of_files.refused.connect(self._refused)
        self.jobs.refused.connect(lambda what, failure: self._refused(what, failure) if self.isVisible() else None)
        self.actions_of_files.added.connect(self._added)

    def _reindex(self) -> None:
        if (collection := self.collection) is not None:
            self.actions_of_files.reindex(collection.id)
