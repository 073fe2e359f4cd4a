"""The head of a collection: its name, whether changes are seen, Re-index and the menu."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QMenu, QSizePolicy, QWidget

from desktop.qt.components.button import Button, IconButton
from desktop.qt.components.chip import Chip
from desktop.qt.components.label import ElidedLabel
from desktop.qt.components.menu import Menu
from desktop.qt.files.words import failing_words, watch_words
from desktop.qt.surface import row
from desktop.qt.theme import Theme

if TYPE_CHECKING:
    from desktop.wire_files import Collection

HEAD = 66
ACTS = (
    ("ask", "Ask in a chat", "message-square"),
    ("", "", ""),
    ("rename", "Rename…", "pencil"),
    ("settings", "Rules and embedder…", "sliders-horizontal"),
    ("folders", "Folders…", "folder-open"),
    ("pause", "Pause", "pause"),
    ("watch", "Watch for changes", "eye"),
    ("local_only", "Never leaves this computer", "lock"),
    ("", "", ""),
    ("doctor", "Check the index", "activity"),
    ("", "", ""),
    ("remove", "Remove from the index…", "trash-2"),
)


class CollectionHeader(QWidget):
    """`reindex_asked`, and `acted(act)` for what is chosen in the menu: one of ACTS."""

    reindex_asked = Signal()
    acted = Signal(str)

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self.collection: Collection | None = None
        self.list_button = IconButton(theme, "panel-left", "Show the list", keys="Ctrl+B")
        self.inspector_button = IconButton(theme, "panel-right", "Show the inspector", keys="Ctrl+I")
        self.name = ElidedLabel(theme, "", "display")
        self.name.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Preferred)
        self.chip = Chip(theme, "", "neutral")
        self.local = Chip(theme, "Never leaves this computer", "accent", icon="lock")
        self.failing = Button(theme, "", icon="circle-x", small=True)
        self.failing.setToolTip("See which questions do not find their passages any more")
        self.reindex = Button(theme, "Re-index", icon="refresh-cw")
        self.reindex.setToolTip("Compare with the disk now, and read again what failed")
        self.more = IconButton(theme, "ellipsis", "More about this collection")
        self._lay_out()
        self.failing.clicked.connect(lambda: self.acted.emit("doctor"))
        self.reindex.clicked.connect(self.reindex_asked)
        self.more.clicked.connect(self._open_menu)

    def show_collection(self, collection: Collection | None) -> None:
        """Show this one, or that there is none yet."""
        self.collection = collection
        self.name.setText(collection.name if collection is not None else "Files")
        for part in (self.chip, self.reindex, self.more):
            part.setVisible(collection is not None)
        self.local.setVisible(collection is not None and collection.local_only)
        self.failing.setVisible(collection is not None and collection.failing_checks > 0)
        if collection is None:
            return
        self.failing.set_text(failing_words(collection.failing_checks))
        said = watch_words(collection)
        self.chip.set_text(said.text, said.token, said.icon)  # type: ignore[arg-type]
        self.chip.setAccessibleDescription("; ".join(root.problem for root in collection.roots if root.problem))
        self.reindex.setEnabled(bool(collection.roots))

    def menu(self) -> Menu:
        """Everything that can be done with the collection."""
        collection = self.collection
        assert collection is not None
        menu = Menu(self._theme, collection.name, self)
        checked = {
            "pause": collection.paused,
            "watch": collection.watch,
            "local_only": collection.local_only,
        }
        for act, words, icon in ACTS:
            if not act:
                menu.addSeparator()
                continue
            self._add(menu, act, words, icon, checked.get(act))
        return menu

    def _add(self, menu: QMenu, act: str, words: str, icon: str, checked: bool | None) -> None:
        action = menu.addAction(words, lambda: self.acted.emit(act))
        action.setObjectName(act)
        if checked is None:
            action.setIcon(self._theme.icon(icon))
        else:
            action.setCheckable(True)
            action.setChecked(checked)

    def _open_menu(self) -> None:
        if self.collection is not None:
            menu = self.menu()
            menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
            menu.open_below(self.more)

    def _lay_out(self) -> None:
        layout = row(self, gap=self._theme.px(12))
        layout.addWidget(self.list_button)
        layout.addWidget(self.name)
        layout.addWidget(self.chip, 0, Qt.AlignmentFlag.AlignVCenter)
        layout.addWidget(self.local, 0, Qt.AlignmentFlag.AlignVCenter)
        layout.addWidget(self.failing, 0, Qt.AlignmentFlag.AlignVCenter)
        layout.addStretch(1)
        layout.addWidget(self.reindex)
        layout.addWidget(self.more)
        layout.addWidget(self.inspector_button)
        self._theme.changed.connect(self._resized)
        self._resized()

    def _resized(self) -> None:
        self.setFixedHeight(self._theme.px(HEAD))
