"""What the command line prints: text for people, JSON for programs, errors as one sentence with a hint on stderr."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Sequence
from typing import Any, TextIO

# A model's text, or the name of a file, may hold escape sequences that drive the terminal: everything but newline and
# tab is left out, and so is what turns the direction of the text after it (Unicode Bidirectional Algorithm, 2.1-2.4).
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
BAR_WIDTH = 24


def plain(text: str) -> str:
    """Text that is safe to print in a terminal: no control characters but newline and tab."""
    return _CONTROL.sub("", text)


def one_line(text: str) -> str:
    """A name or path that shall not look like lines of our own: newlines and tabs are shown as blanks."""
    return " ".join(text.splitlines()).replace("\t", " ")


def safe_json(value: Any) -> str:
    """JSON in which such characters are escaped: a terminal may be what reads it."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def bytes_text(count: int) -> str:
    """A size in the decimal units that shops and download pages use, e.g. "4.68 GB"."""
    size = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"


def count_text(count: int) -> str:
    """A number of parameters: "494 M", "7.6 B"."""
    if count >= 10**9:
        return f"{count / 10**9:.1f} B"
    return f"{count / 10**6:.3g} M" if count >= 10**6 else str(count)


class Console:
    """Where output goes. `as_json` switches every answer to JSON; progress and errors stay on stderr either way."""

    def __init__(self, *, as_json: bool, out: TextIO | None = None, err: TextIO | None = None) -> None:
        self.as_json = as_json
        self.out = out or sys.stdout
        self.err = err or sys.stderr
        self._bar_shown = False

    @property
    def styled(self) -> bool:
        """Whether standard output is a terminal that takes colours (NO_COLOR, no-color.org, switches them off)."""
        return (
            self.out.isatty() and not self.as_json and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
        )

    def result(self, value: Any, text: str) -> None:
        """The answer of a command: `value` as JSON, or `text`."""
        self.line(safe_json(value) if self.as_json else text)

    def line(self, text: str) -> None:
        self.clear_progress()
        print(text if self.as_json else plain(text), file=self.out, flush=True)

    def write(self, text: str) -> None:
        """Styled text of ours that is flushed at once; a model's part of it must have gone through plain()."""
        self.out.write(text)
        self.out.flush()

    def note(self, text: str) -> None:
        """Something worth knowing that is not the answer."""
        self.clear_progress()
        print(plain(text), file=self.err, flush=True)

    def error(self, message: str, hint: str = "") -> None:
        self.clear_progress()
        print(f"jackdaw: {plain(message)}", file=self.err)
        if hint:
            print(f"  {plain(hint)}", file=self.err, flush=True)

    def progress(self, fraction: float | None, text: str) -> None:
        """One line that is drawn over, on a terminal only; `fraction` None shows no bar."""
        if not self.err.isatty():
            return
        bar = ""
        if fraction is not None:
            filled = round(max(0.0, min(1.0, fraction)) * BAR_WIDTH)
            bar = f"[{'#' * filled}{'.' * (BAR_WIDTH - filled)}] {fraction:4.0%} "
        width = shutil.get_terminal_size().columns
        self.err.write("\r\x1b[K" + (bar + plain(text).replace("\n", " "))[: width - 1])
        self.err.flush()
        self._bar_shown = True

    def clear_progress(self) -> None:
        if self._bar_shown:
            self.err.write("\r\x1b[K")
            self.err.flush()
            self._bar_shown = False

    def table(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
        """Columns as wide as their longest cell; an empty table is its header alone."""
        cells = [list(header), *([one_line(plain(cell)) for cell in row] for row in rows)]
        widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells
        )
