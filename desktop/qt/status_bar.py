"""The status bar: engine, model, memory, processor, speed, port, and that everything stays on this computer."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QWidget

from desktop.qt.bridge import Bridge, Link, Phase
from desktop.qt.components.status import Meter, StatusItem
from desktop.qt.figures import of_bytes, per_second
from desktop.qt.model_words import state_of, title_of
from desktop.qt.store import Store
from desktop.qt.surface import Pane, row
from desktop.qt.theme import Theme
from desktop.qt.tokens import STATUS_BAR

if TYPE_CHECKING:
    from desktop.wire import Status

LONGEST_NAME = 40  # characters
EDGE = 8
GAP = 14
OFFLINE: dict[Phase, tuple[str, str]] = {
    "starting": ("Starting", "warning"),
    "lost": ("Reconnecting", "warning"),
    "failed": ("Service not reachable", "danger"),
    "stopped": ("Service stopped", "danger"),
}


class StatusBar(Pane):
    """Follows the store and the link; `current()` is the model of the chat in view, which is named first.

    `engine_asked` when the engine's state is pressed, `port_asked` for the port.
    """

    engine_asked = Signal()
    port_asked = Signal()

    def __init__(self, theme: Theme, bridge: Bridge, store: Store, current: Callable[[], str]) -> None:
        super().__init__(theme, "bg_app", ("top",))
        self.setAccessibleName("Status")
        self._bridge = bridge
        self._store = store
        self._current = current
        self.engine = StatusItem(theme, "Engine", dot="warning", token="text", pressable=True)
        self.model = StatusItem(theme, "Model")
        self.ram = Meter(theme, "RAM")
        self.cpu = Meter(theme, "CPU")
        self.speed = StatusItem(theme, "Speed")
        self.port = StatusItem(theme, "Port", icon="plug", pressable=True)
        self.local = StatusItem(theme, "Privacy", icon="lock", token="accent")
        self.local.set_words("Local only", tooltip="Models run on this computer. Jackdaw sends nothing anywhere.")
        self._items = (self.engine, self.model, self.ram, self.cpu, self.speed, self.port, self.local)
        self._shown: set[QWidget] = set()
        self._lay_out()
        self.engine.clicked.connect(self.engine_asked)
        self.port.clicked.connect(self.port_asked)
        store.status_changed.connect(self.refresh)
        store.models_changed.connect(self.refresh)
        store.model_changed.connect(lambda _id: self.refresh())
        bridge.link_changed.connect(lambda _link: self.refresh())
        self.refresh()

    def refresh(self) -> None:
        """Show what the store and the link say now."""
        words, token = engine_words(self._bridge.link, self._store)
        self.engine.set_words(words, dot=token, tooltip="Show the engine's state, checks and log")
        status = self._store.status
        online = status is not None and self._bridge.link.phase == "online"
        self._shown = {self.engine, self.local}
        self._show_model()
        if status is not None and online:
            self._show_status(status)
        self._make_room()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._make_room()

    def _show_status(self, status: Status) -> None:
        self._shown |= {self.ram, self.cpu, self.port}
        memory = status.memory
        used = memory.total_bytes - memory.available_bytes
        engine = f"Models use {of_bytes(memory.engine_bytes, memory.total_bytes)} of it."
        self.ram.set_share(used / max(1, memory.total_bytes), of_bytes(used, memory.total_bytes), engine)
        threads = "1 thread" if status.cpu.threads == 1 else f"{status.cpu.threads} threads"
        self.cpu.set_share(status.cpu.percent / 100, threads, f"{status.cpu.percent:.0f} % of {threads}")
        self._set(self.speed, per_second(status.tokens_per_s))
        self._show_port(status)

    def _show_model(self) -> None:
        loaded = [model for model in self._store.models.values() if model.loaded]
        loaded.sort(key=lambda model: model.id != self._current())
        names = [textwrap.shorten(title_of(model), LONGEST_NAME, placeholder="…") for model in loaded]
        texts = [f"{name} · {model.quant}" if model.quant else name for name, model in zip(names, loaded, strict=True)]
        self._set(self.model, texts[0] if len(texts) == 1 else f"{texts[0]} and {len(texts) - 1} more" if texts else "")

    def _show_port(self, status: Status) -> None:
        port = status.port
        if port.open:
            clients = "1 client" if port.clients == 1 else f"{port.clients} clients"
            tooltip = "Programs on this computer reach the models here. Shows their keys"
            self.port.set_words(f"Port {port.number}, {clients}", token="text2", icon="plug", tooltip=tooltip)
        else:
            closed = f"Port {port.number} is closed"
            self.port.set_words(closed, token="danger", icon="triangle-alert", tooltip=port.problem)

    def _set(self, item: StatusItem, words: str) -> None:
        item.set_words(words)
        if words:
            self._shown.add(item)

    def _make_room(self) -> None:
        """Leave out what matters least rather than cutting every item short."""
        shown = set(self._shown)
        for less in (self.cpu, self.ram, self.speed, self.model, self.port):
            if sum(item.sizeHint().width() + GAP for item in shown) + 2 * EDGE <= self.width():
                break
            shown.discard(less)
        for item in self._items:
            item.setVisible(item in shown)

    def _lay_out(self) -> None:
        layout = row(self, margins=(EDGE, 1, EDGE, 0), gap=GAP)
        for item in self._items[:-1]:
            layout.addWidget(item)
        layout.addStretch(1)
        layout.addWidget(self.local)
        self.theme.changed.connect(self._resized)
        self._resized()

    def _resized(self) -> None:
        self.setFixedHeight(self.theme.px(STATUS_BAR))


def engine_words(link: Link, store: Store) -> tuple[str, str]:
    """The state of service and engine in two or three words, and its colour token."""
    status = store.status
    if link.phase in OFFLINE:
        return OFFLINE[link.phase]
    if status is None:
        return "Starting", "warning"
    loading = [model for model in store.models.values() if model.state in ("loading", "queued")]
    if loading:
        return f"{title_of(loading[0])}: {state_of(loading[0]).lower()}", "warning"
    if not status.engine.build:
        return "No engine", "danger"
    if not status.engine.proven:
        return "Engine not proven", "warning"
    return "Engine ready", "success"
