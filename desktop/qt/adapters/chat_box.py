"""The adapters of one chat: those its model has attached, switched and weighed for this chat alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QWidget

from desktop.qt.adapters.rows import AdapterList
from desktop.qt.bridge import Bridge, Failure
from desktop.qt.components.label import Label
from desktop.qt.surface import column
from desktop.qt.theme import Theme

if TYPE_CHECKING:
    from desktop.wire import AdapterUse
    from desktop.wire_models import Adapter, ModelOptions


class ChatAdapters(QWidget):
    """Hidden while the chat's model has none attached. `changed(values)` gives the parameter as the chat keeps it."""

    changed = Signal(object)

    def __init__(self, theme: Theme, bridge: Bridge, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._bridge = bridge
        self._model_id = ""
        self._attached: list[AdapterUse] = []
        self._adapters: list[Adapter] = []
        self._chosen: list[dict[str, Any]] | None = None
        self.list = AdapterList(theme)
        layout = column(self, gap=theme.px(6))
        layout.addWidget(Label(theme, "Adapters", "label"))
        words = "For this chat alone. The model itself keeps what is set for it on the Models page."
        layout.addWidget(Label(theme, words, "small", "text3", wrap=True))
        layout.addWidget(self.list)
        self.list.changed.connect(self._changed)
        self.hide()

    def show_chat(self, model_id: str, chosen: list[dict[str, Any]] | None) -> None:
        """Show what holds for a chat with this model; `chosen` None means that the model's own choice holds."""
        another = model_id != self._model_id
        if not another and chosen == self._chosen:
            return
        self._model_id, self._chosen = model_id, chosen
        if another:
            self._attached = []
            self._ask()
        self._show()

    def look_again(self) -> None:
        """The model's options may have changed since."""
        if self._model_id:
            self._ask()

    def _ask(self) -> None:
        model_id = self._model_id

        def options_came(options: ModelOptions) -> None:
            if model_id == self._model_id:
                self._attached = list(options.adapters or ())
                if self._attached:
                    self._bridge.call(lambda client: client.adapters(), self._adapters_came, _ignore, owner=self)
                self._show()

        if model_id:
            self._bridge.call(lambda client: client.model_options(model_id), options_came, _ignore, owner=self)

    def _adapters_came(self, adapters: list[Adapter]) -> None:
        self._adapters = adapters
        self._show()

    def _show(self) -> None:
        from desktop.wire import AdapterUse

        attached = {use.id for use in self._attached}
        shown = [one for one in self._adapters if one.id in attached]
        uses = self._attached
        if self._chosen is not None:
            uses = [AdapterUse.model_validate(use) for use in self._chosen]
        self.list.show_adapters(shown, uses, self._model_id)
        self.setVisible(bool(shown))

    def _changed(self, uses: list[AdapterUse]) -> None:
        self._chosen = [use.model_dump() for use in uses]
        self.changed.emit(self._chosen)


def _ignore(_failure: Failure) -> None:
    """A chat whose adapters cannot be asked for simply shows none; the model's own page says why."""
