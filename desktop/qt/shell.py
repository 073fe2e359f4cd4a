"""The main window: pages between rail and status bar, and everything that belongs to the window as a whole."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QRect, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QCloseEvent, QGuiApplication
from PySide6.QtWidgets import QApplication, QFileDialog, QStackedWidget, QWidget

from desktop.paths import Paths
from desktop.qt.bridge import Bridge
from desktop.qt.chat_page import ChatPage
from desktop.qt.commands import Commands
from desktop.qt.components.command_palette import CommandPalette
from desktop.qt.components.drop import DropOverlay
from desktop.qt.components.toast import ToastHost
from desktop.qt.engine_popover import EnginePopover
from desktop.qt.files.in_window import FilesInWindow
from desktop.qt.files.known import KnownFiles
from desktop.qt.files.page import FilesPage
from desktop.qt.imports import Imports
from desktop.qt.model_actions import ModelActions
from desktop.qt.model_making import ModelMaking
from desktop.qt.model_news import ModelNews, ask_to_remove
from desktop.qt.model_picker import ModelPicker
from desktop.qt.models.drops import Drops
from desktop.qt.models.folding import Folding
from desktop.qt.models.job_actions import JobActions
from desktop.qt.models.job_news import JobNews
from desktop.qt.models.page import ModelsPage
from desktop.qt.palette_rows import PaletteSource
from desktop.qt.rail import Rail
from desktop.qt.settings_panel import SettingsPanel
from desktop.qt.shortcuts_panel import ShortcutsPanel
from desktop.qt.status_bar import StatusBar
from desktop.qt.store import Store
from desktop.qt.surface import Pane, column, row
from desktop.qt.theme import Theme
from desktop.qt.tray import Tray
from desktop.qt.window_commands import window_commands
from desktop.qt.window_icon import window_icon
from desktop.qt.window_place import MINIMUM, on_a_screen, room_on_screen
from desktop.qt.window_state import WindowState, load_window_state, save_window_state

if TYPE_CHECKING:
    from desktop.client import Client

DROPS = {
    "chat": "Drop files to ask about them in this chat, or models to add",
    "models": "Drop to add models, folders or checkpoints",
    "files": "Drop files and folders to index them",
}
LastRequest = Callable[["Client"], Coroutine[Any, Any, object]]


class MainWindow(Pane):
    """The window of one data folder. `show_first()` shows it, then begins to connect; `quit()` ends it: `finished`."""

    finished = Signal()

    def __init__(self, theme: Theme, bridge: Bridge, paths: Paths) -> None:
        super().__init__(theme, "bg_surface")
        self._bridge = bridge
        self._paths = paths
        self.state = load_window_state(paths.window_state)
        self._quitting = False
        self._restored_chat = False
        self._port_problem = ""
        self.setWindowTitle("Jackdaw")
        self.setMinimumSize(*MINIMUM)
        self.setWindowIcon(window_icon(theme))
        _use_look(theme, self.state)
        self.store = Store(bridge, self)
        self.actions_of_models = ModelActions(bridge, self.store)
        self.imports = Imports(bridge, self.store)
        self.jobs = JobActions(bridge, self.store)
        self.drops = Drops(theme, self, bridge, self.imports, self.jobs)
        self.toasts = ToastHost(theme, self, self._toast_floor)
        self.commands = Commands(self)
        self._make_parts()
        self._lay_out()
        self.commands.add(*window_commands(self))
        self._connect()
        self._restore()

    # -- start and end -----------------------------------------------------------------------------------------------

    def show_first(self) -> None:
        """Show the window; the service is looked for once it has been painted."""
        if self.state.maximized:
            self.showMaximized()
        else:
            self.show()
        QTimer.singleShot(0, self, self._bridge.start)

    @property
    def keep_serving(self) -> bool:
        return bool(self.store.settings.get("keep_serving", False))

    def last_request(self) -> LastRequest | None:
        """What is to be said to the service when the program ends: to stop, unless it is to go on serving."""
        if self.keep_serving or not self.store.settings:
            return None
        return lambda client: client.stop()

    def quit(self) -> None:
        """End the program; the service goes on only when it is to keep serving."""
        self._quitting = True
        self._save_state()
        self.tray.hide()
        self.hide()
        self.finished.emit()

    def closeEvent(self, event: QCloseEvent) -> None:
        if not self._quitting and self.keep_serving and self.tray.available:
            self._save_state()
            self.hide()
            event.ignore()
            return
        event.accept()
        if not self._quitting:
            self.quit()

    def come_to_front(self) -> None:
        """Show and raise the window, also from the tray."""
        self.setWindowState(self.windowState() & ~Qt.WindowState.WindowMinimized)
        self.show()
        self.raise_()
        self.activateWindow()

    def _save_state(self) -> None:
        state, chat = self.state, self.chat
        state.maximized = self.isMaximized()
        size = self.normalGeometry().size() if state.maximized else self.size()
        state.width, state.height = size.width(), size.height()
        if not state.maximized:
            # With the frame, as move() wants it: without, the window would sink by its title bar at every start.
            state.x, state.y = self.x(), self.y()
        state.list_open, state.inspector_open = chat.list_wanted, chat.inspector_wanted
        state.marks_unsupported = chat.inspector.sources.marks.isChecked()
        state.chat_id, state.model_id = chat.conversation.chat_id, chat.last_model
        state.theme, state.zoom = self.theme.mode, self.theme.zoom
        chat.inspector.parameters.save()
        save_window_state(self._paths.window_state, state)

    def _restore(self) -> None:
        state = self.state
        size = QSize(state.width, state.height)
        self.resize(size.expandedTo(QSize(*MINIMUM)))
        if (room := room_on_screen(self)) is not None and size.boundedTo(room) != size:
            # A window larger than the screen has its composer or its title bar out of reach.
            self.resize(size.boundedTo(room))
            state.maximized = True
        if state.x is not None and state.y is not None and on_a_screen(QRect(state.x, state.y, state.width, 60)):
            self.move(state.x, state.y)
        self.chat.list_wanted, self.chat.inspector_wanted = state.list_open, state.inspector_open
        self.chat.last_model = state.model_id
        self.chat.inspector.show_tab(state.inspector_tab)
        self.chat.inspector.sources.marks.setChecked(state.marks_unsupported)
        self.chat.fold_for(self.width())
        self.show_page("chat")

    def _chats_came(self) -> None:
        """Once, when the chats are known: go back to the one that was open when the window was closed."""
        if self._restored_chat:
            return
        self._restored_chat = True
        wanted = self.state.chat_id
        untouched = not self.chat.conversation.chat_id and not self.chat.column.composer.text
        if wanted and untouched and any(chat.id == wanted for chat in self.store.chats):
            self.chat.open_chat(wanted)

    # -- pages and panels --------------------------------------------------------------------------------------------

    def show_page(self, page_id: str) -> None:
        self.rail.show_page(page_id)
        page = {"chat": self.chat, "models": self.models, "files": self.files}[page_id]
        self.pages.setCurrentWidget(page)
        self.drop_cover.set_sentence(DROPS[page_id])
        if page is self.chat:
            self.chat.inspector.parameters.adapters.look_again()
            self.chat.column.composer.focus()
        elif page is self.files:
            self.files.enter()
        else:
            self.models.enter()

    def new_chat(self) -> None:
        self.show_page("chat")
        self.chat.new_chat()

    def open_chat(self, chat_id: str) -> None:
        self.show_page("chat")
        self.chat.open_chat(chat_id)

    def find_in_chat(self) -> None:
        """Find words in the conversation in view, models, or passages of files."""
        page = self.pages.currentWidget()
        if page is self.models:
            self.models.find_models()
        elif page is self.files:
            self.files.find_in_files()
        else:
            self.chat.column.find_bar.open_bar()

    def find_chat(self) -> None:
        """Go to the search over all chats."""
        self.show_page("chat")
        self.chat.find_chat()

    def open_picker(self) -> None:
        self.show_page("chat")
        self.picker.show_at(self.chat.column.header.pill, self.chat.conversation.model)

    def open_palette(self) -> None:
        self.palette_panel.open(self._palette_source.rows)

    def next_area(self, step: int = 1) -> None:
        """F6: move the focus to the next area of the window."""
        areas = [self.rail.first_focus()]
        areas += self._page.areas()
        areas.append(self.status_bar.engine)
        focused = QApplication.focusWidget()
        here = next((i for i, area in enumerate(areas) if _same_area(area, focused)), -1)
        areas[(here + step) % len(areas)].setFocus(Qt.FocusReason.ShortcutFocusReason)

    def choose_file(self) -> None:
        """Ask for GGUF files; the dialog does not block the window."""
        dialog = QFileDialog(self, "Add a model", str(Path.home()), "GGUF models (*.gguf);;All files (*)")
        dialog.setFileMode(QFileDialog.FileMode.ExistingFiles)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.filesSelected.connect(lambda names: self.import_files([Path(name) for name in names]))
        dialog.open()

    def import_files(self, paths: list[Path]) -> None:
        """Files and folders that were dropped or chosen for the library of models."""
        self.drops.take(paths)

    def take_drop(self, paths: list[Path]) -> None:
        """What was dropped somewhere on the window belongs to the page in view."""
        page = self.pages.currentWidget()
        if page is self.files:
            self.files.take(paths)
        elif page is self.chat and self.store.chat_models():
            self.drops.take_in_chat(paths, self.chat.column.asking.attach)
        else:
            self.import_files(paths)

    @property
    def _page(self) -> ChatPage | ModelsPage | FilesPage:
        page = self.pages.currentWidget()
        assert isinstance(page, ChatPage | ModelsPage | FilesPage)
        return page

    def _folding(self) -> ChatPage | Folding:
        page = self._page
        return page if isinstance(page, ChatPage) else page.folding

    def toggle_list(self) -> None:
        """Fold or unfold the list beside the page in view."""
        self._folding().toggle_list()

    def toggle_inspector(self) -> None:
        self._folding().toggle_inspector()

    def show_fault(self, sentence: str, trace: str) -> None:
        """A bug of ours: said once, with the traceback to copy."""
        self.toasts.show_toast(
            sentence, undo=lambda: QGuiApplication.clipboard().setText(trace), action="Copy the details"
        )

    # -- what is heard -----------------------------------------------------------------------------------------------

    def _settings_came(self) -> None:
        mode = self.store.settings.get("theme", "system")
        if mode in ("system", "light", "dark"):
            self.theme.set_mode(mode)
        self._show_tray_state()

    def _show_tray_state(self) -> None:
        status = self.store.status
        text = f"port {status.port.number}" if status is not None and status.port.open else "starting"
        self.tray.show_state(text, self.keep_serving)

    def _tell_port_problem(self) -> None:
        """Said once, as other programs wait in vain; the status bar goes on showing it."""
        status = self.store.status
        problem = status.port.problem if status is not None else ""
        if problem and problem != self._port_problem:
            self.toasts.show_toast(
                problem, undo=lambda: self.settings_panel.show_settings(about_keys=True), action="Settings"
            )
        self._port_problem = problem

    def _waits_for_model(self, model_id: str) -> bool:
        chat = self.chat.conversation
        return not chat.chat_id and chat.model in ("", model_id)

    def _chat_with(self, model_id: str) -> None:
        self.show_page("chat")
        self.chat.take_model(model_id)

    def _show_model(self, model_id: str) -> None:
        self.show_page("models")
        self.models.show_model(model_id)

    def show_models_view(self, row_id: str) -> None:
        """A view of the Models page by its row in the list there."""
        self.models.show_view(row_id)
        self.show_page("models")

    def _toast_floor(self) -> QWidget | None:
        """Toasts stay above the composer: the next message is written while they are read."""
        composer = self.chat.column.composer
        return composer if composer.isVisible() else None

    def _ask_to_remove(self, model_id: str) -> None:
        model = self.store.models.get(model_id)
        disk = self.models.known.disk
        use = next((row for row in disk.models if row.id == model_id), None) if disk is not None else None
        ask_to_remove(self.theme, model, self.actions_of_models, ours=self._paths.models, use=use, parent=self)

    # -- building ----------------------------------------------------------------------------------------------------

    def _make_parts(self) -> None:
        theme, bridge, store = self.theme, self._bridge, self.store
        self.rail = Rail(theme)
        self.rail.add_page("chat", "message-square", "Chat", "Ctrl+1")
        self.rail.add_page("models", "box", "Models", "Ctrl+2")
        self.rail.add_page("files", "library", "Files", "Ctrl+3")
        self.pages = QStackedWidget()
        self.known_files = KnownFiles(bridge, self)
        self.chat = ChatPage(theme, bridge, store, self.actions_of_models, self.toasts, known_files=self.known_files)
        self.models = ModelsPage(theme, bridge, store, self.actions_of_models, imports=self.imports, jobs=self.jobs)
        self.files = FilesPage(theme, bridge, store, self.known_files, jobs=self.jobs)
        self.making = ModelMaking(theme, self, store, bridge, self.models.inspector.local)
        self.pages.addWidget(self.chat)
        self.pages.addWidget(self.models)
        self.pages.addWidget(self.files)
        self.status_bar = StatusBar(theme, bridge, store, lambda: self.chat.conversation.model)
        self.picker = ModelPicker(theme, self, store, self.actions_of_models)
        self.engine_panel = EnginePopover(theme, self, bridge, store)
        self.settings_panel = SettingsPanel(theme, self, bridge, store)
        self.palette_panel = CommandPalette(theme, self)
        self._palette_source = PaletteSource(self.commands, store)
        self.news = ModelNews(
            store,
            self.imports,
            self.actions_of_models,
            self.toasts,
            takes_first=self._waits_for_model,
            told=self.models.isVisible,
        )
        self.job_news = JobNews(store, self.toasts, told=self.models.isVisible)
        self.files_in_window = FilesInWindow(self)
        self.drop_cover = DropOverlay(theme, self, DROPS["chat"])
        self.tray = Tray(self.windowIcon(), self)
        self.tray.show()

    def _lay_out(self) -> None:
        layout = column(self)
        middle = row()
        middle.addWidget(self.rail)
        middle.addWidget(self.pages, 1)
        layout.addLayout(middle, 1)
        layout.addWidget(self.status_bar)

    def show_keys(self) -> None:
        """All keys at a glance; made when it is first asked for."""
        if self.findChild(ShortcutsPanel) is None:
            ShortcutsPanel(self.theme, self, self.commands)
        panel = self.findChild(ShortcutsPanel)
        assert isinstance(panel, ShortcutsPanel)
        panel.show_keys()

    def _connect(self) -> None:
        self.rail.page_asked.connect(self.show_page)
        self.rail.settings_asked.connect(self.settings_panel.show_settings)
        self.status_bar.engine_asked.connect(lambda: self.engine_panel.show_at(self.status_bar.engine))
        self.status_bar.port_asked.connect(lambda: self.settings_panel.show_settings(about_keys=True))
        self.chat.chat_shown.connect(lambda _id: self.status_bar.refresh())
        self.chat.model_asked.connect(lambda _anchor: self.open_picker())
        self.chat.column.empty.dropped.connect(self.import_files)
        self.chat.column.empty.choose_asked.connect(self.choose_file)
        self.chat.column.empty.find_asked.connect(lambda: self.show_models_view("installed"))
        self.picker.chosen.connect(self.chat.take_model)
        self.picker.manage_asked.connect(lambda: self.show_page("models"))
        self.picker.choose_file_asked.connect(self.choose_file)
        self.models.chosen.connect(self._chat_with)
        self.models.choose_file_asked.connect(self.choose_file)
        self.models.remove_asked.connect(self._ask_to_remove)
        self.models.dropped.connect(self.import_files)
        self.models.quantize_requested.connect(self.making.quantize)
        self.making.use_asked.connect(self._chat_with)
        self.models.settings_asked.connect(self.settings_panel.show_settings)
        self.job_news.working.connect(lambda works: self.rail.set_dot("models", works))
        self.job_news.model_asked.connect(self._show_model)
        self.job_news.transfers_asked.connect(lambda: self.show_models_view("transfers"))
        self.news.chat_asked.connect(self._chat_with)
        self.drop_cover.dropped.connect(self.take_drop)
        self.palette_panel.chosen.connect(self._palette_chosen)
        self.store.chats_changed.connect(self._chats_came)
        self.store.settings_changed.connect(self._settings_came)
        self.store.status_changed.connect(self._show_tray_state)
        self.store.status_changed.connect(self._tell_port_problem)
        self.store.raise_asked.connect(self.come_to_front)
        self.tray.open_asked.connect(self.come_to_front)
        self.tray.quit_asked.connect(self.quit)
        self.tray.keep_serving_changed.connect(lambda on: self.store.change_settings({"keep_serving": on}))

    def _palette_chosen(self, row_id: str) -> None:
        kind, _, name = row_id.partition(":")
        if kind == "chat":
            self.open_chat(name)
        else:
            self.commands.run(name)


def _use_look(theme: Theme, state: WindowState) -> None:
    if state.theme in ("system", "light", "dark"):
        theme.set_mode(state.theme)  # type: ignore[arg-type]
    theme.set_zoom(state.zoom)


def _same_area(area: QWidget, focused: QWidget | None) -> bool:
    if focused is None:
        return False
    holder = area.parentWidget()
    return area is focused or (holder is not None and not holder.isWindow() and holder.isAncestorOf(focused))
