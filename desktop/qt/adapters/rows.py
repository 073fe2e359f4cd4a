"""Rows of adapters to switch on and to set the strength of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import QWidget

from desktop.qt.adapters.uses import HIGHEST, LOWEST, STEP, AdapterRow, rows_of, with_use
from desktop.qt.components.button import IconButton
from desktop.qt.components.label import ElidedLabel, Label
from desktop.qt.components.parameter import Parameter
from desktop.qt.components.toggle import Toggle
from desktop.qt.surface import clear, column, row
from desktop.qt.theme import Theme

if TYPE_CHECKING:
    from desktop.wire import AdapterUse
    from desktop.wire_models import Adapter

SETTLE_MS = 250  # a slider that moves is one change


class AdapterList(QWidget):
    """All adapters beside one model. `changed(list[AdapterUse])` comes when the user switched or moved something.

    `remove_asked(id)` is emitted only where `removable`.
    """

    changed = Signal(object)
    remove_asked = Signal(str)

    def __init__(self, theme: Theme, *, removable: bool = False, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._removable = removable
        self._uses: list[AdapterUse] = []
        self.items: dict[str, AdapterItem] = {}
        self._column = column(self, gap=theme.px(8))
        self._none = Label(theme, "No adapters yet.", "small", "text3", wrap=True)
        self._column.addWidget(self._none)
        self._settle = QTimer(self, singleShot=True, interval=SETTLE_MS)
        self._settle.timeout.connect(lambda: self.changed.emit(list(self._uses)))

    def show_adapters(self, adapters: Sequence[Adapter], uses: Sequence[AdapterUse], model_id: str) -> None:
        """Show these for the model; a change that has not been told yet is dropped with the rows it was made in."""
        self._settle.stop()
        self._uses = list(uses)
        clear(self._column)
        self.items = {}
        rows = rows_of(adapters, uses, model_id)
        if not rows:
            self._none = Label(self._theme, "No adapters yet.", "small", "text3", wrap=True)
            self._column.addWidget(self._none)
        for one in rows:
            item = self.items[one.id] = AdapterItem(self._theme, one, removable=self._removable)
            item.changed.connect(self._changed)
            item.remove_asked.connect(self.remove_asked)
            self._column.addWidget(item)

    def _changed(self, adapter_id: str, scale: object) -> None:
        assert scale is None or isinstance(scale, float)
        self._uses = with_use(self._uses, adapter_id, scale)
        self._settle.start()


class AdapterItem(QWidget):
    """One adapter: a switch, and below it the strength while it is on. `changed(id, scale or None)`."""

    changed = Signal(str, object)
    remove_asked = Signal(str)

    def __init__(self, theme: Theme, shown: AdapterRow, *, removable: bool) -> None:
        super().__init__()
        self.shown = shown
        self.switch = Toggle(theme, f"Attach {shown.name}", show_name=False)
        self.switch.setChecked(shown.attached)
        self.switch.setEnabled(shown.attached or not shown.problem)
        self.scale = Parameter(
            theme,
            f"Strength of {shown.name}",
            minimum=min(LOWEST, shown.scale),
            maximum=max(HIGHEST, shown.scale),
            step=STEP,
            default=1.0,
            help_text="1 is as it was trained, 0 is off, below 0 it is turned around.",
        )
        self.scale.set_value(shown.scale)
        self.scale.setVisible(shown.attached)
        self._lay_out(theme, removable)
        self.switch.toggled.connect(self._switched)
        self.scale.value_changed.connect(self._tell)

    def _lay_out(self, theme: Theme, removable: bool) -> None:
        layout = column(self, gap=theme.px(2))
        line = row(gap=theme.px(8))
        words = column()
        words.addWidget(ElidedLabel(theme, self.shown.name))
        words.addWidget(ElidedLabel(theme, self.shown.problem or self.shown.detail, "small", "text3"))
        line.addLayout(words, 1)
        if removable:
            remove = IconButton(theme, "trash-2", f"Remove {self.shown.name} from the library", size=24, icon_size=14)
            remove.clicked.connect(lambda: self.remove_asked.emit(self.shown.id))
            line.addWidget(remove)
        line.addWidget(self.switch)
        layout.addLayout(line)
        layout.addWidget(self.scale)

    def _switched(self, on: bool) -> None:
        self.scale.setVisible(on)
        self._tell()

    def _tell(self) -> None:
        self.changed.emit(self.shown.id, round(self.scale.value, 2) if self.switch.isChecked() else None)
