"""What is known of the chosen file, below the table: why it was left out or failed, and what can be done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal

from desktop.qt.components.button import Button
from desktop.qt.components.label import ElidedLabel, Label
from desktop.qt.components.states import IconSpot
from desktop.qt.files.place_words import name_of
from desktop.qt.files.words import counted, file_words
from desktop.qt.surface import Pane, column, row
from desktop.qt.theme import Theme

if TYPE_CHECKING:
    from desktop.wire_files import FileRow


class FileFacts(Pane):
    """`open_asked(row)`, `preview_asked(row)`, `retry_asked(row)`, `remove_asked(row)`."""

    open_asked = Signal(object)
    preview_asked = Signal(object)
    retry_asked = Signal(object)
    remove_asked = Signal(object)

    def __init__(self, theme: Theme) -> None:
        super().__init__(theme, "bg_surface", ("top",))
        self.setAccessibleName("The chosen file")
        self.row: FileRow | None = None
        self._icon = IconSpot(theme, "file", size=16)
        self._title = ElidedLabel(theme, "", "ui", weight=500)
        self.message = Label(theme, "", "small", "text2", wrap=True)
        self.retry = Button(theme, "Retry", icon="refresh-cw", small=True)
        self.preview = Button(theme, "Preview", icon="eye", small=True)
        self.open = Button(theme, "Open", icon="external-link", small=True)
        layout = row(self, margins=(4, 10, 20, 10), gap=10)
        layout.addWidget(self._icon)
        words = column(gap=2)
        words.addWidget(self._title)
        words.addWidget(self.message)
        layout.addLayout(words, 1)
        for button, signal in (
            (self.retry, self.retry_asked),
            (self.preview, self.preview_asked),
            (self.open, self.open_asked),
        ):
            layout.addWidget(button)
            button.clicked.connect(lambda _on=False, signal=signal: signal.emit(self.row))
        self.hide()

    def show_file(self, row: FileRow | None) -> None:
        """Show this file; None hides the bar."""
        self.row = row
        self.setVisible(row is not None)
        if row is None:
            return
        said = file_words(row)
        self._icon.set_icon(said.icon or "loader-circle", "success" if row.state == "indexed" else said.token)
        self._title.setText(name_of(row.path))
        self.message.setText(facts_of(row))
        self.message.set_token("danger" if row.state == "failed" else "text2")
        self.retry.setVisible(row.state == "failed")
        self.preview.setVisible(row.state == "indexed")
        self.setAccessibleDescription(self.message.text())


def facts_of(row: FileRow) -> str:
    """All that is known of a file, in sentences."""
    short = file_words(row).text.rstrip(".")
    full = row.message.rstrip(".") if row.state in ("skipped", "failed") else ""
    parts = [f"{full or short}."]
    parts += [f"{counted(row.pages, 'page')}." if row.pages else ""]
    parts += [f"Language: {row.language}." if row.language else ""]
    parts += [f"The same content is in {counted(row.copies, 'other file')}." if row.copies else ""]
    parts += [f"{warning.rstrip('.')}." for warning in row.warnings[1:]]
    return " ".join(part for part in parts if part)
