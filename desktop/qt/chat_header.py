"""The header of a chat: its name, which model answers, and what can be done with the chat."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPoint, Qt, Signal
from PySide6.QtGui import QFocusEvent, QKeyEvent
from PySide6.QtWidgets import QLineEdit, QMenu, QSizePolicy, QStackedWidget

from desktop.qt.components.button import IconButton
from desktop.qt.components.field import Field
from desktop.qt.components.label import ElidedLabel
from desktop.qt.components.menu import Menu
from desktop.qt.components.model_pill import ModelPill, State
from desktop.qt.model_words import title_of
from desktop.qt.surface import Pane, row
from desktop.qt.theme import Theme
from desktop.qt.tokens import HEADER

if TYPE_CHECKING:
    from desktop.wire import Model

MAX_TITLE = 300
PILL_STATES: dict[str, State] = {
    "unloaded": "unloaded",
    "queued": "loading",
    "loading": "loading",
    "ready": "ready",
    "stopping": "loading",
    "failed": "failed",
}


class ChatHeader(Pane):
    """`renamed(title)`, `model_asked`, `list_asked`, `inspector_asked`, `menu_asked(QMenu)` to fill the menu."""

    renamed = Signal(str)
    model_asked = Signal()
    list_asked = Signal()
    inspector_asked = Signal()
    menu_asked = Signal(object)

    def __init__(self, theme: Theme) -> None:
        super().__init__(theme, "bg_surface", ("bottom",))
        self.setAccessibleName("Chat header")
        self.list_button = IconButton(theme, "panel-left", "Chats", keys="Ctrl+B")
        self.title = ElidedLabel(theme, "New chat", "title")
        self.title.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
        self.rename = IconButton(theme, "pencil", "Rename this chat", icon_size=16, size=28)
        self.editor = TitleEditor(theme)
        self.pill = ModelPill(theme, keys="Ctrl+M")
        self.inspector = IconButton(theme, "panel-right", "Inspector", keys="Ctrl+I")
        self.inspector.setCheckable(True)
        self.more = IconButton(theme, "ellipsis", "More")
        self._names = QStackedWidget()
        self._lay_out()
        self.rename.clicked.connect(self.edit_title)
        self.editor.accepted.connect(self._accepted)
        self.editor.given_up.connect(self._show_title)
        self.pill.clicked.connect(self.model_asked)
        self.list_button.clicked.connect(self.list_asked)
        self.inspector.clicked.connect(self.inspector_asked)
        self.more.clicked.connect(self._open_menu)

    def show_title(self, title: str, *, can_rename: bool) -> None:
        if self.title.text() != title:
            self.title.setText(title)
        self.rename.setVisible(can_rename)
        self.more.setEnabled(can_rename)

    def show_model(self, model: Model | None, missing: str = "") -> None:
        """Show the chat's model; `missing` is the id of one that is no longer in the library."""
        if model is None:
            self.pill.set_model(missing, "", "failed" if missing else "none")
        else:
            self.pill.set_model(title_of(model), model.quant, PILL_STATES[model.state], model.load_fraction)

    def edit_title(self) -> None:
        """Rename in place."""
        if not self.rename.isVisible():
            return
        self.editor.setText(self.title.text())
        self._names.setCurrentIndex(1)
        self.editor.selectAll()
        self.editor.setFocus(Qt.FocusReason.OtherFocusReason)

    def _accepted(self, title: str) -> None:
        self._show_title()
        if title and title != self.title.text():
            self.title.setText(title)
            self.renamed.emit(title)

    def _show_title(self) -> None:
        self._names.setCurrentIndex(0)

    def _open_menu(self) -> None:
        menu: QMenu = Menu(self.theme, "This chat", self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.menu_asked.emit(menu)
        corner = self.more.rect().bottomRight() - QPoint(menu.sizeHint().width(), 0)  # it ends where the button ends
        menu.popup(self.more.mapToGlobal(corner))

    def _lay_out(self) -> None:
        holder = Pane(self.theme)
        names = row(holder, gap=6)
        names.addWidget(self.title)
        names.addWidget(self.rename)
        names.addStretch(1)
        self._names.addWidget(holder)
        self._names.addWidget(self.editor)
        self._names.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self._names.setFixedHeight(self.theme.px(34))
        layout = row(self, margins=(16, 0, 12, 1), gap=6)
        layout.addWidget(self.list_button)
        layout.addWidget(self._names, 1)
        layout.addWidget(self.pill)
        layout.addSpacing(4)
        layout.addWidget(self.inspector)
        layout.addWidget(self.more)
        self.theme.changed.connect(self._resized)
        self._resized()

    def _resized(self) -> None:
        self.setFixedHeight(self.theme.px(HEADER))


class TitleEditor(Field):
    """The name of a chat while it is changed: Enter or leaving takes it, Esc gives up."""

    accepted = Signal(str)
    given_up = Signal()

    def __init__(self, theme: Theme) -> None:
        super().__init__(theme, "Name of the chat")
        self._done = True
        self.setMaxLength(MAX_TITLE)
        self.setEchoMode(QLineEdit.EchoMode.Normal)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape:
            self._finish(take=False)
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self._finish(take=True)
        else:
            super().keyPressEvent(event)

    def focusInEvent(self, event: QFocusEvent) -> None:
        self._done = False
        super().focusInEvent(event)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self._finish(take=True)

    def _finish(self, *, take: bool) -> None:
        if self._done:
            return
        self._done = True
        if take:
            self.accepted.emit(self.text().strip())
        else:
            self.given_up.emit()
