"""Open the window: application, theme, client thread; first paint first, everything else after it."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from desktop.paths import Paths, secure_umask
from desktop.qt.window_lock import WindowLock

if TYPE_CHECKING:
    from PySide6.QtWidgets import QApplication

    from desktop.client import Client

EXIT_NOT_AVAILABLE = 4
MIN_QT = (6, 8, 4)  # older ones have a heap overflow in their Markdown importer: CVE-2025-3512
RAISE_TIMEOUT_S = 5.0


def run_window(paths: Paths) -> int:
    """Show the window of this data folder until it is closed; the exit code of the program.

    A second start raises the first window and returns 0. Without a display it returns 4 and says what to do.
    """
    secure_umask()
    if _no_display():
        sys.stderr.write("Jackdaw needs a display for its window. To serve the port without one, run: jackdaw serve\n")
        return EXIT_NOT_AVAILABLE
    paths.create()
    lock = WindowLock(paths.window_lock)
    if not lock.take():
        return asyncio.run(_raise_first(paths))
    try:
        return _run(paths)
    finally:
        lock.release()


def _run(paths: Paths) -> int:
    from desktop.qt.faults import Faults

    app = make_application()
    faults = Faults(paths.logs / "window.log")
    faults.install()
    from desktop.qt.bridge import Bridge
    from desktop.qt.shell import MainWindow
    from desktop.qt.signals import quit_on_signals
    from desktop.qt.theme import Theme

    theme = Theme(app)
    bridge = Bridge(connector(paths), finder(paths))
    window = MainWindow(theme, bridge, paths)
    faults.shown_by(window)
    window.finished.connect(app.quit)
    window.show_first()
    notifier = quit_on_signals(window.quit)
    code = app.exec()
    notifier.close()
    bridge.close(window.last_request())
    faults.uninstall()
    return code


def make_application() -> QApplication:
    """The QApplication with our name; asserts the Qt version that is safe to run."""
    from PySide6.QtCore import qVersion
    from PySide6.QtWidgets import QApplication

    version = tuple(int(part) for part in qVersion().split(".")[:3])
    if version < MIN_QT:
        raise RuntimeError(f"Qt {qVersion()} is too old to be safe; Jackdaw needs 6.8.4 or newer.")
    app = QApplication(["jackdaw"])
    app.setApplicationName("jackdaw")
    app.setApplicationDisplayName("Jackdaw")
    app.setDesktopFileName("jackdaw")
    app.setQuitOnLastWindowClosed(False)
    return app


def connector(paths: Paths) -> Callable[[], Awaitable[Client]]:
    """What the client thread calls to reach the service; imported there, after the first paint."""

    async def connect() -> Client:
        from desktop.launch import ensure_service

        return await ensure_service(paths)

    return connect


def finder(paths: Paths) -> Callable[[], Awaitable[Client]]:
    """As `connector`, for a service that runs already; raises ServiceUnreachable when none does."""

    async def find() -> Client:
        from desktop.launch import find_service

        return await find_service(paths)

    return find


async def _raise_first(paths: Paths) -> int:
    """Ask the window that is open to come to the front; it may be starting its service just now."""
    from desktop.client import Client, ServiceUnreachable

    deadline = time.monotonic() + RAISE_TIMEOUT_S
    async with Client(paths.control_socket) as client:
        while True:
            try:
                if await client.raise_window():
                    break
            except ServiceUnreachable:
                pass
            if time.monotonic() > deadline:
                break
            await asyncio.sleep(0.1)
    sys.stderr.write("Jackdaw's window is open already.\n")
    return 0


def _no_display() -> bool:
    if not sys.platform.startswith("linux") or os.environ.get("QT_QPA_PLATFORM"):
        return False
    return not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
