"""SIGINT and SIGTERM end the window as its close button does."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable
from types import FrameType

from PySide6.QtCore import QObject, QSocketNotifier


class SignalNotifier(QObject):
    """Wakes the event loop when a signal comes: Python's handlers alone wait for the next Python instruction."""

    def __init__(self, act: Callable[[], None]) -> None:
        super().__init__()
        self._read, self._write = socket.socketpair()
        self._read.setblocking(False)
        self._write.setblocking(False)
        self._act = act
        self._old_fd = signal.set_wakeup_fd(self._write.fileno())
        self._old = {number: signal.signal(number, _nothing) for number in (signal.SIGINT, signal.SIGTERM)}
        self._notifier = QSocketNotifier(self._read.fileno(), QSocketNotifier.Type.Read, self)
        self._notifier.activated.connect(self._came)

    def close(self) -> None:
        self._notifier.setEnabled(False)
        signal.set_wakeup_fd(self._old_fd)
        for number, handler in self._old.items():
            signal.signal(number, handler)
        self._read.close()
        self._write.close()

    def _came(self) -> None:
        self._read.recv(64)
        self._act()


def quit_on_signals(act: Callable[[], None]) -> SignalNotifier:
    """Call `act` on the main thread when SIGINT or SIGTERM comes, until `close()`."""
    return SignalNotifier(act)


def _nothing(number: int, frame: FrameType | None) -> None:
    """The byte in the socket does the work."""
