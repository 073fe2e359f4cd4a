"""A real window on a real service."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QEvent
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from desktop.client import Client
from desktop.paths import Paths, find_paths
from desktop.qt.app import connector, finder
from desktop.qt.bridge import Bridge
from desktop.qt.shell import MainWindow
from desktop.qt.theme import Theme
from tests.qt.window.steps import until
from tests.service.running import RunningService, running

OpenWindow = Callable[[Paths], MainWindow]


@pytest.fixture(scope="module")
def qt_home() -> Iterator[Paths]:
    root = Path(tempfile.mkdtemp(prefix="jd-"))
    paths = find_paths(root)
    paths.create()
    yield paths
    shutil.rmtree(root)


@pytest.fixture(scope="module")
def bare_service(qt_home: Paths, engine_bin: Path) -> Iterator[RunningService]:
    """A service without any model, shared by the tests of one module."""
    with running(qt_home, environ={"JACKDAW_ENGINE": os.fspath(engine_bin)}) as started:
        yield started


@pytest.fixture(scope="module")
def service(bare_service: RunningService, tiny_chat_gguf: Path) -> RunningService:
    """A service with the tiny chat model, loaded: its process then belongs to the service and not to one test."""

    async def give(client: Client) -> None:
        if not any(model.id == "tiny-chat" for model in await client.models()):
            await client.import_model(tiny_chat_gguf)
        await client.load_model("tiny-chat")

    bare_service.use(give)
    return bare_service


@pytest.fixture
def open_window(qtbot: QtBot, theme: Theme) -> Iterator[OpenWindow]:
    """`open_window(paths)` gives a window that knows what the service has; it is closed after the test."""
    opened: list[tuple[MainWindow, Bridge]] = []

    def open_one(paths: Paths) -> MainWindow:
        bridge = Bridge(connector(paths), finder(paths))
        window = MainWindow(theme, bridge, paths)
        opened.append((window, bridge))
        with qtbot.waitActive(window):
            window.show_first()
            window.activateWindow()
        store = window.store
        until(qtbot, lambda: store.models_known and store.chats_known and store.status and store.settings)
        return window

    yield open_one
    for window, bridge in opened:
        bridge.close()
        window.quit()
        window.deleteLater()
        QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


@pytest.fixture
def main_window(open_window: OpenWindow, service: RunningService) -> MainWindow:
    """The window on the service with the tiny model, without anything kept from an earlier test."""
    service.paths.window_state.unlink(missing_ok=True)
    return open_window(service.paths)
