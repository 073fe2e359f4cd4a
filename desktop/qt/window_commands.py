"""The window's commands and their keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from desktop.qt.branches import last_of
from desktop.qt.commands import Command

if TYPE_CHECKING:
    from desktop.qt.shell import MainWindow


def window_commands(window: MainWindow) -> list[Command]:
    """All commands of the window; those without `run` are handled where the focus is and listed for F1."""
    return [*_of_window(window), *_of_chat(window), *_of_reading(window), *_of_view(window)]


def _of_window(window: MainWindow) -> list[Command]:
    return [
        Command("palette", "Commands and chats", "Window", window.open_palette, ("Ctrl+K",), in_palette=False),
        Command("page-chat", "Go to Chat", "Window", lambda: window.show_page("chat"), ("Ctrl+1",), "message-square"),
        Command("page-models", "Go to Models", "Window", lambda: window.show_page("models"), ("Ctrl+2",), "box"),
        Command("page-files", "Go to Files", "Window", lambda: window.show_page("files"), ("Ctrl+3",), "library"),
        *_of_models(window),
        *_of_files(window),
        Command("add-model", "Add a model from a file…", "Window", window.choose_file, icon="folder-plus"),
        Command("settings", "Settings", "Window", window.settings_panel.show_settings, ("Ctrl+,",), "settings"),
        Command(
            "keys",
            "Keys for other programs",
            "Window",
            lambda: window.settings_panel.show_settings(about_keys=True),
            icon="key-round",
        ),
        Command(
            "engine",
            "Engine: state, checks and log",
            "Window",
            lambda: window.engine_panel.show_at(window.status_bar.engine),
            icon="cpu",
        ),
        Command("shortcuts", "Keys", "Window", window.show_keys, ("F1",), "keyboard"),
        Command("next-area", "Next area", "Window", lambda: window.next_area(1), ("F6",), in_palette=False),
        Command("last-area", "Area before", "Window", lambda: window.next_area(-1), ("Shift+F6",), in_palette=False),
        Command("quit", "Quit", "Window", window.quit, ("Ctrl+Q",), "power"),
    ]


def _of_models(window: MainWindow) -> list[Command]:
    """What the Models page does, from anywhere."""
    models = window.models

    def show(row_id: str) -> Callable[[], None]:
        return lambda: window.show_models_view(row_id)

    def find() -> None:
        window.show_page("models")
        models.find_models()

    def scan() -> None:
        window.show_models_view("stores")
        models.stores.look()

    return [
        Command("models-installed", "Models: installed", "Window", show("installed"), icon="hard-drive"),
        Command("models-find", "Models: find and download", "Window", find, icon="compass"),
        Command("models-transfers", "Models: transfers", "Window", show("transfers"), icon="download"),
        Command(
            "models-stores", "Models: on this computer, duplicates, disk", "Window", show("stores"), icon="monitor"
        ),
        Command("models-scan", "Models: look for those of other programs", "Window", scan, icon="refresh-cw"),
        Command("hub-token", "Models: log in to the Hub", "Window", lambda: _log_in(window), icon="key-round"),
    ]


def _of_files(window: MainWindow) -> list[Command]:
    """What the Files page does, from anywhere."""
    files = window.files

    def find() -> None:
        window.show_page("files")
        files.find_in_files()

    def check() -> None:
        window.show_page("files")
        files.over.doctor.show_for("")

    return [
        Command("files-add", "Files: index a folder…", "Window", window.files_in_window.add_folder, icon="folder-plus"),
        Command("files-find", "Files: search", "Window", find, icon="search"),
        Command("files-doctor", "Files: check the index", "Window", check, icon="activity"),
    ]


def _log_in(window: MainWindow) -> None:
    window.show_page("models")
    window.models.log_in()


def _of_chat(window: MainWindow) -> list[Command]:
    chat, column = window.chat, window.chat.column

    def in_chat() -> bool:
        return bool(chat.conversation.chat_id)

    def can_repeat() -> bool:
        return not chat.conversation.busy and last_of(chat.conversation.branch(), "user") is not None

    return [
        Command("new-chat", "New chat", "Chat", window.new_chat, ("Ctrl+N",), "square-pen"),
        Command("model", "Choose a model", "Chat", window.open_picker, ("Ctrl+M",), "box"),
        Command("composer", "Write a message", "Chat", lambda: _write(window), ("Ctrl+L",), "pencil"),
        Command(
            "again",
            "Answer again",
            "Chat",
            chat.regenerate,
            ("Ctrl+R",),
            "refresh-cw",
            enabled=can_repeat,
        ),
        Command("rename", "Rename this chat", "Chat", column.header.edit_title, (), "pencil", enabled=in_chat),
        Command("copy-chat", "Copy this chat as Markdown", "Chat", chat.copy_conversation, (), "copy", enabled=in_chat),
        Command(
            "delete-chat",
            "Delete this chat",
            "Chat",
            lambda: chat.delete(chat.conversation.chat_id, chat.conversation.title),
            (),
            "trash-2",
            enabled=in_chat,
        ),
        Command("find", "Find in this chat, models or files", "Chat", window.find_in_chat, ("Ctrl+F",), "search"),
        Command("find-chat", "Search all chats", "Chat", window.find_chat, ("Ctrl+Shift+F",), "search"),
        Command("send", "Send", "Chat", keys=("Return",)),
        Command("line", "New line", "Chat", keys=("Shift+Return",)),
        Command("stop", "Stop the answer, close", "Chat", keys=("Esc",)),
        Command("edit-last", "Edit the last message (empty field)", "Chat", keys=("Up",)),
    ]


def _of_reading(window: MainWindow) -> list[Command]:
    transcript = window.chat.column.transcript
    return [
        Command(
            "copy-code",
            "Copy the last code block",
            "Reading",
            lambda: _copy_code(window),
            ("Ctrl+Shift+K",),
            "copy",
        ),
        Command("copy-text", "Copy the selection as text", "Reading", keys=("Ctrl+C",)),
        Command("copy-markdown", "Copy the selection as Markdown", "Reading", keys=("Ctrl+Shift+C",)),
        Command("message-up", "Message before", "Reading", lambda: transcript.move_message(-1), ("Alt+Up",)),
        Command("message-down", "Message after", "Reading", lambda: transcript.move_message(1), ("Alt+Down",)),
        Command("follow", "Follow the end", "Reading", keys=("End",)),
    ]


def _of_view(window: MainWindow) -> list[Command]:
    theme = window.theme
    return [
        Command("list", "Show or hide the list", "View", window.toggle_list, ("Ctrl+B",), "panel-left"),
        Command("inspector", "Show or hide the inspector", "View", window.toggle_inspector, ("Ctrl+I",), "panel-right"),
        Command("larger", "Larger", "View", lambda: theme.step_zoom(1), ("Ctrl++", "Ctrl+="), "plus"),
        Command("smaller", "Smaller", "View", lambda: theme.step_zoom(-1), ("Ctrl+-",), "minus"),
        Command("zoom-back", "Normal size", "View", lambda: theme.step_zoom(0), ("Ctrl+0",), "search"),
        Command("light", "Light theme", "View", lambda: _set_theme(window, "light"), icon="sun"),
        Command("dark", "Dark theme", "View", lambda: _set_theme(window, "dark"), icon="moon"),
        Command("system", "Theme of the system", "View", lambda: _set_theme(window, "system"), icon="monitor"),
    ]


def _set_theme(window: MainWindow, mode: str) -> None:
    window.theme.set_mode(mode)  # type: ignore[arg-type]
    window.store.change_settings({"theme": mode})


def _write(window: MainWindow) -> None:
    window.show_page("chat")
    window.chat.column.composer.focus()


def _copy_code(window: MainWindow) -> None:
    copied = window.chat.column.transcript.copy_last_code()
    window.toasts.show_toast("The last code block was copied." if copied else "There is no code in this chat.")
