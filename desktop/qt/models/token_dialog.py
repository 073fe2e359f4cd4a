"""The token for the Hub: typed once, kept in the system's keyring, never shown again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QLineEdit, QWidget

from desktop.qt.bridge import Bridge, Failure
from desktop.qt.components.button import Button
from desktop.qt.components.dialog import Dialog
from desktop.qt.components.field import Field
from desktop.qt.components.label import Label
from desktop.qt.components.notice import Notice
from desktop.qt.components.toggle import Toggle
from desktop.qt.surface import row
from desktop.qt.theme import Theme

if TYPE_CHECKING:
    from desktop.wire_models import HubToken

WIDTH = 460
TOKENS_PAGE = "https://huggingface.co/settings/tokens"
WHAT = "A token with the right to read is enough. It is sent to the Hub's own host and to nobody else."


def token_words(token: HubToken | None) -> str:
    """Where a token is kept, in a sentence."""
    if token is None:
        return "Asking whether a token is known…"
    who = f" for {token.user}" if token.user else ""
    if token.present and token.kept == "keyring":
        return f"A token{who} is kept in this system's keyring."
    if token.present:
        return f"A token{who} is kept until Jackdaw's service ends."
    if token.problem:
        return f"No token is known, and the keyring cannot keep one: {token.problem}"
    return "No token is known. One typed here goes into this system's keyring."


class TokenDialog(Dialog):
    """`token_changed(HubToken)` when one was kept or forgotten; `link_asked(url)` to the page that makes tokens."""

    token_changed = Signal(object)
    link_asked = Signal(str)

    def __init__(self, theme: Theme, bridge: Bridge, token: HubToken | None, parent: QWidget) -> None:
        super().__init__(theme, "Log in to the Hub", WHAT, parent)
        self.setFixedWidth(theme.px(WIDTH))
        self._bridge = bridge
        self._token = token
        self.state = Label(theme, "", "small", "text2", wrap=True)
        self.field = Field(theme, "Token for the Hub", "hf_…", mono=True)
        self.field.setEchoMode(QLineEdit.EchoMode.Password)
        self.field.setMaxLength(500)
        self.session = Toggle(theme, "Keep it in memory only, until the service ends")
        self.problem = Notice(theme, "error", "")
        self.problem.hide()
        self.page = Button(theme, "Make a token…", "ghost", icon="external-link", small=True)
        self.forget = Button(theme, "Forget the token", "danger", small=True)
        for widget in (self.state, self.field, self.session, self.problem):
            self.content.addWidget(widget)
        line = row(gap=8)
        line.addWidget(self.page)
        line.addStretch(1)
        line.addWidget(self.forget)
        self.content.addLayout(line)
        self.add_cancel("Close")
        self.save = self._add("Log in", "primary")
        self.save.clicked.connect(self._save)
        self.forget.clicked.connect(self._forget)
        self.page.clicked.connect(lambda: self.link_asked.emit(TOKENS_PAGE))
        self.field.textChanged.connect(lambda text: self.save.setEnabled(bool(text.strip())))
        self.field.returnPressed.connect(self._save)
        self.finished.connect(self.deleteLater)
        self.save.setEnabled(False)
        self._show_state(token)
        self.field.setFocus()

    def _show_state(self, token: HubToken | None) -> None:
        self._token = token
        self.state.setText(token_words(token))
        # A wrapped label in a dialog gets the height of one line until it is told how many it has.
        self.state.setMinimumHeight(self.state.heightForWidth(self._theme.px(WIDTH - 48)))
        self.forget.setVisible(token is not None and token.present)
        # Offered only where there is no keyring: elsewhere there is nothing to consent to.
        self.session.setVisible(token is not None and bool(token.problem))

    def _save(self) -> None:
        text = self.field.text().strip()
        if not text:
            return
        session = self.session.isChecked()
        self.save.setEnabled(False)
        self._bridge.call(
            lambda client: client.set_hub_token(text, session_only=session), self._kept, self._failed, owner=self
        )

    def _kept(self, token: HubToken) -> None:
        self.token_changed.emit(token)
        self.accept()

    def _forget(self) -> None:
        def done(token: HubToken) -> None:
            self._show_state(token)
            self.token_changed.emit(token)

        self._bridge.call(lambda client: client.forget_hub_token(), done, self._failed, owner=self)

    def _failed(self, failure: Failure) -> None:
        self.save.setEnabled(True)
        self.problem.show_message("error", failure.message, hint=failure.hint)
        self.problem.show()
        self.field.setFocus()
