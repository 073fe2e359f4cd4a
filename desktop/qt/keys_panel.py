"""Keys of the port: one for each program, made, shown once to be copied, and revoked here."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from PySide6.QtCore import QTimer
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QWidget

from desktop.qt.bridge import Bridge, Failure
from desktop.qt.components.button import Button
from desktop.qt.components.field import Field
from desktop.qt.components.label import ElidedLabel, Label
from desktop.qt.surface import clear, column, row
from desktop.qt.theme import Theme

if TYPE_CHECKING:
    from desktop.wire import Key, NewKey

COPIED_MS = 2000


class KeysPanel(QWidget):
    """Asks the service each time `refresh` is called. A secret stays in its field until the panel is shown again."""

    def __init__(self, theme: Theme, bridge: Bridge) -> None:
        super().__init__()
        self._theme = theme
        self._bridge = bridge
        self.name = Field(theme, "Name of a new key", "Name of the program, like Cline or Zed")
        self.create_button = Button(theme, "Create key", icon="key-round")
        self.secret = Field(theme, "The new key", mono=True)
        self.secret.setReadOnly(True)
        self.copy = Button(theme, "Copy", icon="copy")
        self._made = QWidget()
        self._problem = Label(theme, "", "small", "danger", wrap=True)
        self._rows = column(gap=2)
        self._lay_out()
        self.create_button.clicked.connect(self._create)
        self.name.returnPressed.connect(self._create)
        self.name.textChanged.connect(lambda text: self.create_button.setEnabled(bool(text.strip())))
        self.copy.clicked.connect(self._copy)
        self.create_button.setEnabled(False)

    def refresh(self) -> None:
        """Ask for the keys; a secret shown earlier is taken away."""
        self.secret.clear()
        self._made.setVisible(False)
        self._ask()

    def _ask(self) -> None:
        self._bridge.call(lambda client: client.keys(), self._show, self._failed, owner=self)

    def _show(self, keys: list[Key]) -> None:
        self._tell("")
        clear(self._rows)
        live = [key for key in keys if key.revoked_at is None]
        if not live:
            self._rows.addWidget(Label(self._theme, "No key yet: no program can use the port.", "small", "text3"))
        for key in live:
            self._rows.addWidget(self._row(key))

    def _row(self, key: Key) -> QWidget:
        line = QWidget()
        layout = row(line, gap=8)
        layout.addWidget(ElidedLabel(self._theme, key.name), 1)
        layout.addWidget(Label(self._theme, _used(key), "small", "text3"))
        revoke = Button(self._theme, "Revoke", "danger", small=True)
        revoke.setAccessibleName(f"Revoke the key {key.name}")
        revoke.clicked.connect(lambda: self._revoke(key.name))
        layout.addWidget(revoke)
        return line

    def _create(self) -> None:
        name = self.name.text().strip()
        if name:
            self._bridge.call(lambda client: client.new_key(name), self._created, self._failed, owner=self)

    def _created(self, key: NewKey) -> None:
        self.name.clear()
        self.secret.setText(key.secret)
        self.secret.setCursorPosition(0)
        self._made.setVisible(True)
        self._ask()

    def _revoke(self, name: str) -> None:
        self._bridge.call(lambda client: client.revoke_key(name), lambda _key: self._ask(), self._failed, owner=self)

    def _copy(self) -> None:
        QGuiApplication.clipboard().setText(self.secret.text())
        self.copy.set_text("Copied")
        QTimer.singleShot(COPIED_MS, self.copy, lambda: self.copy.set_text("Copy"))

    def _failed(self, failure: Failure) -> None:
        self._tell(f"{failure.message} {failure.hint}".strip())

    def _tell(self, text: str) -> None:
        self._problem.setText(text)
        self._problem.setVisible(bool(text))

    def _lay_out(self) -> None:
        layout = column(self, gap=8)
        layout.addWidget(Label(self._theme, "Keys", "label"))
        text = "Each program gets its own key, so that one can be revoked alone. A key can run models and nothing else."
        layout.addWidget(Label(self._theme, text, "small", "text2", wrap=True))
        new = row(gap=8)
        new.addWidget(self.name, 1)
        new.addWidget(self.create_button)
        layout.addLayout(new)
        made = column(self._made, gap=4)
        shown = row(gap=8)
        shown.addWidget(self.secret, 1)
        shown.addWidget(self.copy)
        made.addLayout(shown)
        made.addWidget(Label(self._theme, "Copy it now: it is shown only once.", "small", "warning"))
        layout.addWidget(self._made)
        self._made.setVisible(False)
        layout.addWidget(self._problem)
        self._problem.setVisible(False)
        layout.addLayout(self._rows)


def _used(key: Key) -> str:
    if key.last_used_at is None:
        return "never used"
    return f"used {datetime.fromtimestamp(key.last_used_at).astimezone():%d %b %Y, %H:%M}"
