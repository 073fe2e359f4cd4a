"""Character and block formats for prose, made once per theme."""

from __future__ import annotations

from PySide6.QtGui import QFont, QTextBlockFormat, QTextCharFormat

from desktop.qt.theme import Theme
from desktop.qt.transcript.pieces import Mark, Para, Span, gap_above

INDENT = 24
_STYLES = {"h1": "display", "h2": "heading", "h3": "title", "h4": "title", "h5": "title", "h6": "title"}


class Formats:
    """Formats for spans and paragraphs in the colours and sizes of the theme. `forget` after the theme changed."""

    def __init__(self, theme: Theme) -> None:
        self.theme = theme
        self._chars: dict[tuple[str, Mark, bool, str], QTextCharFormat] = {}
        self._blocks: dict[tuple[str, int, int], QTextBlockFormat] = {}

    def forget(self) -> None:
        self._chars.clear()
        self._blocks.clear()

    def span(self, style: str, span: Span, base: str = "reading", token: str = "text") -> QTextCharFormat:
        """The format of a span in a paragraph of a style."""
        key = (f"{style} {base} {token}", span.marks, bool(span.href), "")
        if key not in self._chars:
            self._chars[key] = self._make_span(style, span, base, token)
        made = self._chars[key]
        if span.href:
            made = QTextCharFormat(made)
            made.setAnchor(True)
            made.setAnchorHref(span.href)
        return made

    def _make_span(self, style: str, span: Span, base: str, token: str) -> QTextCharFormat:
        theme = self.theme
        made = QTextCharFormat()
        made.setFont(self._font(_STYLES.get(style, base), span.marks))
        made.setForeground(theme.color(token if token != "text" else "text"))
        if span.marks & Mark.STRIKE:
            made.setFontStrikeOut(True)
        if span.marks & Mark.CITATION:
            made.setForeground(theme.color("accent"))
        if span.marks & Mark.IMAGE:
            made.setForeground(theme.color("text2"))
        if span.href:
            made.setForeground(theme.color("link"))
            made.setFontUnderline(True)
        return made

    def _font(self, style: str, marks: Mark) -> QFont:
        theme = self.theme
        heading = style in ("display", "heading", "title")
        weight = 600 if marks & Mark.BOLD or heading else 0
        if marks & Mark.CITATION:
            return theme.font("meta", weight=600)
        if marks & Mark.IMAGE:
            return theme.font("small")
        if not marks & Mark.CODE:
            return theme.font(style, weight=weight, italic=bool(marks & Mark.ITALIC))
        font = theme.font("code", weight=weight, italic=bool(marks & Mark.ITALIC))
        if heading:
            font.setPixelSize(max(1, round(theme.font(style).pixelSize() * 0.9)))
        return font

    def block(self, para: Para, *, first: bool, base: str = "reading") -> QTextBlockFormat:
        """The format of a paragraph; the first of a piece has nothing above it, the piece has."""
        style = _STYLES.get(para.style, base)
        gap = 0 if first else gap_above(para)
        key = (style, para.depth, gap)
        if key not in self._blocks:
            made = QTextBlockFormat()
            made.setLineHeight(self.theme.line_height(style), QTextBlockFormat.LineHeightTypes.FixedHeight.value)
            made.setTopMargin(self.theme.px(gap))
            made.setLeftMargin(self.theme.px(INDENT * para.depth))
            self._blocks[key] = made
        return self._blocks[key]
