"""What stands in the library before its first model: the three ways to one."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QWidget

from desktop.qt.components.button import Button
from desktop.qt.components.card import Card
from desktop.qt.components.drop import DropZone
from desktop.qt.components.label import Label
from desktop.qt.models.store_words import STORES
from desktop.qt.surface import column, row
from desktop.qt.theme import Theme

WIDTH = 560


class Welcome(QWidget):
    """`choose_asked`, `dropped(paths)`, `stores_asked`, `download_asked(repo)`, `discover_asked`."""

    choose_asked = Signal()
    dropped = Signal(list)
    stores_asked = Signal()
    download_asked = Signal(str)
    discover_asked = Signal()

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self._repo = ""
        self.setAccessibleName("No model is installed yet")
        self.zone = DropZone(theme, "Drop a GGUF file here", "or a folder of models", action="Choose a file…")
        self.found = Label(theme, "", "ui", "text2", wrap=True)
        self.use_found = Button(theme, "Show them")
        self.suggested = Label(theme, "", "label")
        self.facts = Label(theme, "", "small", "text2", wrap=True)
        self.download = Button(theme, "Download", "primary", icon="download")
        self.discover = Button(theme, "All models", "ghost", icon="compass")
        self._suggestion = Card(theme)
        self._lay_out()
        self.zone.choose_clicked.connect(self.choose_asked)
        self.zone.dropped.connect(self.dropped)
        self.use_found.clicked.connect(self.stores_asked)
        self.download.clicked.connect(lambda: self.download_asked.emit(self._repo))
        self.discover.clicked.connect(self.discover_asked)
        self.show_found(0, [])
        self.show_suggestion("", "", "")

    def show_found(self, count: int, stores: list[str]) -> None:
        """How many models other programs have on this disk."""
        if count:
            whose = " and ".join(STORES.get(store, store) for store in stores)
            noun = "a model" if count == 1 else f"{count} models"
            self.found.setText(
                f"{whose} {'has' if len(stores) == 1 else 'have'} {noun} on this disk: used in place, not copied."
            )
            self.use_found.set_text("Show it" if count == 1 else "Show them")
        else:
            self.found.setText("Models of Ollama, LM Studio and the Hugging Face cache are used where they lie.")
            self.use_found.set_text("Look for them")

    def show_suggestion(self, repo: str, name: str, facts: str) -> None:
        """A model to download that suits this machine; "" for none."""
        self._repo = repo
        self.suggested.setText(name)
        self.facts.setText(facts)
        self.download.setAccessibleName(f"Download {name}")
        self._suggestion.setVisible(bool(repo))

    def _lay_out(self) -> None:
        theme = self._theme
        inside = QWidget()
        inside.setMaximumWidth(theme.px(WIDTH))
        layout = column(inside, gap=12)
        layout.addWidget(Label(theme, "No model is installed yet", "heading"), 0, Qt.AlignmentFlag.AlignHCenter)
        layout.addWidget(self.zone)
        stores = Card(theme)
        line = row(gap=12)
        line.addWidget(self.found, 1)
        line.addWidget(self.use_found)
        stores.content.addLayout(line)
        layout.addWidget(stores)
        words = column(gap=2)
        words.addWidget(self.suggested)
        words.addWidget(self.facts)
        offer = row(gap=12)
        offer.addLayout(words, 1)
        offer.addWidget(self.download)
        self._suggestion.content.addLayout(offer)
        layout.addWidget(self._suggestion)
        layout.addWidget(self.discover, 0, Qt.AlignmentFlag.AlignHCenter)
        outside = column(self)
        outside.addStretch(1)
        middle = row()
        middle.addStretch(1)
        middle.addWidget(inside, 100)
        middle.addStretch(1)
        outside.addLayout(middle)
        outside.addStretch(2)
