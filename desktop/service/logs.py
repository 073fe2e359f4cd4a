"""The service's log: one file of bounded size, without secrets, and never a reason to fail.

What is said to a model and what it answers is not logged anywhere; this module makes sure that keys are not either.
"""

from __future__ import annotations

import contextlib
import logging
import re
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TextIO

MAX_BYTES = 2 * 1024 * 1024
OLD_FILES = 3
FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
# Our own keys, and what other programs send as keys by mistake.
_SECRETS = re.compile(r"(?<![A-Za-z0-9])(jd-|sk-|hf_)[A-Za-z0-9_-]{8,}|(?i:(bearer|x-api-key:?)\s+)[^\s\"']+")


def redact(text: str) -> str:
    """The text with every key replaced by its first letters."""
    return _SECRETS.sub(lambda match: (match[1] or match[2] + " ") + "…", text)


class RedactingFormatter(logging.Formatter):
    """Redacts the finished line, so that arguments and tracebacks are covered too."""

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


class DroppingFileHandler(RotatingFileHandler):
    """A log file that loses lines on a full disk instead of raising or writing elsewhere; `dropped` counts them."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, maxBytes=MAX_BYTES, backupCount=OLD_FILES, encoding="utf-8", delay=True)
        self.dropped = 0

    def handleError(self, record: logging.LogRecord) -> None:
        self.dropped += 1

    def close(self) -> None:
        """Closing writes what is buffered; on a full disk that is lost as well."""
        with contextlib.suppress(OSError):
            super().close()


def open_log(path: Path, also: TextIO | None = None, level: int = logging.INFO) -> list[logging.Handler]:
    """Send all logging of this process to `path`, warnings also to the stream `also`. Give the result to close_log."""
    handlers: list[logging.Handler] = [DroppingFileHandler(path)]
    if also is not None:
        stream = logging.StreamHandler(also)
        stream.setLevel(logging.WARNING)
        handlers.append(stream)
    root = logging.getLogger()
    root.setLevel(level)
    for handler in handlers:
        handler.setFormatter(RedactingFormatter(FORMAT))
        root.addHandler(handler)
    # httpx2 is what huggingface_hub uses: a line for each request, with what was searched for.
    for chatty in ("httpx", "httpx2", "huggingface_hub", "gguf"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    return handlers


def close_log(handlers: list[logging.Handler]) -> None:
    for handler in handlers:
        logging.getLogger().removeHandler(handler)
        handler.close()
