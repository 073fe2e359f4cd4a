"""Markdown in a terminal while it streams: every character is written once, as soon as its style is certain.

A streamed answer cannot be parsed as a whole first, so this is a small reader of what models write most: headings,
lists, quotes, fenced code, bold, italic and inline code. Marks it does not know are shown as they stand.
"""

from __future__ import annotations

import re

from desktop.cli.console import plain

RESET, BOLD, ITALIC, DIM = "\x1b[0m", "\x1b[1m", "\x1b[3m", "\x1b[2m"
CODE, HEADING, QUOTE = "\x1b[36m", "\x1b[1;34m", "\x1b[2;3m"

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_HEADING = re.compile(r" {0,3}#{1,6} ")
_BULLET = re.compile(r"(\s*)[-*+] ")
_QUOTE = re.compile(r" {0,3}> ?")
# Text at the start of a line that may still become one of the above, or a rule or fence.
_UNDECIDED_START = re.compile(r"\s*(#{0,6}|[-*+]{0,2}|`{0,3}|~{0,3}|>?)\s?")


class TerminalMarkdown:
    """Feed it text in any pieces, write what it returns; the pieces' borders make no difference to the whole."""

    def __init__(self) -> None:
        self._pending = ""
        self._line_start = True
        self._fence = ""
        self._line_style = ""
        self._marks: list[str] = []  # open emphasis: "**", "*", "`"

    def feed(self, text: str) -> str:
        """The styled form of what is certain by now."""
        self._pending += plain(text)
        return self._take(final=False)

    def end(self) -> str:
        """The rest, and every style off."""
        return self._take(final=True) + (RESET if self._styles() else "")

    def _take(self, *, final: bool) -> str:
        out: list[str] = []
        while self._pending:
            taken = (
                self._fenced(final) if self._fence else self._start(final) if self._line_start else self._inline(final)
            )
            if taken is None:
                break
            out.append(taken)
        return "".join(out)

    def _fenced(self, final: bool) -> str | None:
        """Code: whole lines, so that the closing fence is known before it is shown."""
        line, newline, rest = self._pending.partition("\n")
        if not newline and not final:
            return None
        self._pending = rest
        if line.strip().startswith(self._fence) and not line.strip().strip(self._fence[0]):
            self._fence = ""
            return f"{DIM}{line}{RESET}{newline}"
        return f"{CODE}{line}{RESET}{newline}"

    def _start(self, final: bool) -> str | None:
        """The mark at the start of a line."""
        line, newline, rest = self._pending.partition("\n")
        if not newline and not final and _UNDECIDED_START.fullmatch(line):
            return None
        if fence := _FENCE.match(line):
            if not newline and not final:
                return None
            self._fence = fence[1]
            self._pending = rest
            return f"{DIM}{line}{RESET}{newline}"
        self._line_start = False
        self._line_style = HEADING if _HEADING.match(line) else QUOTE if _QUOTE.match(line) else ""
        if bullet := _BULLET.match(line):
            self._pending = self._pending[bullet.end() :]
            return f"{bullet[1]}• "
        return self._line_style

    def _inline(self, final: bool) -> str | None:
        """Up to the next mark or the end of the line; a mark that could still grow waits for its neighbour."""
        text = self._pending
        cut = next((index for index, character in enumerate(text) if character in "*`\n"), len(text))
        if cut:
            self._pending = text[cut:]
            return text[:cut]
        if text[0] == "\n":
            self._pending = text[1:]
            self._line_start = True
            had = self._styles()
            self._marks.clear()
            self._line_style = ""
            return (RESET if had else "") + "\n"
        if text[0] == "*" and len(text) == 1 and not final:
            return None
        mark = "**" if text.startswith("**") else text[0]
        self._pending = text[len(mark) :]
        return self._toggle(mark, self._pending[:1])

    def _toggle(self, mark: str, after: str) -> str:
        if "`" in self._marks and mark != "`":
            return mark
        if mark in self._marks:
            self._marks.remove(mark)
            return RESET + self._styles()
        if mark != "`" and after.isspace():
            return mark  # "2 * 3": an opening mark stands before a word
        self._marks.append(mark)
        return RESET + self._styles()

    def _styles(self) -> str:
        return self._line_style + "".join({"**": BOLD, "*": ITALIC, "`": CODE}[mark] for mark in self._marks)
