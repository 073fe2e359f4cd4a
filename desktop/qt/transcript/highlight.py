"""Syntax colours for code blocks: Pygments in slices of a few milliseconds, so that no block stalls the window."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

from PySide6.QtCore import QObject, QRunnable, QThreadPool, QTimer, Signal, Slot
from PySide6.QtGui import QFont, QTextCharFormat
from shiboken6 import isValid

from desktop.qt.theme import Theme
from desktop.qt.transcript.pieces import utf16_length

SLICE_S = 0.003
CACHE = 64
HIGHLIGHT_LIMIT = 64 * 1024
# One coloured run in a line: first UTF-16 unit, length, name of the colour.
Run = tuple[int, int, str]
Lines = list[list[Run]]

_COLOURS = (
    ("Comment.Preproc", "decorator"),
    ("Comment", "comment"),
    ("Keyword.Type", "class"),
    ("Keyword", "keyword"),
    ("Operator.Word", "keyword"),
    ("Literal.String", "string"),
    ("Literal.Number", "number"),
    ("Name.Decorator", "number"),
    ("Name.Function", "function"),
    ("Name.Class", "class"),
    ("Name.Namespace", "class"),
    ("Name.Exception", "class"),
    ("Name.Builtin.Pseudo", "keyword"),
    ("Name.Builtin", "function"),
    ("Name.Tag", "keyword"),
    ("Name.Attribute", "function"),
    ("Operator", "operator"),
    ("Generic.Inserted", "string"),
    ("Generic.Deleted", "number"),
    ("Generic.Heading", "function"),
    ("Generic.Subheading", "function"),
)


def colour_of(token: str) -> str:
    """Name of the colour for a Pygments token such as "Token.Name.Function"; "" for plain text."""
    path = token.removeprefix("Token.")
    return next((colour for prefix, colour in _COLOURS if path == prefix or path.startswith(prefix + ".")), "")


def coloured_lines(lexer: Any, text: str) -> Iterator[Lines]:
    """Yield the lines coloured so far, again and again, and last of all every line of `text`."""
    lines: Lines = [[]]
    column = 0
    known: dict[Any, str] = {}
    for _position, token, value in lexer.get_tokens_unprocessed(text):
        colour = known.get(token)
        if colour is None:
            colour = known[token] = colour_of(str(token))
        for number, part in enumerate(value.split("\n")):
            if number:
                lines.append([])
                column = 0
            length = utf16_length(part)
            if colour and length:
                lines[-1].append((column, length, colour))
            column += length
        yield lines
    yield lines


class _LexerLoader(QObject):
    """Finds lexers in a worker: importing Pygments' modules takes up to 100 ms."""

    found = Signal(str, object)


class _FindLexer(QRunnable):
    def __init__(self, language: str, loader: _LexerLoader) -> None:
        super().__init__()
        self._language = language
        self._loader = loader

    def run(self) -> None:
        from pygments.lexers import get_lexer_by_name, get_lexer_for_filename
        from pygments.util import ClassNotFound

        lexer = None
        try:
            lexer = get_lexer_by_name(self._language)
        except ClassNotFound:
            try:
                lexer = get_lexer_for_filename(self._language)
            except ClassNotFound:
                lexer = None
        if isValid(self._loader):
            self._loader.found.emit(self._language, lexer)


class Highlighter(QObject):
    """Colours code for whoever asks, one block after the other, newest wish first; finished ones are kept (64)."""

    def __init__(self, theme: Theme, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._formats: dict[str, QTextCharFormat] = {}
        self._lexers: dict[str, Any] = {}
        self._loader = _LexerLoader(self)
        self._loader.found.connect(self._lexer_found)
        self._cache: OrderedDict[tuple[str, str], Lines] = OrderedDict()
        self._wanted: dict[tuple[str, str], list[Callable[[str, Lines], None]]] = {}
        self._running: tuple[tuple[str, str], Iterator[Lines]] | None = None
        self._timer = QTimer(self)
        self._timer.setInterval(0)
        self._timer.timeout.connect(self._work)

    def formats(self) -> dict[str, QTextCharFormat]:
        """Formats by name of colour, for `QTextLayout.setFormats`."""
        if not self._formats:
            names = ("keyword", "string", "comment", "number", "function", "class", "operator")
            for name in (*names, "decorator"):
                made = QTextCharFormat()
                made.setForeground(self._theme.color("code_number" if name == "decorator" else f"code_{name}"))
                if name == "comment":
                    made.setFontItalic(True)
                    made.setFontWeight(QFont.Weight.Normal)
                self._formats[name] = made
        return self._formats

    def forget(self) -> None:
        """The colours changed."""
        self._formats.clear()

    def ask(self, text: str, language: str, tell: Callable[[str, Lines], None]) -> None:
        """Call `tell(text, lines)` once the colours are known: at once when kept, never for an unknown language."""
        key = (language.lower(), text)
        if not language or len(text) > HIGHLIGHT_LIMIT:
            return
        if key in self._cache:
            self._cache.move_to_end(key)
            tell(text, self._cache[key])
            return
        self._wanted.setdefault(key, []).append(tell)
        if key[0] not in self._lexers:
            self._lexers[key[0]] = None
            QThreadPool.globalInstance().start(_FindLexer(key[0], self._loader))
        else:
            self._timer.start()

    def withdraw(self, tell: Callable[[str, Lines], None]) -> None:
        """Whoever asked no longer wants to know."""
        for key in [key for key, tellers in self._wanted.items() if tell in tellers]:
            self._wanted[key].remove(tell)
            if not self._wanted[key]:
                del self._wanted[key]

    @Slot(str, object)
    def _lexer_found(self, language: str, lexer: object) -> None:
        self._lexers[language] = lexer if lexer is not None else False
        self._timer.start()

    def _next(self) -> bool:
        for key in reversed(list(self._wanted)):
            lexer = self._lexers.get(key[0])
            if lexer is False:
                del self._wanted[key]
            elif lexer is not None:
                self._running = (key, coloured_lines(lexer, key[1]))
                return True
        return False

    @Slot()
    def _work(self) -> None:
        if self._running is None and not self._next():
            self._timer.stop()
            return
        assert self._running is not None
        key, steps = self._running
        if key not in self._wanted:
            self._running = None
            return
        deadline = time.perf_counter() + SLICE_S
        lines: Lines = []
        for so_far in steps:
            lines = so_far
            if time.perf_counter() > deadline:
                return
        self._running = None
        self._cache[key] = lines
        if len(self._cache) > CACHE:
            self._cache.popitem(last=False)
        for tell in self._wanted.pop(key, []):
            tell(key[1], lines)
