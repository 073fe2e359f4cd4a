"""Where a window may be: on a screen that is there, and no larger than it."""

from __future__ import annotations

from PySide6.QtCore import QRect, QSize
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QWidget

MINIMUM = (960, 600)
TITLE_BAR = 40  # a frame is known only once the window is shown; few are higher


def on_a_screen(place: QRect) -> bool:
    """Whether the title bar would be somewhere the user can reach it: screens come and go."""
    return any(screen.availableGeometry().intersects(place) for screen in QGuiApplication.screens())


def room_on_screen(window: QWidget) -> QSize | None:
    """How large a window with a frame can be; None where a screen is smaller than any window of ours."""
    room = window.screen().availableGeometry().size() - QSize(0, TITLE_BAR)
    return room if room.width() >= MINIMUM[0] and room.height() >= MINIMUM[1] else None
