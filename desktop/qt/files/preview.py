"""The text of a file around a passage, over the window: plain text, the passage marked, nothing loaded or run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QRect, QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent, QPainter, QPaintEvent, QPalette, QResizeEvent, QTextCursor, QTextOption
from PySide6.QtWidgets import QFrame, QPlainTextEdit, QTextEdit, QWidget

from desktop.qt.bridge import Bridge, Call, Failure
from desktop.qt.components import paint
from desktop.qt.components.button import Button, IconButton
from desktop.qt.components.label import ElidedLabel, Label
from desktop.qt.components.notice import Notice
from desktop.qt.files.place_words import name_of, span_words
from desktop.qt.overlay import Overlay
from desktop.qt.surface import column, row
from desktop.qt.theme import Theme
from desktop.qt.transcript.pieces import utf16_length

if TYPE_CHECKING:
    from desktop.wire_files import Preview, SearchResult

WIDTH = 860
HEIGHT = 620
_INVISIBLE = {code: "\ufffd" for code in range(32) if code not in (9, 10)} | {0x2028: " ", 0x2029: " "}


class PreviewText(QPlainTextEdit):
    """Read-only text with its line numbers; `first_line` is the number of the first."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self.first_line = 1
        self._gutter = Gutter(self)
        self._range = (0, 0)
        self.setReadOnly(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setAccessibleName("Text of the file")
        self.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        self.setWordWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
        self.setUndoRedoEnabled(False)
        self.blockCountChanged.connect(self._make_room)
        self.updateRequest.connect(self._scrolled)
        theme.changed.connect(self._restyle)
        self._restyle()

    def show_text(self, text: str, first_line: int, start: int, end: int) -> None:
        """Show a text and mark [start, end) of it, characters; the passage is brought into view."""
        self.first_line = first_line
        self.setPlainText(text.translate(_INVISIBLE))
        self._range = (utf16_length(text[:start]), utf16_length(text[:end]))
        self._make_room()
        self._mark()
        cursor = QTextCursor(self.document())
        cursor.setPosition(self._range[0])
        self.setTextCursor(cursor)
        self.centerCursor()

    @property
    def marked(self) -> str:
        """The text that is marked."""
        cursor = QTextCursor(self.document())
        cursor.setPosition(self._range[0])
        cursor.setPosition(self._range[1], QTextCursor.MoveMode.KeepAnchor)
        return cursor.selectedText().replace("\u2029", "\n")

    def _mark(self) -> None:
        if self._range[0] >= self._range[1]:
            self.setExtraSelections([])
            return
        extra = QTextEdit.ExtraSelection()
        cursor = QTextCursor(self.document())
        cursor.setPosition(self._range[0])
        cursor.setPosition(self._range[1], QTextCursor.MoveMode.KeepAnchor)
        extra.cursor = cursor
        extra.format.setBackground(self._theme.color("accent_subtle"))
        self.setExtraSelections([extra])

    def gutter_width(self) -> int:
        digits = len(str(self.first_line + self.blockCount()))
        return paint.text_width("0" * max(3, digits), self._theme.font("code")) + self._theme.px(20)

    def _make_room(self) -> None:
        self.setViewportMargins(self.gutter_width(), 0, 0, 0)
        self._gutter.setGeometry(QRect(0, 0, self.gutter_width(), self.height()))

    def _scrolled(self, rect: QRect, dy: int) -> None:
        if dy:
            self._gutter.scroll(0, dy)
        else:
            self._gutter.update(0, rect.y(), self._gutter.width(), rect.height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._make_room()

    def _restyle(self) -> None:
        self.setFont(self._theme.font("code"))
        palette = self.palette()
        palette.setColor(QPalette.ColorRole.Base, self._theme.color("bg_sunken"))
        palette.setColor(QPalette.ColorRole.Text, self._theme.color("code_text"))
        self.setPalette(palette)
        self.viewport().setPalette(palette)
        self.document().setDocumentMargin(self._theme.px(8))
        self._make_room()
        self._mark()

    def paint_numbers(self, painter: QPainter, area: QRect) -> None:
        """Draw the numbers of the lines in view."""
        theme = self._theme
        painter.fillRect(area, theme.color("bg_sunken"))
        block = self.firstVisibleBlock()
        place = self.blockBoundingGeometry(block).translated(self.contentOffset())
        right, font = Qt.AlignmentFlag.AlignRight, theme.font("code")
        while block.isValid() and place.top() <= area.bottom():
            line = self.fontMetrics().lineSpacing()
            spot = QRect(0, round(place.top()), self._gutter.width() - theme.px(12), line)
            number = str(self.first_line + block.blockNumber())
            paint.text(painter, spot, number, font, theme.color("text3"), align=right)
            block = block.next()
            place = self.blockBoundingGeometry(block).translated(self.contentOffset())


class Gutter(QWidget):
    """Line numbers beside a PreviewText."""

    def __init__(self, text: PreviewText) -> None:
        super().__init__(text)
        self._text = text

    def sizeHint(self) -> QSize:
        return QSize(self._text.gutter_width(), 0)

    def paintEvent(self, event: QPaintEvent) -> None:
        self._text.paint_numbers(QPainter(self), event.rect())


class PreviewPanel(Overlay):
    """Opens over the window with `show_result` or `show_file`. `open_asked(file, line, page)` for the editor."""

    open_asked = Signal(str, int, object)

    def __init__(self, theme: Theme, host: QWidget, bridge: Bridge) -> None:
        super().__init__(theme, host, "Preview", dim=True)
        self._bridge = bridge
        self._call: Call | None = None
        self._place: tuple[str, int, int | None] = ("", 1, None)
        self.title = ElidedLabel(theme, "", "title")
        self.about = ElidedLabel(theme, "", "small", "text2")
        self.notice = Notice(theme, "warning", "")
        self.text = PreviewText(theme)
        self.open_button = Button(theme, "Open in editor", icon="external-link")
        self.close_button = IconButton(theme, "x", "Close", keys="Esc")
        self._lay_out()
        self.open_button.clicked.connect(lambda: self.open_asked.emit(*self._place))
        self.close_button.clicked.connect(self.close_overlay)

    def show_result(self, found: SearchResult) -> None:
        """Show the file of a passage, with the passage marked."""
        chunk = found.chunk_ids[0] if found.chunk_ids else None
        self._begin(found.file, found.path, found.start_line, found.page, chunk)

    def show_file(self, file: str) -> None:
        """Show the beginning of a file that is in the index."""
        self._begin(file, file, 1, None, None)

    def focus_first(self) -> QWidget | None:
        return self.text

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.open_asked.emit(*self._place)
        else:
            super().keyPressEvent(event)

    def _begin(self, file: str, path: str, line: int, page: int | None, chunk: int | None) -> None:
        if self._call is not None:
            self._call.cancel()
        self._place = (file, line, page)
        self.title.setText(name_of(path))
        self.about.setText(path)
        self.notice.hide()
        self.text.show_text("", 1, 0, 0)
        self._call = self._bridge.call(lambda client: client.preview(file, chunk), self._came, self._failed, owner=self)
        self.open_centered(WIDTH, HEIGHT)

    def _came(self, preview: Preview) -> None:
        self._call = None
        self.text.show_text(preview.text, preview.first_line, preview.start, preview.end)
        file, line, page = self._place
        last = preview.first_line + preview.text.count("\n")
        place = span_words(preview.page, preview.page, "page") if preview.page else ""
        place = place or span_words(preview.first_line, last, "line")
        self.about.setText(f"{file} · {place}")
        self._place = (file, line, page if page is not None else preview.page)
        words = [
            "The file has changed since it was read: this is what is in the index." if preview.stale else "",
            "Only a part of the file is shown." if preview.truncated else "",
        ]
        if any(words):
            level = "warning" if preview.stale else "info"
            self.notice.show_message(level, " ".join(word for word in words if word))  # type: ignore[arg-type]
            self.notice.show()

    def _failed(self, failure: Failure) -> None:
        self._call = None
        self.notice.show_message("error", failure.message, hint=failure.hint)
        self.notice.show()

    def _lay_out(self) -> None:
        layout = self.panel.content
        head = row(margins=(20, 14, 12, 10), gap=8)
        words = column(gap=2)
        words.addWidget(self.title)
        words.addWidget(self.about)
        head.addLayout(words, 1)
        head.addWidget(self.open_button)
        head.addWidget(self.close_button)
        layout.addLayout(head)
        notice = row(margins=(20, 0, 20, 10))
        notice.addWidget(self.notice)
        self.notice.hide()
        layout.addLayout(notice)
        layout.addWidget(self.text, 1)
        foot = row(margins=(20, 8, 20, 10))
        words_ = Label(self.theme, "Enter opens it in the editor, Esc closes.", "small", "text3")
        foot.addWidget(words_)
        layout.addLayout(foot)
