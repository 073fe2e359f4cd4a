"""The composer's text field: grows with its text, sends on Enter, gives dropped files to the window."""

from __future__ import annotations

from PySide6.QtCore import QMimeData, QSize, Qt, Signal
from PySide6.QtGui import QDragEnterEvent, QDragMoveEvent, QInputMethodEvent, QKeyEvent, QPalette, QResizeEvent
from PySide6.QtWidgets import QFrame, QPlainTextEdit, QSizePolicy

from desktop.qt.theme import Theme

MAX_CHARS = 4 * 1024 * 1024  # half of what the service takes in bytes
CARET_ROOM = 2  # so that the caret stands before the first letter and not on it
PLACEHOLDER = "Ask about your code."


class ComposerEdit(QPlainTextEdit):
    """`submitted` on Enter, `escaped` on Esc, `edit_last_asked` on Up while empty. Shift+Enter makes a line."""

    submitted = Signal()
    escaped = Signal()
    edit_last_asked = Signal()
    too_long = Signal(int)

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self._composing = False
        self._max_height = 300
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setTabChangesFocus(True)
        self.setPlaceholderText(PLACEHOLDER)
        self.setAccessibleName("Message")
        self.setAccessibleDescription("Enter sends, Shift and Enter begin a new line")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.document().setDocumentMargin(CARET_ROOM)
        self.document().documentLayout().documentSizeChanged.connect(lambda _size: self._fit())
        theme.changed.connect(self._restyle)
        self._restyle()

    def set_max_height(self, height: int) -> None:
        """The most the field may grow to; beyond it scrolls."""
        if height != self._max_height:
            self._max_height = height
            self._fit()

    def sizeHint(self) -> QSize:
        return QSize(200, self._wanted_height())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        plain = event.modifiers() in (Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.KeypadModifier)
        match event.key():
            case Qt.Key.Key_Return | Qt.Key.Key_Enter if plain and not self._composing:
                self.submitted.emit()
            case Qt.Key.Key_Escape if plain:
                self.escaped.emit()
            case Qt.Key.Key_Up if plain and not self.toPlainText():
                self.edit_last_asked.emit()
            case _:
                super().keyPressEvent(event)

    def inputMethodEvent(self, event: QInputMethodEvent) -> None:
        # While an input method composes, Enter chooses a word and must not send.
        self._composing = bool(event.preeditString())
        super().inputMethodEvent(event)

    def canInsertFromMimeData(self, source: QMimeData) -> bool:
        return not source.hasUrls() and super().canInsertFromMimeData(source)

    def insertFromMimeData(self, source: QMimeData) -> None:
        text = source.text()
        if len(text) + self.document().characterCount() > MAX_CHARS:
            self.too_long.emit(len(text))
            return
        self.textCursor().insertText(text)
        self.ensureCursorVisible()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if event.mimeData().hasUrls():
            event.ignore()  # files are the window's
        else:
            super().dragEnterEvent(event)

    def dragMoveEvent(self, event: QDragMoveEvent) -> None:
        if event.mimeData().hasUrls():
            event.ignore()
        else:
            super().dragMoveEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def _wanted_height(self) -> int:
        # The size of a plain text document is counted in lines.
        lines = max(1, round(self.document().size().height()))
        return min(self._max_height, lines * self.fontMetrics().lineSpacing() + 2 * CARET_ROOM)

    def _fit(self) -> None:
        height = self._wanted_height()
        scrolls = height >= self._max_height
        policy = Qt.ScrollBarPolicy.ScrollBarAsNeeded if scrolls else Qt.ScrollBarPolicy.ScrollBarAlwaysOff
        if self.verticalScrollBarPolicy() != policy:
            self.setVerticalScrollBarPolicy(policy)
        if height != self.height() or self.minimumHeight() != height:
            self.setFixedHeight(height)

    def _restyle(self) -> None:
        font = self._theme.font("reading")
        self.setFont(font)
        self.viewport().setFont(font)  # what stands in the empty field is painted with this one
        palette = self.palette()
        palette.setColor(QPalette.ColorRole.Base, Qt.GlobalColor.transparent)
        palette.setColor(QPalette.ColorRole.Text, self._theme.color("text"))
        palette.setColor(QPalette.ColorRole.PlaceholderText, self._theme.color("text3"))
        self.setPalette(palette)
        self._fit()
