"""How an editor is told to open a file at a line: argv lists, made without a shell.

Sources: each program's own help: `code --help` (-g FILE:LINE:COLUMN), `zed --help`, `subl --help`, JetBrains' "Open
files from the command line" (--line, --column), vim(1) and gvim(1) (+LINE), emacs(1) (+LINE:COLUMN), kate(1), evince(1)
(-i PAGE), okular(1) (-p PAGE), zathura(1) (-P PAGE).
"""

from __future__ import annotations

import shlex
import string
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

FIELDS = ("file", "line", "column", "page")


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a file; numbers from 1. `page` is None for files without pages."""

    file: Path
    line: int = 1
    column: int = 1
    page: int | None = None


# The first program that is there is used.
EDITORS: Mapping[str, Sequence[str]] = {
    "vscode": ("code -g {file}:{line}:{column}", "code-insiders -g {file}:{line}:{column}"),
    "vscodium": ("codium -g {file}:{line}:{column}", "vscodium -g {file}:{line}:{column}"),
    "cursor": ("cursor -g {file}:{line}:{column}",),
    "jetbrains": tuple(
        f"{name} --line {{line}} --column {{column}} {{file}}"
        for program in ("idea", "pycharm", "webstorm", "goland", "clion", "rustrover", "rider", "phpstorm", "rubymine")
        for name in (program, f"{program}.sh")
    ),
    "zed": ("zed {file}:{line}:{column}", "zeditor {file}:{line}:{column}"),
    "sublime": ("subl {file}:{line}:{column}", "sublime_text {file}:{line}:{column}"),
    "vim": (
        "gvim +{line} {file}",
        "x-terminal-emulator -e vim +{line} {file}",
        "gnome-terminal -- vim +{line} {file}",
        "konsole -e vim +{line} {file}",
        "xterm -e vim +{line} {file}",
    ),
    "neovim": (
        "neovide -- +{line} {file}",
        "x-terminal-emulator -e nvim +{line} {file}",
        "gnome-terminal -- nvim +{line} {file}",
        "konsole -e nvim +{line} {file}",
        "xterm -e nvim +{line} {file}",
    ),
    "emacs": ("emacs +{line}:{column} {file}",),
    "kate": ("kate -l {line} -c {column} {file}",),
}
# For files with pages, which no editor shows.
VIEWERS = ("evince -i {page} {file}", "okular -p {page} {file}", "zathura -P {page} {file}")
SYSTEM = {"darwin": "open {file}", "win32": "explorer {file}"}.get(sys.platform, "xdg-open {file}")

Which = Callable[[str], str | None]


def editor_problem(value: str) -> str:
    """Why this is neither the name of an editor nor a command; "" when it is, or nothing."""
    if not value or value in EDITORS:
        return ""
    names = ", ".join(EDITORS)
    try:
        words = shlex.split(value)
        used = [name for word in words for _, name, _, _ in string.Formatter().parse(word) if name is not None]
    except ValueError as error:
        return f"is no command: {error}."
    if unknown := [name for name in used if name not in FIELDS]:
        return f"has {{{unknown[0]}}}, which means nothing here: {{file}}, {{line}}, {{column}} and {{page}} do."
    if "file" not in used:
        return f"must be one of {names}, or a command with {{file}}."
    return "" if "{" not in words[0] else "must begin with a program."


def command_for(editor: str, place: Place, which: Which) -> list[str] | None:
    """The argv that shows `place`, by the editor of the settings ("" for what the system opens it with).

    `which` finds programs as shutil.which does. None when no program for it is here.
    """
    for template in _templates(editor, place):
        words = shlex.split(template)
        if program := which(words[0]):
            return [program, *(_filled(word, place) for word in words[1:])]
    return None


def _templates(editor: str, place: Place) -> Sequence[str]:
    if editor and editor not in EDITORS:
        return (editor,)
    if place.page is not None:
        return (*VIEWERS, SYSTEM)
    return EDITORS[editor] if editor else (SYSTEM,)


def _filled(word: str, place: Place) -> str:
    return word.format(file=place.file, line=place.line, column=place.column, page=place.page or 1)
