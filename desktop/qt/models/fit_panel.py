"""How a model fits with the options in view, part by part; answers while they move, and remembers them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import QWidget

from desktop.qt.bridge import Bridge, Failure
from desktop.qt.components.button import Button
from desktop.qt.components.chip import Chip
from desktop.qt.components.label import Label
from desktop.qt.components.notice import Notice
from desktop.qt.models.cost_bar import CostBar
from desktop.qt.models.fit_asker import FitAsker
from desktop.qt.models.fit_controls import FitControls
from desktop.qt.models.fit_words import expert_layers, speed_words, verdict_tag
from desktop.qt.store import Store
from desktop.qt.surface import column, row
from desktop.qt.theme import Theme

if TYPE_CHECKING:
    from desktop.wire import Model
    from desktop.wire_models import Details, DeviceNeed, Fit, ModelOptions

SAVE_MS = 600  # after the last change; each change is shown at once
# What "leave all to Jackdaw" takes back. Adapters are attached by a person, so they stay.
AUTOMATIC: dict[str, Any] = dict.fromkeys(
    (
        "context",
        "slots",
        "cache_type_k",
        "cache_type_v",
        "gpu_layers",
        "cpu_expert_layers",
        "draft_model",
        "projector",
    )
)


class FitPanel(QWidget):
    """`show_model(Model)`. Changes are remembered by themselves; `reload_asked(id)` loads a running model anew."""

    reload_asked = Signal(str)

    def __init__(self, theme: Theme, bridge: Bridge, store: Store) -> None:
        super().__init__()
        self._theme = theme
        self._bridge = bridge
        self._store = store
        self._model: Model | None = None
        self._options: ModelOptions | None = None
        self._fit: Fit | None = None
        self._changed_since_load = False
        self.asker = FitAsker(bridge)
        self.controls = FitControls(theme)
        self._save_soon = QTimer(self, singleShot=True, interval=SAVE_MS)
        self.verdict = Chip(theme, "")
        self.sentence = Label(theme, "", "small", "text2", wrap=True)
        self.speed = Label(theme, "", "small", "text2", wrap=True)
        self.reset = Button(theme, "Leave all to Jackdaw", "ghost", icon="undo-2", small=True)
        self.reload = Notice(theme, "info", "Takes effect when it is loaded anew.", action="Reload to apply")
        self.problem = Notice(theme, "error", "")
        self._lay_out()
        self.asker.answered.connect(self.take_fit)
        self.asker.failed.connect(self._failed)
        self._save_soon.timeout.connect(self._save)
        self.controls.changed.connect(self.change)
        self.reset.clicked.connect(lambda: self.change(AUTOMATIC))
        self.reload.action_clicked.connect(self._reload)

    @property
    def fit(self) -> Fit | None:
        """What the options in view cost; None until it is known."""
        return self._fit

    @property
    def options(self) -> ModelOptions | None:
        """The options in view; what is None is left to the fit."""
        return self._options

    def show_model(self, model: Model) -> None:
        """Another model: its remembered options are asked for, then what they cost. The same one is refreshed."""
        if self._model is not None and model.id == self._model.id:
            self._model = model
            self._show_reload()
            return
        self.flush()
        self.asker.drop()
        self._model, self._options, self._fit = model, None, None
        self._changed_since_load = False
        self.controls.show_model(model, self._store.models.values())
        self.controls.setEnabled(False)
        for widget in (self.verdict, self.problem, self.reload):
            widget.hide()
        self._show_bars(())
        self._bridge.call(
            lambda client: client.model_options(model.id),
            lambda options: self.take_options(model.id, options),
            self._failed,
            owner=self,
        )

    def take_details(self, details: Details) -> None:
        """A mixture of experts can keep its experts in main memory."""
        self.controls.set_expert_layers(expert_layers(details))

    def take_options(self, model_id: str, options: ModelOptions) -> None:
        """The remembered options of a model."""
        if self._model is None or model_id != self._model.id:
            return
        self._options = options
        self.controls.setEnabled(True)
        self.controls.show_options(options)
        self.asker.ask(model_id, options)

    def take_fit(self, fit: Fit) -> None:
        """What the options in view cost."""
        self._fit = fit
        self.problem.hide()
        tag = verdict_tag(fit)
        self.verdict.set_text(tag.text, tag.tone, tag.icon)  # type: ignore[arg-type]
        self.verdict.show()
        self.sentence.setText(fit.sentence)
        self.speed.setText(speed_words(fit))
        self.speed.setVisible(bool(fit.tokens_per_s))
        self.controls.show_fit(fit)
        self._show_bars(fit.devices)

    def change(self, fields: dict[str, Any]) -> None:
        """Set some options: shown at once, remembered when they rest."""
        if self._model is None or self._options is None:
            return
        self._options = self._options.model_copy(update=fields)
        self._changed_since_load = True
        self.controls.show_options(self._options)
        self._show_reload()
        self.asker.ask(self._model.id, self._options)
        self._save_soon.start()

    def flush(self) -> None:
        """Remember what was changed, without waiting."""
        if self._save_soon.isActive():
            self._save_soon.stop()
            self._save()

    def forget(self) -> None:
        """Nothing is in view."""
        self.flush()
        self.asker.drop()
        self._model = None

    def _save(self) -> None:
        from desktop.wire_models import ModelOptions

        if self._model is None or self._options is None:
            return
        # Adapters are another control's. The rest is set, so that None goes over the wire as "leave it to the fit".
        chosen = self._options.model_dump(include=set(AUTOMATIC))
        model_id, options = self._model.id, ModelOptions(**chosen)
        self._bridge.call(lambda client: client.set_model_options(model_id, options), None, self._failed, owner=self)

    def _reload(self) -> None:
        self.flush()
        self._changed_since_load = False
        if self._model is not None:
            self.reload_asked.emit(self._model.id)
        self._show_reload()

    def _failed(self, failure: Failure) -> None:
        self.problem.show_message("error", failure.message, hint=failure.hint)
        self.problem.show()

    def _show_reload(self) -> None:
        loaded = self._model is not None and self._model.loaded
        self.reload.setVisible(loaded and self._changed_since_load)

    def _show_bars(self, devices: Sequence[DeviceNeed]) -> None:
        """One bar for each memory; those that stay are only drawn anew."""
        while self._bars.count() > len(devices):
            item = self._bars.takeAt(self._bars.count() - 1)
            if item is not None and (old := item.widget()) is not None:
                old.hide()
                old.deleteLater()
        while self._bars.count() < len(devices):
            self._bars.addWidget(CostBar(self._theme))
        for place, need in enumerate(devices):
            item = self._bars.itemAt(place)
            bar = item.widget() if item is not None else None
            if isinstance(bar, CostBar):
                bar.show_need(need)

    def _lay_out(self) -> None:
        layout = column(self, gap=8)
        head = row(gap=8)
        head.addWidget(Label(self._theme, "Fit", "label", weight=600))
        head.addWidget(self.verdict)
        head.addStretch(1)
        head.addWidget(self.reset)
        layout.addLayout(head)
        layout.addWidget(self.sentence)
        layout.addWidget(self.speed)
        self._bars = column(gap=10)
        layout.addLayout(self._bars)
        layout.addWidget(self.controls)
        layout.addWidget(self.reload)
        layout.addWidget(self.problem)
        for widget in (self.verdict, self.reload, self.problem):
            widget.hide()
