"""A service that cannot start: the window says why and what to do, and does not pretend to wait for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PySide6.QtCore import QEvent
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from desktop.paths import Paths
from desktop.qt.app import connector, finder
from desktop.qt.bridge import Bridge
from desktop.qt.shell import MainWindow
from desktop.qt.theme import Theme
from tests.qt.window.steps import until


@pytest.fixture
def damaged_window(qtbot: QtBot, theme: Theme, home: Paths) -> Iterator[MainWindow]:
    """A window on a data folder whose database is no database."""
    home.settings.write_text("port = 0\n")
    home.database.write_bytes(b"this was a database once" * 400)
    bridge = Bridge(connector(home), finder(home))
    window = MainWindow(theme, bridge, home)
    with qtbot.waitActive(window):
        window.show_first()
        window.activateWindow()
    yield window
    bridge.close()
    window.quit()
    window.deleteLater()
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


def test_a_damaged_database_is_told_where_the_conversation_would_be(damaged_window: MainWindow, qtbot: QtBot) -> None:
    column = damaged_window.chat.column
    until(qtbot, lambda: column.empty.state == "unreachable")
    until(qtbot, lambda: column.notice.isVisible() and "damaged" in column.notice.accessibleName())
    assert not column.empty.give_up.isVisible()
