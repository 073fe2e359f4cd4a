"""Fixtures for tests of the interface: offscreen, with the bundled fonts, and nothing left behind by any test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PySide6.QtCore import QEvent, QPoint, QTimer
from PySide6.QtGui import QCursor
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from desktop.qt.theme import Theme


@pytest.fixture(autouse=True)
def no_qt_left(qapp: QApplication) -> Iterator[None]:
    """Fail a test that leaves a visible window or a running timer behind. It stands around the test's own fixtures.

    Threads are looked at for all tests, in tests/conftest.py.
    """
    before = set(qapp.topLevelWidgets())
    yield
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    windows = [widget for widget in qapp.topLevelWidgets() if widget not in before]
    shown = [repr(widget) for widget in windows if widget.isVisible()]
    running = [repr(timer) for widget in windows for timer in widget.findChildren(QTimer) if timer.isActive()]
    if shown or running:
        pytest.fail(f"left behind: windows {shown}, timers {running}")


@pytest.fixture
def theme(qapp: QApplication, no_qt_left: None) -> Iterator[Theme]:
    """The theme, light and at 100 % when the test begins, whatever the system says."""
    theme = Theme(qapp, "light")
    yield theme
    theme.deleteLater()
    QApplication.sendPostedEvents(theme, QEvent.Type.DeferredDelete)


@pytest.fixture
def window(qtbot: QtBot, theme: Theme) -> QWidget:
    """An empty active window of 640 × 480 to put components into."""
    widget = QWidget()
    widget.resize(640, 480)
    qtbot.addWidget(widget)
    with qtbot.waitActive(widget):
        widget.show()
        widget.activateWindow()
    QCursor.setPos(widget.mapToGlobal(QPoint(1, 1)))  # away from where the test before may have clicked
    return widget
