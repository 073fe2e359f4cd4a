"""The settings: look, engine, port and its keys. Each change is saved at once; a refusal says why beside it."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtWidgets import QRadioButton, QScrollArea, QVBoxLayout, QWidget

from desktop.qt.bridge import Bridge, Failure
from desktop.qt.components.button import IconButton
from desktop.qt.components.field import Field
from desktop.qt.components.label import Label
from desktop.qt.components.segmented import Segmented
from desktop.qt.components.toggle import Toggle
from desktop.qt.keys_panel import KeysPanel
from desktop.qt.overlay import Overlay
from desktop.qt.store import Store
from desktop.qt.surface import Line, column, make_scroll, row
from desktop.qt.theme import Theme

WIDTH = 620
HEIGHT = 600
THEMES = ("system", "light", "dark")
MINUTE_S = 60


class SettingsPanel(Overlay):
    """Opens over the window with `show_settings`; `about_keys` scrolls to the keys of the port."""

    def __init__(self, theme: Theme, host: QWidget, bridge: Bridge, store: Store) -> None:
        super().__init__(theme, host, "Settings", dim=True)
        self._store = store
        self.theme_choice = Segmented(theme, "Theme", ["System", "Light", "Dark"])
        self.zoom = Label(theme, "", "label")
        self.smaller = IconButton(theme, "minus", "Smaller", keys="Ctrl+-", size=28, icon_size=16)
        self.larger = IconButton(theme, "plus", "Larger", keys="Ctrl++", size=28, icon_size=16)
        self.keep_serving = Toggle(theme, "Keep serving when the window is closed", show_name=False)
        self.idle = Field(theme, "Minutes until an idle model leaves memory", "15")
        self.port = Field(theme, "Number of the port", "5225")
        self.keys = KeysPanel(theme, bridge)
        self._problems: dict[str, Label] = {}
        self._port_note = Label(theme, "", "small", "warning", wrap=True)
        self._scroll = QScrollArea()
        self._lay_out()
        self._connect()

    def show_settings(self, *, about_keys: bool = False) -> None:
        self._fill()
        self.keys.refresh()
        self.open_centered(WIDTH)
        if about_keys:
            self._scroll.ensureWidgetVisible(self.keys)
            self.keys.name.setFocus(Qt.FocusReason.OtherFocusReason)

    def focus_first(self) -> QWidget | None:
        return self.theme_choice.findChildren(QRadioButton)[self.theme_choice.index]

    def _fill(self) -> None:
        settings = self._store.settings
        self.theme_choice.blockSignals(True)
        self.theme_choice.set_index(THEMES.index(self.theme.mode))
        self.theme_choice.blockSignals(False)
        self.zoom.setText(f"{self.theme.zoom} %")
        known = bool(settings)
        for control in (self.keep_serving, self.idle, self.port):
            control.setEnabled(known)
        if not known:
            return
        self.keep_serving.blockSignals(True)
        self.keep_serving.setChecked(bool(settings.get("keep_serving")))
        self.keep_serving.blockSignals(False)
        if not self.idle.hasFocus():
            self.idle.setText(f"{int(settings.get('idle_unload_s', 0)) / MINUTE_S:g}")
        if not self.port.hasFocus():
            self.port.setText(str(settings.get("port", "")))
        self._show_port_note()

    def _show_port_note(self) -> None:
        status = self._store.status
        wanted = self._store.settings.get("port")
        problem = status.port.problem if status is not None else ""
        if status is not None and not problem and wanted not in (0, status.port.number):
            problem = f"Port {status.port.number} is open until the service starts again."
        self._port_note.setText(problem)
        self._port_note.setVisible(bool(problem))

    # -- changes -----------------------------------------------------------------------------------------------------

    def _change(self, name: str, value: Any) -> None:
        self._tell(name, "")
        if self._store.settings.get(name) != value:
            self._store.change_settings({name: value}, lambda failure: self._refused(name, failure))

    def _refused(self, name: str, failure: Failure) -> None:
        self._tell(name, f"{failure.message} {failure.hint}".strip())

    def _tell(self, name: str, text: str) -> None:
        label = self._problems[name]
        label.setText(text)
        label.setVisible(bool(text))
        field = {"idle_unload_s": self.idle, "port": self.port}.get(name)
        if field is not None:
            field.set_error(text)

    def _theme_chosen(self, index: int) -> None:
        self.theme.set_mode(THEMES[index])  # type: ignore[arg-type]
        self._change("theme", THEMES[index])

    def _idle_typed(self) -> None:
        try:
            seconds = round(float(self.idle.text().replace(",", ".")) * MINUTE_S)
        except (ValueError, OverflowError):
            self._tell("idle_unload_s", "Minutes are a number; 0 keeps models in memory.")
            return
        self._change("idle_unload_s", seconds)

    def _port_typed(self) -> None:
        if not self.port.text().strip().isdecimal():
            self._tell("port", "A port is a whole number; 0 takes any free one.")
            return
        self._change("port", int(self.port.text()))

    def _zoomed(self, direction: int) -> None:
        self.theme.step_zoom(direction)

    # -- building ----------------------------------------------------------------------------------------------------

    def _lay_out(self) -> None:
        head = row(margins=(20, 14, 12, 10))
        head.addWidget(Label(self.theme, "Settings", "heading"), 1)
        close = IconButton(self.theme, "x", "Close", keys="Esc")
        close.clicked.connect(self.close_overlay)
        head.addWidget(close)
        self.panel.content.addLayout(head)
        self.panel.content.addWidget(Line(self.theme))
        inside = QWidget()
        body = self._body = column(inside, margins=(20, 14, 20, 20), gap=14)
        self._look(body)
        self._engine(body)
        self._access(body)
        make_scroll(self._scroll, inside)
        inside.installEventFilter(self)
        self._scroll.setMinimumHeight(200)
        self.panel.content.addWidget(self._scroll)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        # A key more or a problem told changes how high the panel wants to be.
        if watched is self._scroll.widget() and event.type() == QEvent.Type.LayoutRequest and self.isVisible():
            self.place()
        return super().eventFilter(watched, event)

    def place(self) -> None:
        host = self.parentWidget()
        if host is not None:
            room = max(160, min(self.theme.px(HEIGHT), host.height() - 80) - 60)
            self._scroll.setFixedHeight(min(room, self._body.totalHeightForWidth(self.theme.px(WIDTH))))
        super().place()

    def _look(self, body: QVBoxLayout) -> None:
        self._row(body, "theme", "Theme", "As the system has it, or always the same.", self.theme_choice)
        zoom = QWidget()
        line = row(zoom, gap=6)
        for widget in (self.smaller, self.zoom, self.larger):
            line.addWidget(widget)
        self._row(body, "zoom", "Zoom", "Size of text and controls, 80 to 160 %.", zoom)

    def _engine(self, body: QVBoxLayout) -> None:
        body.addWidget(Line(self.theme))
        self._row(
            body,
            "idle_unload_s",
            "Idle models leave memory after",
            "Minutes without a request; 0 keeps them.",
            self._narrow(self.idle),
        )
        self._row(
            body,
            "keep_serving",
            "Keep serving",
            "The port stays open for your editor when this window is closed.",
            self.keep_serving,
        )

    def _access(self, body: QVBoxLayout) -> None:
        body.addWidget(Line(self.theme))
        text = "Programs on this computer reach the models at 127.0.0.1. A new number counts from the next start."
        self._row(body, "port", "Port", text, self._narrow(self.port))
        body.addWidget(self._port_note)
        body.addWidget(self.keys)
        body.addStretch(1)

    def _narrow(self, field: Field) -> Field:
        field.setFixedWidth(self.theme.px(96))
        return field

    def _row(self, body: QVBoxLayout, name: str, title: str, text: str, control: QWidget) -> None:
        line = row(gap=16)
        words = column(gap=0)
        words.addWidget(Label(self.theme, title, "label"))
        words.addWidget(Label(self.theme, text, "small", "text2", wrap=True))
        problem = Label(self.theme, "", "small", "danger", wrap=True)
        problem.setVisible(False)
        words.addWidget(problem)
        self._problems[name] = problem
        line.addLayout(words, 1)
        line.addWidget(control, 0, Qt.AlignmentFlag.AlignVCenter)
        body.addLayout(line)

    def _connect(self) -> None:
        self.theme_choice.changed.connect(self._theme_chosen)
        self.smaller.clicked.connect(lambda: self._zoomed(-1))
        self.larger.clicked.connect(lambda: self._zoomed(1))
        self.keep_serving.toggled.connect(lambda on: self._change("keep_serving", on))
        self.idle.editingFinished.connect(self._idle_typed)
        self.port.editingFinished.connect(self._port_typed)
        self._store.settings_changed.connect(self._fill)
        self._store.status_changed.connect(self._show_port_note)
        self.theme.changed.connect(self._fill)
