"""The tray icon: the window can be put away while the service goes on serving the port."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QAction, QIcon
from PySide6.QtWidgets import QMenu, QSystemTrayIcon, QWidget


class Tray(QObject):
    """An icon with "Open", "Keep serving when closed" and "Quit"; there is none where the system has no tray."""

    open_asked = Signal()
    quit_asked = Signal()
    keep_serving_changed = Signal(bool)

    def __init__(self, icon: QIcon, parent: QWidget) -> None:
        super().__init__(parent)
        self._icon = QSystemTrayIcon(icon, self)
        self._menu = QMenu(parent)
        self._state = QAction("Jackdaw", self._menu)
        self._state.setEnabled(False)
        self._open = QAction("Open Jackdaw", self._menu)
        self.keep_serving = QAction("Keep serving when closed", self._menu, checkable=True)
        self._quit = QAction("Quit", self._menu)
        self._open.triggered.connect(self.open_asked)
        self._quit.triggered.connect(self.quit_asked)
        self.keep_serving.triggered.connect(self.keep_serving_changed)
        self._menu.addAction(self._state)
        self._menu.addSeparator()
        for action in (self._open, self.keep_serving, self._quit):
            self._menu.addAction(action)
        self._icon.setContextMenu(self._menu)
        self._icon.activated.connect(self._activated)

    @property
    def available(self) -> bool:
        """Whether the system shows tray icons at all."""
        return QSystemTrayIcon.isSystemTrayAvailable()

    def show(self) -> None:
        if self.available:
            self._icon.show()

    def hide(self) -> None:
        self._icon.hide()

    def show_state(self, text: str, keep_serving: bool) -> None:
        """`text` in a few words: what runs, on which port."""
        self._state.setText(text)
        self._icon.setToolTip(f"Jackdaw: {text}")
        self.keep_serving.setChecked(keep_serving)
        self._quit.setText("Quit the window, keep serving" if keep_serving else "Quit")

    def _activated(self, reason: QSystemTrayIcon.ActivationReason) -> None:
        if reason in (QSystemTrayIcon.ActivationReason.Trigger, QSystemTrayIcon.ActivationReason.DoubleClick):
            self.open_asked.emit()
