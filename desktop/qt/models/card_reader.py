"""Reads a model card of the Hub: text of strangers, shown by the widgets of answers: nothing in it is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QStackedWidget, QWidget

from desktop.qt.bridge import Bridge, Call, Failure
from desktop.qt.components.button import IconButton
from desktop.qt.components.label import ElidedLabel
from desktop.qt.components.states import EmptyState, Skeleton
from desktop.qt.links import ask_to_open
from desktop.qt.overlay import Overlay
from desktop.qt.surface import column, row
from desktop.qt.theme import Theme
from desktop.qt.transcript.messages import TranscriptMessage
from desktop.qt.transcript.view import TranscriptView

if TYPE_CHECKING:
    from desktop.wire_models import HubCard

WIDTH = 820
HEIGHT = 640
NO_CARD = "This model has no card."


class CardReader(Overlay):
    """Opens over the window with `read`. Links go through the gate; pictures stay placeholders."""

    closed_card = Signal()

    def __init__(self, theme: Theme, host: QWidget, bridge: Bridge) -> None:
        super().__init__(theme, host, "Model card", dim=True)
        self._bridge = bridge
        self._call: Call | None = None
        self._repo = ""
        self.title = ElidedLabel(theme, "", "title")
        self.close_button = IconButton(theme, "x", "Close", keys="Esc")
        self.text = TranscriptView(theme)
        self.text.setAccessibleName("Model card")
        self.problem = EmptyState(theme, "", icon="file-text")
        self._skeleton = Skeleton(theme, rows=12)
        self._stack = QStackedWidget()
        self._lay_out()
        self.close_button.clicked.connect(self.close_overlay)
        self.text.link_clicked.connect(lambda url: ask_to_open(theme, url, self))
        self.problem.action_clicked.connect(lambda: self.read(self._repo))

    def focus_first(self) -> QWidget | None:
        return self.close_button

    def read(self, repo: str) -> None:
        """Fetch and show the card of a repo; one under way for another repo is dropped."""
        if self._call is not None:
            self._call.cancel()
        self._repo = repo
        self.title.setText(repo)
        self._stack.setCurrentWidget(self._skeleton)
        self.open_centered(WIDTH)
        self._call = self._bridge.call(lambda client: client.hub_card(repo), self.show_card, self._failed, owner=self)

    def show_card(self, card: HubCard) -> None:
        """Show a card as it came."""
        if not card.markdown.strip():
            self.problem.set_sentence(NO_CARD)
            self._stack.setCurrentWidget(self.problem)
            return
        self._stack.setCurrentWidget(self.text)
        message = TranscriptMessage(card.repo, "assistant", card.markdown, model=card.repo, fixed=True)
        self.text.set_messages([message])
        self.text.verticalScrollBar().setValue(0)

    def _failed(self, failure: Failure) -> None:
        self.problem.set_sentence(f"{failure.message} {failure.hint}".strip(), "Try again")
        self._stack.setCurrentWidget(self.problem)

    def _lay_out(self) -> None:
        body = column(margins=(20, 12, 12, 12), gap=8)
        head = row(gap=8)
        head.addWidget(self.title, 1)
        head.addWidget(self.close_button)
        body.addLayout(head)
        for page in (self._skeleton, self.text, self.problem):
            self._stack.addWidget(page)
        self._stack.setMinimumHeight(self.theme.px(200))
        body.addWidget(self._stack, 1)
        self.panel.content.addLayout(body)

    def place(self) -> None:
        """As high as the window has room for, up to what reads well."""
        host = self.parentWidget()
        if host is not None:
            room = host.height() - 2 * self.theme.px(48)
            self._stack.setFixedHeight(max(200, min(self.theme.px(HEIGHT), room) - self.theme.px(64)))
        super().place()
