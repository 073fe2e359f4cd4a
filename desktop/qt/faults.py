"""Bugs of ours in the window: they keep their traceback, go to the log, and are told to the user once."""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from logging.handlers import RotatingFileHandler
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, Signal

if TYPE_CHECKING:
    from desktop.qt.shell import MainWindow

log = logging.getLogger(__name__)
MAX_LOG_BYTES = 1024 * 1024


class Faults(QObject):
    """Installs the exception hooks. `seen(sentence, traceback)` is emitted on the main thread."""

    seen = Signal(str, str)

    def __init__(self, log_file: Path) -> None:
        super().__init__()
        self.log_file = log_file
        self._handler: RotatingFileHandler | None = None
        self._old = (sys.excepthook, threading.excepthook)

    def install(self) -> None:
        self._handler = RotatingFileHandler(self.log_file, maxBytes=MAX_LOG_BYTES, backupCount=1, delay=True)
        self._handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        logging.getLogger().addHandler(self._handler)
        sys.excepthook = self._caught
        threading.excepthook = lambda args: self._caught(
            args.exc_type, args.exc_value or args.exc_type(), args.exc_traceback
        )

    def uninstall(self) -> None:
        sys.excepthook, threading.excepthook = self._old
        if self._handler is not None:
            logging.getLogger().removeHandler(self._handler)
            self._handler.close()

    def shown_by(self, window: MainWindow) -> None:
        self.seen.connect(window.show_fault, Qt.ConnectionType.QueuedConnection)

    def _caught(self, kind: type[BaseException], error: BaseException, where: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            return
        text = "".join(traceback.format_exception(kind, error, where))
        log.error("unhandled: %s", text)
        sys.stderr.write(text)
        self.seen.emit(
            f"Something went wrong inside Jackdaw: {kind.__name__}. Your chats are safe in the service.", text
        )
