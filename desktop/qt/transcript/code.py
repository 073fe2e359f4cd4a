"""A code block: its language or file name, Wrap and Copy above; the code itself is appended to while it grows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import QPoint, QRect, Qt, Slot
from PySide6.QtGui import (
    QGuiApplication,
    QPainter,
    QPaintEvent,
    QPalette,
    QTextCharFormat,
    QTextCursor,
    QTextLayout,
    QTextOption,
)
from PySide6.QtWidgets import QFrame, QPlainTextEdit, QWidget

from desktop.qt.components import paint
from desktop.qt.components.button import Button
from desktop.qt.tokens import RADIUS_CARD
from desktop.qt.transcript.highlight import Lines
from desktop.qt.transcript.piece_widget import FoundRange, Kit, PieceWidget
from desktop.qt.transcript.pieces import Code, Piece, Plain, utf16_length
from desktop.qt.transcript.ranges import ShownRanges

SHOWN_LINES = 2_000
SHOWN_CHARS = 64 * 1024
OPEN_HIGHLIGHT_LINES = 200
HEAD = 36
PAD = 12
ALL_ROW = 36


def shown_part(text: str) -> str:
    """The part of a long code that is shown at first: 2,000 lines or 64 kB, whole lines."""
    if len(text) <= SHOWN_CHARS and text.count("\n") < SHOWN_LINES:
        return text
    cut = text[:SHOWN_CHARS]
    lines = cut.split("\n")
    if len(lines) > SHOWN_LINES:
        return "\n".join(lines[:SHOWN_LINES])
    return cut[: cut.rfind("\n")] if "\n" in cut else cut


class _CodeEdit(QPlainTextEdit):
    """The code itself: as high as it is, scrolled sideways only; the mouse goes through to the transcript."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setReadOnly(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setUndoRedoEnabled(False)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.NoTextInteraction)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.setWordWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
        self.document().setDocumentMargin(0)
        self.viewport().setAutoFillBackground(False)
        self.viewport().setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)


class CodeBlock(PieceWidget):
    """Shows `Code` and `Plain`. Long code shows its first part and a button for the rest."""

    def __init__(self, kit: Kit, parent: QWidget | None = None) -> None:
        super().__init__(kit, parent)
        self._text = ""
        self._all = False
        self._coloured = ""
        self.edit = _CodeEdit(self)
        self._ranges = ShownRanges(kit.theme, self.edit)
        self.wrap_button = Button(kit.theme, "Wrap", "ghost", icon="wrap-text", small=True, parent=self)
        self.wrap_button.setCheckable(True)
        self.copy_button = Button(kit.theme, "Copy", "ghost", icon="copy", small=True, parent=self)
        self.all_button = Button(kit.theme, "Show all", "ghost", small=True, parent=self)
        self.all_button.hide()
        self.wrap_button.toggled.connect(self._wrap)
        self.copy_button.clicked.connect(self._copy)
        self.all_button.clicked.connect(self._show_all)
        self._dress()

    def _dress(self) -> None:
        theme = self.kit.theme
        font = theme.font("code")
        self.edit.setFont(font)
        self.edit.setTabStopDistance(4 * self.edit.fontMetrics().horizontalAdvance(" "))
        palette = self.edit.palette()
        palette.setColor(QPalette.ColorRole.Text, theme.color("code_text"))
        self.edit.setPalette(palette)

    # What is shown

    @property
    def full_text(self) -> str:
        return self.piece.text if isinstance(self.piece, Code | Plain) else ""

    def show_piece(self, piece: Piece) -> None:
        assert isinstance(piece, Code | Plain)
        before, self.piece = self.piece, piece
        if before is None or isinstance(before, Plain) != isinstance(piece, Plain):
            self.wrap_button.setChecked(isinstance(piece, Plain))
        text = piece.text if self._all else shown_part(piece.text)
        self._write(text)
        hidden = len(piece.text) - len(text)
        self.all_button.setVisible(hidden > 0)
        if hidden:
            self.all_button.set_text(f"Show all ({piece.text.count(chr(10)) + 1:,} lines)")
        name = self._names()[0] or "code"
        self.edit.setAccessibleName(f"Code, {name}")
        self.copy_button.setAccessibleName(f"Copy {name}")
        self._ask_colours()
        self.update()

    def _names(self) -> tuple[str, str]:
        """What the head says: a file name or language, and the language beside a file name."""
        if isinstance(self.piece, Code):
            return (self.piece.title, self.piece.language) if self.piece.title else (self.piece.language, "")
        return ("Plain text", "")

    def _write(self, text: str) -> None:
        if text == self._text:
            return
        if self._text and text.startswith(self._text):
            cursor = QTextCursor(self.edit.document())
            cursor.movePosition(QTextCursor.MoveOperation.End)
            cursor.insertText(text[len(self._text) :])
        else:
            self.edit.setPlainText(text)
            self._coloured = ""
        self._text = text

    @Slot(bool)
    def _wrap(self, on: bool) -> None:
        mode = QPlainTextEdit.LineWrapMode
        self.edit.setLineWrapMode(mode.WidgetWidth if on else mode.NoWrap)
        self.height_changed.emit()

    @Slot()
    def _copy(self) -> None:
        QGuiApplication.clipboard().setText(self.full_text)
        self.copy_button.set_text("Copied")

    @Slot()
    def _show_all(self) -> None:
        self._all = True
        assert self.piece is not None
        self.show_piece(self.piece)
        self.height_changed.emit()

    def release(self) -> None:
        self.kit.highlighter.withdraw(self._colour)
        self._all = False
        self._ranges.forget()
        self.edit.setExtraSelections([])
        self.wrap_button.setChecked(False)
        self.copy_button.set_text("Copy")

    def retheme(self) -> None:
        self._dress()
        self._coloured = ""
        self._ask_colours()
        self._ranges.show()

    # Colours

    def _ask_colours(self) -> None:
        if not isinstance(self.piece, Code) or self._text == self._coloured:
            return
        if self.piece.open and self._text.count("\n") > OPEN_HIGHLIGHT_LINES:
            return
        self.kit.highlighter.withdraw(self._colour)
        self.kit.highlighter.ask(self._text, self.piece.language or self.piece.title, self._colour)

    def _colour(self, text: str, lines: Lines) -> None:
        """Colour the lines; `text` is a beginning of what is shown when more came meanwhile."""
        if not self._text.startswith(text):
            return
        formats = self.kit.highlighter.formats()
        block = self.edit.document().firstBlock()
        for runs in lines:
            if not block.isValid():
                break
            block.layout().setFormats([_range(start, length, formats[colour]) for start, length, colour in runs])
            block = block.next()
        self._coloured = text
        self.edit.document().markContentsDirty(0, utf16_length(text))
        self.edit.viewport().update()
        if text != self._text:
            self._ask_colours()

    # Measures

    def _head(self) -> int:
        return self.kit.theme.px(HEAD)

    def height_for(self, width: int) -> int:
        theme = self.kit.theme
        pad = theme.px(PAD)
        rest = theme.px(ALL_ROW) if not self.all_button.isHidden() else 0
        if self.edit.lineWrapMode() == QPlainTextEdit.LineWrapMode.NoWrap:
            return self._head() + 2 * pad + round(self.edit.blockCount() * self._line_height()) + rest
        self.edit.resize(width - 2 * pad, 100)
        layout = self.edit.document().documentLayout()
        block, total = self.edit.document().firstBlock(), 0.0
        while block.isValid():
            total += layout.blockBoundingRect(block).height()
            block = block.next()
        return self._head() + 2 * pad + round(total) + rest

    def _line_height(self) -> float:
        first = self.edit.document().firstBlock()
        return self.edit.document().documentLayout().blockBoundingRect(first).height()

    def resizeEvent(self, event: object) -> None:
        theme = self.kit.theme
        pad, head = theme.px(PAD), self._head()
        rest = theme.px(ALL_ROW) if not self.all_button.isHidden() else 0
        # The bar to scroll sideways lies in the space below the code.
        self.edit.setGeometry(pad, head + pad, self.width() - 2 * pad, self.height() - head - pad - 2 - rest)
        copy, wrap = self.copy_button.sizeHint(), self.wrap_button.sizeHint()
        top = (head - copy.height()) // 2
        self.copy_button.setGeometry(self.width() - copy.width() - theme.px(4), top, copy.width(), copy.height())
        self.wrap_button.setGeometry(self.copy_button.x() - wrap.width(), top, wrap.width(), wrap.height())
        hint = self.all_button.sizeHint()
        self.all_button.setGeometry(pad, self.height() - hint.height() - theme.px(4), hint.width(), hint.height())

    # Places

    def offset_at(self, point: QPoint) -> int:
        spot = point - self.edit.pos()
        return self.edit.cursorForPosition(spot).position()

    def rect_at(self, offset: int) -> QRect:
        cursor = QTextCursor(self.edit.document())
        cursor.setPosition(min(offset, self.edit.document().characterCount() - 1))
        return self.edit.cursorRect(cursor).translated(self.edit.pos())

    def select(self, start: int, end: int) -> None:
        self._ranges.select(start, end)

    def mark(self, ranges: Sequence[FoundRange]) -> None:
        self._ranges.mark(ranges)

    def scroll_sideways(self, by: int) -> bool:
        """Scroll the code by pixels; False when it cannot go further."""
        bar = self.edit.horizontalScrollBar()
        before = bar.value()
        bar.setValue(before + by)
        return bar.value() != before

    # Painting

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = paint.antialiased(QPainter(self))
        theme = self.kit.theme
        paint.box(painter, self.rect(), theme.px(RADIUS_CARD), theme.color("bg_sunken"), theme.color("border"))
        painter.fillRect(1, self._head() - 1, self.width() - 2, 1, theme.color("border"))
        side, pad = theme.px(16), theme.px(PAD)
        icon = "file-code" if isinstance(self.piece, Code) else "file-text"
        theme.paint_icon(painter, QRect(pad, (self._head() - side) // 2, side, side), icon)
        self._paint_names(painter, pad + side + theme.px(8))

    def _paint_names(self, painter: QPainter, left: int) -> None:
        theme = self.kit.theme
        name, language = self._names()
        room = max(0, self.wrap_button.x() - left - theme.px(8))
        font = theme.font("code")
        if not language:
            font = theme.font("small")
        width = min(room, paint.text_width(name, font))
        paint.text(painter, QRect(left, 0, width, self._head() - 1), name or "code", font, theme.color("text2"))
        if not name:
            paint.text(painter, QRect(left, 0, room, self._head() - 1), "code", font, theme.color("text2"))
        rest = QRect(left + width + theme.px(8), 0, max(0, room - width - theme.px(8)), self._head() - 1)
        paint.text(painter, rest, language, theme.font("small"), theme.color("text2"))


def _range(start: int, length: int, made: QTextCharFormat) -> Any:
    found: Any = QTextLayout.FormatRange()
    found.start, found.length, found.format = start, length, made
    return found
