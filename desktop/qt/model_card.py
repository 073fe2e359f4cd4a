"""One model: what it is, what it needs, how it stands, and what can be done with it. For the page and the picker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QRectF, Qt, Signal
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QWidget

from desktop.qt.components import paint
from desktop.qt.components.button import Button, IconButton
from desktop.qt.components.card import Card
from desktop.qt.components.chip import Chip
from desktop.qt.components.gauges import ProgressBar
from desktop.qt.components.label import ElidedLabel, Label
from desktop.qt.figures import in_bytes
from desktop.qt.model_actions import ModelActions
from desktop.qt.model_words import BUSY, STATE_TOKENS, facts_of, memory_words, state_of, title_of
from desktop.qt.store import Store
from desktop.qt.surface import clear, column, row
from desktop.qt.theme import Theme
from desktop.qt.tokens import RADIUS_CARD

if TYPE_CHECKING:
    from desktop.wire import Model

TONES = {"success": "success", "warning": "warning", "danger": "danger", "text3": "neutral"}
ICONS = {"success": "check", "warning": "triangle-alert", "danger": "circle-alert", "text3": ""}


class ModelCard(Card):
    """`chosen(id)` when it is clicked; `remove_asked(id)` by its menu button. Load and unload go to `actions`."""

    chosen = Signal(str)
    remove_asked = Signal(str)

    def __init__(self, theme: Theme, model: Model, store: Store, actions: ModelActions, *, removable: bool) -> None:
        super().__init__(theme, name=title_of(model), clickable=model.kind == "chat")
        self.theme = theme
        self.model_id = model.id
        self._store = store
        self._actions = actions
        self._head = ElidedLabel(theme, title_of(model), "label", weight=600)
        self._head.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self._size = Label(theme, "", "small", "text2")
        self._state = Label(theme, "", "small", "text2")
        self._chips = row(gap=6)
        self._chips_shown: list[tuple[str, str]] = []
        self._bar = ProgressBar(theme, f"Loading {title_of(model)}")
        self._problem = Label(theme, "", "small", "danger", wrap=True)
        self.button = Button(theme, "Load")
        self.remove = IconButton(theme, "trash-2", f"Remove {title_of(model)} from the library", icon_size=16)
        self._lay_out()
        self.remove.setVisible(removable)
        self.clicked.connect(lambda: self.chosen.emit(self.model_id))
        self.button.clicked.connect(self._act)
        self.remove.clicked.connect(lambda: self.remove_asked.emit(self.model_id))
        self.refresh()

    def refresh(self) -> None:
        """Show what the store says of the model now."""
        model = self._store.models.get(self.model_id)
        if model is None:
            return
        self._head.setText(title_of(model))
        self._size.setText(in_bytes(model.bytes))
        self._state.setText(state_of(model))
        self._state.set_token(STATE_TOKENS[model.state])
        self.setAccessibleDescription(state_of(model))
        loading = model.state in BUSY or (self._actions.is_busy(model.id) and not model.loaded)
        self._bar.setVisible(loading)
        if loading:
            self._bar.set_fraction(model.load_fraction)
        self._show_chips(model)
        self._show_problem(model)
        text, icon = ("Cancel", "x") if loading else ("Unload", "") if model.loaded else ("Load", "play")
        self.button.set_text(text)
        self.button.set_icon(icon)
        self.button.setAccessibleName(f"{text} {title_of(model)}")

    def _show_chips(self, model: Model) -> None:
        status = self._store.status
        others = [other for other in self._store.models.values() if other.id != model.id]
        words, token = memory_words(model, status.memory if status else None, others)
        chips = [(fact, "neutral") for fact in facts_of(model)]
        if words:
            chips.append((words, token))
        if chips == self._chips_shown:
            return
        self._chips_shown = chips
        clear(self._chips)
        if model.quant:
            self._chips.addWidget(Chip(self.theme, model.quant, mono=True))
        for fact in facts_of(model):
            self._chips.addWidget(Chip(self.theme, fact))
        if words:
            chip = Chip(self.theme, words, TONES[token], icon=ICONS[token])  # type: ignore[arg-type]
            chip.setToolTip(words)
            self._chips.addWidget(chip)
        self._chips.addStretch(1)

    def _show_problem(self, model: Model) -> None:
        failure = self._actions.failures.get(model.id)
        text = f"{failure.message} {failure.hint}" if failure else f"{model.error} {model.hint}"
        self._problem.setText(text.strip())
        self._problem.setVisible(bool(text.strip()))

    def _act(self) -> None:
        model = self._store.models.get(self.model_id)
        if model is None:
            return
        if model.loaded or model.state in BUSY or self._actions.is_busy(model.id):
            self._actions.unload(model.id)
        else:
            self._actions.load(model.id)

    def _lay_out(self) -> None:
        line = QHBoxLayout()
        line.setSpacing(self.theme.px(12))
        line.addWidget(Avatar(self.theme, self._head.text()), 0, Qt.AlignmentFlag.AlignTop)
        words = column(gap=4)
        head = row(gap=8)
        head.addWidget(self._head)
        head.addWidget(self._state)
        head.addStretch(1)
        words.addLayout(head)
        words.addLayout(self._chips)
        words.addWidget(self._bar)
        words.addWidget(self._problem)
        line.addLayout(words, 1)
        line.addWidget(self._size)
        line.addWidget(self.button)
        line.addWidget(self.remove)
        self.content.addLayout(line)


class Avatar(QWidget):
    """The first letter of a name on a rounded square: only a picture beside the name itself."""

    def __init__(self, theme: Theme, name: str) -> None:
        super().__init__()
        self._theme = theme
        self._letter = name[:1].upper()
        self.setFixedSize(theme.px(34), theme.px(34))
        theme.changed.connect(self.update)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = paint.antialiased(QPainter(self))
        color = self._theme.color
        box = QRectF(self.rect())
        paint.box(painter, box, self._theme.px(RADIUS_CARD), color("bg_chip"))
        font = self._theme.font("title")
        paint.text(painter, box, self._letter, font, color("text2"), align=Qt.AlignmentFlag.AlignHCenter)
