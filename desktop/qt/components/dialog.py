"""The frame of a dialog: title, content, and buttons at the end, the safe one first."""

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QDialog, QHBoxLayout, QVBoxLayout, QWidget

from desktop.qt.components.button import Button, Kind
from desktop.qt.components.label import Label
from desktop.qt.theme import Theme


class Dialog(QDialog):
    """A window-modal dialog; put widgets into `content`. Open it with `open()`, never with `exec()`.

    Esc rejects. Use it for deleting files on disk and for what leaves this computer; all else can be undone instead.
    """

    def __init__(self, theme: Theme, title: str, text: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self.setWindowTitle(title)
        self.setAccessibleName(title)
        self.setAccessibleDescription(text)
        self.setModal(True)
        self._column = QVBoxLayout(self)
        self._column.addWidget(Label(theme, title, "heading", wrap=True))
        if text:
            self._column.addWidget(Label(theme, text, token="text2", wrap=True))
        self.content = QVBoxLayout()
        self._column.addLayout(self.content)
        self._buttons = QHBoxLayout()
        self._buttons.addStretch(1)
        self._column.addLayout(self._buttons)
        theme.changed.connect(self.retheme)
        self.retheme()

    def add_cancel(self, text: str = "Cancel") -> Button:
        """A button that rejects; it has the focus first, so that Enter alone destroys nothing."""
        button = self._add(text, "outline")
        button.clicked.connect(self.reject)
        button.setFocus()
        return button

    def add_accept(self, text: str, kind: Kind = "primary") -> Button:
        """The button that does it; name it by what it does ("Delete file"), kind "danger" when it destroys."""
        button = self._add(text, kind)
        button.clicked.connect(self.accept)
        return button

    def _add(self, text: str, kind: Kind) -> Button:
        button = Button(self._theme, text, kind)
        button.setAutoDefault(False)
        self._buttons.addWidget(button)
        return button

    @Slot()
    def retheme(self) -> None:
        px = self._theme.px
        self._column.setContentsMargins(px(24), px(24), px(24), px(16))
        self._column.setSpacing(px(12))
        self._buttons.setSpacing(px(8))
        self.setMinimumWidth(px(420))
