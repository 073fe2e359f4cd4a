"""The window as a whole: keys, palette, settings, folding, focus, names, closing, losing the service."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QAbstractButton, QApplication, QComboBox, QLineEdit, QPlainTextEdit, QWidget
from pytestqt.qtbot import QtBot

from desktop.paths import Paths
from desktop.qt.shell import MainWindow
from desktop.qt.shortcuts_panel import ShortcutsPanel
from desktop.qt.window_state import load_window_state
from tests.qt.window.conftest import OpenWindow
from tests.qt.window.steps import ask, short_answers, until
from tests.service.running import running

CHECKOUT = Path(__file__).resolve().parents[3]
CONTROL = Qt.KeyboardModifier.ControlModifier


def test_the_palette_runs_commands_and_opens_chats(main_window: MainWindow, qtbot: QtBot) -> None:
    short_answers(main_window, 4)
    ask(main_window, qtbot, "Corvids of the Alps")
    chat_id = main_window.chat.conversation.chat_id
    until(qtbot, lambda: any(chat.title.startswith("Corvids") for chat in main_window.store.chats))
    main_window.new_chat()

    qtbot.keyClick(main_window, Qt.Key.Key_K, CONTROL)
    assert main_window.palette_panel.isVisible()
    qtbot.keyClicks(main_window.palette_panel.field, "corvids")
    qtbot.keyClick(main_window.palette_panel.field, Qt.Key.Key_Return)
    assert main_window.chat.conversation.chat_id == chat_id

    main_window.open_palette()
    qtbot.keyClicks(main_window.palette_panel.field, "go to models")
    qtbot.keyClick(main_window.palette_panel.field, Qt.Key.Key_Return)
    assert main_window.pages.currentWidget() is main_window.models


def test_pages_have_their_keys_and_only_pages_that_exist(main_window: MainWindow, qtbot: QtBot) -> None:
    qtbot.keyClick(main_window, Qt.Key.Key_2, CONTROL)
    assert main_window.pages.currentWidget() is main_window.models
    qtbot.keyClick(main_window, Qt.Key.Key_3, CONTROL)
    assert main_window.pages.currentWidget() is main_window.files
    qtbot.keyClick(main_window, Qt.Key.Key_1, CONTROL)
    assert main_window.pages.currentWidget() is main_window.chat
    assert sorted(main_window.rail._buttons) == ["chat", "files", "models"]


def test_f1_lists_every_key(main_window: MainWindow, qtbot: QtBot) -> None:
    main_window.show_keys()

    panel = main_window.findChild(ShortcutsPanel)
    assert panel is not None and panel.isVisible()
    shown = {chip.accessibleName() for chip in panel.findChildren(QWidget)}
    assert {command.shown_keys for command in main_window.commands if command.keys} <= shown
    qtbot.keyClick(QApplication.focusWidget(), Qt.Key.Key_Escape)
    assert not panel.isVisible()


def test_marks_of_what_no_source_carries_are_remembered(main_window: MainWindow) -> None:
    marks = main_window.chat.inspector.sources.marks
    marks.setChecked(True)
    main_window._save_state()
    marks.setChecked(False)

    main_window.state = load_window_state(main_window._paths.window_state)
    main_window._restore()

    assert marks.isChecked()


def test_theme_and_zoom_are_set_and_kept(main_window: MainWindow, qtbot: QtBot) -> None:
    panel = main_window.settings_panel
    main_window.commands.run("settings")

    panel.theme_choice.set_index(2)
    assert main_window.theme.dark
    until(qtbot, lambda: main_window.store.settings["theme"] == "dark")
    panel.larger.click()
    assert main_window.theme.zoom == 110
    main_window._save_state()
    assert json.loads(main_window._paths.window_state.read_text())["zoom"] == 110
    assert stat.S_IMODE(main_window._paths.window_state.stat().st_mode) == 0o600

    panel.theme_choice.set_index(1)
    until(qtbot, lambda: main_window.store.settings["theme"] == "light")
    main_window.commands.run("zoom-back")
    panel.close_overlay()


def test_a_setting_the_service_refuses_says_why_beside_it(main_window: MainWindow, qtbot: QtBot) -> None:
    panel = main_window.settings_panel
    panel.show_settings()

    panel.port.setText("99999")
    panel.port.editingFinished.emit()

    until(qtbot, lambda: panel.port.error)
    assert "65535" in panel.port.error
    assert main_window.store.settings["port"] != 99999
    panel.idle.setText("soon")
    panel.idle.editingFinished.emit()
    assert "number" in panel.idle.error
    panel.close_overlay()


def test_a_key_is_shown_once_copied_and_revoked(main_window: MainWindow, qtbot: QtBot) -> None:
    main_window.commands.run("keys")
    keys = main_window.settings_panel.keys

    keys.name.setText("Zed")
    keys.create_button.click()
    until(qtbot, lambda: keys.secret.text())
    keys.copy.click()
    assert QGuiApplication.clipboard().text() == keys.secret.text()

    def revoke() -> QAbstractButton | None:
        named = [b for b in keys.findChildren(QAbstractButton) if b.accessibleName() == "Revoke the key Zed"]
        return next((button for button in named if button.isVisible()), None)

    until(qtbot, revoke)
    button = revoke()
    assert button is not None
    button.click()
    until(qtbot, lambda: revoke() is None)
    main_window.settings_panel.show_settings()
    assert keys.secret.text() == ""
    main_window.settings_panel.close_overlay()


def test_list_and_inspector_fold_in_a_narrow_window(main_window: MainWindow, qtbot: QtBot) -> None:
    chat = main_window.chat
    main_window.resize(1440, 900)
    assert chat.list.isVisible() and chat.inspector.isVisible()
    main_window.resize(1200, 800)
    assert chat.list.isVisible() and not chat.inspector.isVisible()
    main_window.resize(960, 600)
    assert not chat.list.isVisible() and not chat.inspector.isVisible()
    assert main_window.width() == 960

    qtbot.keyClick(main_window, Qt.Key.Key_B, CONTROL)
    assert chat.list.isVisible()
    qtbot.keyClick(main_window, Qt.Key.Key_B, CONTROL)
    assert not chat.list.isVisible()


def test_f6_leads_through_every_area_and_back(main_window: MainWindow, qtbot: QtBot) -> None:
    main_window.resize(1440, 900)
    main_window.chat.column.composer.focus()
    seen = []
    for _ in range(6):
        main_window.next_area()
        seen.append(QApplication.focusWidget())

    areas = [main_window.chat.inspector, main_window.status_bar, main_window.rail, main_window.chat.list]
    for area, focused in zip(areas, seen, strict=False):
        assert focused is not None and (area is focused or area.isAncestorOf(focused)), area
    assert seen[4] is main_window.chat.column.composer.edit


@pytest.mark.parametrize("page", ["chat", "models", "files"])
def test_every_control_has_a_name_and_tab_reaches_the_composer(
    main_window: MainWindow, qtbot: QtBot, page: str
) -> None:
    main_window.show_page(page)
    controls = [
        widget
        for kind in (QAbstractButton, QLineEdit, QPlainTextEdit, QComboBox)
        for widget in main_window.findChildren(kind)
        if widget.isVisible()
    ]

    nameless = [widget for widget in controls if not (widget.accessibleName() or getattr(widget, "text", str)())]

    assert len(controls) > 8
    assert nameless == []


def test_the_status_bar_tells_engine_memory_port_and_that_all_is_local(main_window: MainWindow, qtbot: QtBot) -> None:
    bar = main_window.status_bar

    until(qtbot, lambda: bar.engine.words == "Engine ready")
    assert bar.ram.words.endswith("GB")
    assert "thread" in bar.cpu.words
    assert main_window.store.status is not None
    assert bar.port.words == f"Port {main_window.store.status.port.number}, 0 clients"
    assert bar.local.words == "Local only"


def test_the_engine_panel_shows_the_checks_of_the_proof(main_window: MainWindow, qtbot: QtBot) -> None:
    main_window.commands.run("engine")

    panel = main_window.engine_panel
    until(qtbot, lambda: panel._checks.count() > 0)
    names = [panel._checks.itemAt(i).widget().accessibleName() for i in range(panel._checks.count())]
    assert all(name.startswith(("Passed: ", "Failed: ")) for name in names)
    assert "proven on this computer" in panel._build.text()
    panel.close_overlay()


def test_a_killed_service_is_started_again_and_nothing_is_lost(
    home: Paths,
    engine_bin: Path,
    tiny_chat_gguf: Path,
    open_window: OpenWindow,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("JACKDAW_ENGINE", os.fspath(engine_bin))
    home.settings.write_text("version = 1\nport = 0\n")
    with running(home, environ={"JACKDAW_ENGINE": os.fspath(engine_bin)}) as service:
        service.use(lambda client: client.import_model(tiny_chat_gguf))
        window = open_window(home)
        short_answers(window, 8)
        ask(window, qtbot, "Before")
        window.chat.column.composer.set_text("a draft")

        service.process.send_signal(signal.SIGKILL)
        until(qtbot, lambda: window._bridge.link.phase == "lost")
        assert window.status_bar.engine.words == "Reconnecting"
        window.chat.column.composer.submit()
        assert window.chat.column.composer.text == "a draft"

        until(qtbot, lambda: window._bridge.link.phase == "online")
        until(qtbot, lambda: window.status_bar.engine.words == "Engine ready")
        assert next(message.content for message in window.chat.conversation.messages) == "Before"
        short_answers(window, 8)
        ask(window, qtbot, "After")
        assert len(window.chat.conversation.branch()) == 4
        window._bridge.close(lambda client: client.stop())
        until(qtbot, lambda: not home.runtime_file.exists())


def test_a_second_start_raises_the_first_window_and_ends(main_window: MainWindow, qtbot: QtBot) -> None:
    from desktop.qt.window_lock import WindowLock

    lock = WindowLock(main_window._paths.window_lock)
    assert lock.take()
    environ = {**os.environ, "JACKDAW_HOME": str(main_window._paths.data)}
    with qtbot.waitSignal(main_window.store.raise_asked, timeout=30_000):
        second = subprocess.Popen([sys.executable, "-m", "desktop"], cwd=CHECKOUT, env=environ, stderr=subprocess.PIPE)

    _, said = second.communicate(timeout=30)
    lock.release()
    assert second.returncode == 0
    assert b"open already" in said


def test_closing_stops_the_service_unless_it_is_to_keep_serving(main_window: MainWindow, qtbot: QtBot) -> None:
    assert main_window.last_request() is not None

    main_window.store.change_settings({"keep_serving": True})
    until(qtbot, lambda: main_window.keep_serving)
    assert main_window.last_request() is None

    with qtbot.waitSignal(main_window.finished):
        main_window.close()
    main_window.store.change_settings({"keep_serving": False})
    until(qtbot, lambda: not main_window.keep_serving)


def test_a_bug_of_ours_is_told_and_can_be_copied(main_window: MainWindow) -> None:
    main_window.show_fault("Something went wrong inside Jackdaw: KeyError.", "Traceback …")

    action = main_window.toasts.toasts[-1].action
    assert action is not None
    action.click()
    assert QGuiApplication.clipboard().text() == "Traceback …"


def test_a_service_that_was_stopped_is_started_again_only_when_asked_for(
    home: Paths,
    engine_bin: Path,
    open_window: OpenWindow,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("JACKDAW_ENGINE", os.fspath(engine_bin))
    home.settings.write_text("version = 1\nport = 0\n")
    with running(home, environ={"JACKDAW_ENGINE": os.fspath(engine_bin)}) as service:
        window = open_window(home)
        service.use(lambda client: client.stop())

        until(qtbot, lambda: window.status_bar.engine.words == "Service stopped")
        column = window.chat.column
        assert "was stopped" in column.notice.accessibleName()
        assert column.notice.isVisible()
        service.process.wait(30)
        column.composer.set_text("a draft")
        column.composer.submit()
        assert "Start it again" in column.composer._note.text()
        assert not home.runtime_file.exists()

        column.notice.action_clicked.emit()
        until(qtbot, lambda: window.status_bar.engine.words == "Engine ready")
        assert column.composer.text == "a draft"
        assert not column.composer._note.isVisible()
        assert not column.notice.isVisible()
        window._bridge.close(lambda client: client.stop())
        until(qtbot, lambda: not home.runtime_file.exists())


def test_toasts_leave_the_composer_free(main_window: MainWindow) -> None:
    main_window.resize(1440, 900)
    for number in range(3):
        main_window.toasts.show_toast(f"Number {number}. " + "A reason that goes on for more than one line. " * 4)
    composer = main_window.chat.column.composer
    place = composer.rect().translated(composer.mapTo(main_window, QPoint(0, 0)))

    for toast in main_window.toasts.toasts:
        assert not toast.geometry().intersects(place)
        assert main_window.rect().contains(toast.geometry())


def test_a_narrow_status_bar_leaves_items_out_and_cuts_none(main_window: MainWindow, qtbot: QtBot) -> None:
    bar = main_window.status_bar
    until(qtbot, lambda: bar.engine.words == "Engine ready")
    main_window.resize(1440, 900)
    assert bar.cpu.isVisible() and bar.model.isVisible()

    main_window.theme.set_zoom(160)
    main_window.resize(960, 600)

    shown = [item for item in bar._items if item.isVisible()]
    assert bar.engine in shown and bar.local in shown and bar.cpu not in shown
    qtbot.waitUntil(lambda: all(item.width() >= item.sizeHint().width() for item in shown))
    main_window.theme.set_zoom(100)


def test_in_a_narrow_window_the_inspector_takes_the_place_of_the_list(main_window: MainWindow) -> None:
    chat = main_window.chat
    main_window.resize(960, 600)
    chat.toggle_list()
    chat.toggle_inspector()
    assert not chat.list.isVisible() and chat.inspector.isVisible()
    chat.toggle_list()
    assert chat.list.isVisible() and not chat.inspector.isVisible()


def test_tab_goes_through_the_window_in_reading_order(main_window: MainWindow, qtbot: QtBot) -> None:
    main_window.resize(1440, 900)
    rail, chat = main_window.rail, main_window.chat
    areas = [rail, chat.list, chat.column.header, chat.column.composer, chat.inspector, main_window.status_bar]
    rail.first_focus().setFocus()
    seen: list[QWidget] = []

    for _ in range(60):
        focused = QApplication.focusWidget()
        assert focused is not None
        area = next(area for area in areas if area is focused or area.isAncestorOf(focused))
        if area is rail and len(seen) > 1:
            break
        if not seen or seen[-1] is not area:
            seen.append(area)
        qtbot.keyClick(focused, Qt.Key.Key_Tab)

    assert seen == areas


def test_alt_up_reaches_a_message_and_tab_its_buttons(main_window: MainWindow, qtbot: QtBot) -> None:
    short_answers(main_window, 3)
    ask(main_window, qtbot, "Hello")
    main_window.chat.column.composer.focus()

    main_window.commands.run("message-up")

    frame = QApplication.focusWidget()
    assert frame is not None and frame.accessibleName() == "You"
    qtbot.keyClick(frame, Qt.Key.Key_Tab)
    focused = QApplication.focusWidget()
    assert focused is not None and frame.isAncestorOf(focused)
    assert focused.accessibleName() in ("Edit message", "Copy message")


def test_a_port_that_is_taken_is_told_with_its_holder_and_opens_later(
    home: Paths, engine_bin: Path, open_window: OpenWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JACKDAW_ENGINE", os.fspath(engine_bin))
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        home.settings.write_text(f"version = 1\nport = {port}\n")
        window = open_window(home)
        until(qtbot, lambda: window.toasts.toasts)
        said = window.toasts.toasts[-1].accessibleName()
        assert f"Port {port}" in said and str(os.getpid()) in said
        assert window.status_bar.port.words == f"Port {port} is closed"

    until(qtbot, lambda: window.status_bar.port.words == f"Port {port}, 0 clients")
    window._bridge.close(lambda client: client.stop())
    until(qtbot, lambda: not home.runtime_file.exists())
