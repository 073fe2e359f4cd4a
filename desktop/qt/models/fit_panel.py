"""How a model is loaded and what that costs: context, slots, cache, offload, draft model. Answers while it moves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QSignalBlocker, QTimer, Signal
from PySide6.QtWidgets import QWidget

from desktop.qt.bridge import Bridge, Failure
from desktop.qt.components.button import Button
from desktop.qt.components.chip import Chip
from desktop.qt.components.label import Label
from desktop.qt.components.notice import Notice
from desktop.qt.components.parameter import NumberField, Slider
from desktop.qt.components.toggle import Toggle
from desktop.qt.models.cost_bar import CostBar
from desktop.qt.models.fit_asker import FitAsker
from desktop.qt.models.fit_words import (
    CACHE_TYPES,
    CACHE_WORDS,
    context_steps,
    context_words,
    draft_choices,
    expert_layers,
    has_gpu,
    largest_words,
    nearest_step,
    speed_words,
    verdict_tag,
)
from desktop.qt.models.page_view import ChoiceButton
from desktop.qt.store import Store
from desktop.qt.surface import clear, column, row
from desktop.qt.theme import Theme

if TYPE_CHECKING:
    from desktop.wire import Model
    from desktop.wire_models import Details, Fit, ModelOptions

SAVE_MS = 600  # after the last change; each change is shown at once


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
        self._steps = [512]
        self._drafts: list[tuple[str, str]] = []
        self._changed_since_load = False
        self.asker = FitAsker(bridge)
        self._save_soon = QTimer(self, singleShot=True, interval=SAVE_MS)
        self._make_parts()
        self._lay_out()
        self._connect()

    @property
    def fit(self) -> Fit | None:
        return self._fit

    @property
    def options(self) -> ModelOptions | None:
        """The options in view; what is None is left to the fit."""
        return self._options

    def show_model(self, model: Model) -> None:
        """Another model: its remembered options are asked for, then what they cost."""
        if self._model is not None and model.id == self._model.id:
            self._model = model
            self._show_reload()
            return
        self.flush()
        self.asker.drop()
        self._model, self._options, self._fit = model, None, None
        self._changed_since_load = False
        self._steps = context_steps(model.context_length or 4096)
        with QSignalBlocker(self.slider):
            self.slider.setRange(0, len(self._steps) - 1)
        self._drafts = draft_choices(model, self._store.models.values())
        self.draft.set_choices(["Automatic", "None", *(name for _, name in self._drafts)])
        self._draft_row.setVisible(bool(self._drafts))
        self._projector_row.setVisible(model.has_projector)
        self._experts_row.hide()
        self._gpu_row.hide()
        self.setEnabled(False)
        self._bridge.call(
            lambda client: client.model_options(model.id),
            lambda options: self.take_options(model.id, options),
            self._failed,
            owner=self,
        )

    def take_details(self, details: Details) -> None:
        """A mixture of experts can keep its experts in main memory."""
        layers = expert_layers(details)
        self._experts_row.setVisible(layers > 0)
        self.experts.setMaximum(max(1, layers))

    def take_options(self, model_id: str, options: ModelOptions) -> None:
        """The remembered options of a model."""
        if self._model is None or model_id != self._model.id:
            return
        self._options = options
        self.setEnabled(True)
        self._show_options()
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
        self.largest.setText(largest_words(fit))
        self._gpu_row.setVisible(has_gpu(fit))
        if self._options is not None and self._options.context is None:
            with QSignalBlocker(self.slider):
                self.slider.setValue(nearest_step(self._steps, fit.context))
        self._show_context()
        self._show_bars(fit)

    # -- changes -----------------------------------------------------------------------------------------------------

    def change(self, **fields: object) -> None:
        """Set some options: shown at once, remembered when they rest."""
        if self._model is None or self._options is None:
            return
        self._options = self._options.model_copy(update=fields)
        self._changed_since_load = True
        self._show_context()
        self._show_reload()
        self.asker.ask(self._model.id, self._options)
        self._save_soon.start()

    def flush(self) -> None:
        """Remember what was changed, without waiting."""
        if self._save_soon.isActive():
            self._save_soon.stop()
            self._save()

    def _save(self) -> None:
        from desktop.wire_models import ModelOptions

        if self._model is None or self._options is None:
            return
        # All fields set, so that a None goes over the wire as "leave it to the fit" and not as "keep what was".
        model_id, options = self._model.id, ModelOptions(**self._options.model_dump())
        self._bridge.call(lambda client: client.set_model_options(model_id, options), None, self._failed, owner=self)

    def _reset(self) -> None:
        self.change(
            context=None,
            slots=None,
            cache_type_k=None,
            cache_type_v=None,
            gpu_layers=None,
            cpu_expert_layers=None,
            draft_model=None,
            projector=None,
        )
        self._show_options()

    def _draft_chosen(self, index: int) -> None:
        self.change(draft_model=None if index == 0 else "" if index == 1 else self._drafts[index - 2][0])

    def _cache_chosen(self, index: int) -> None:
        kind = CACHE_TYPES[index] or None
        self.change(cache_type_k=kind, cache_type_v=kind)

    def _reload(self) -> None:
        self.flush()
        self._changed_since_load = False
        if self._model is not None:
            self.reload_asked.emit(self._model.id)
        self._show_reload()

    def _failed(self, failure: Failure) -> None:
        self.setEnabled(self._options is not None)
        self.problem.show_message("error", failure.message, hint=failure.hint)
        self.problem.show()

    # -- showing -----------------------------------------------------------------------------------------------------

    def _show_options(self) -> None:
        options = self._options
        if options is None:
            return
        blocked = [QSignalBlocker(w) for w in (self.slider, self.slots, self.gpu, self.experts, self.projector)]
        if options.context is not None:
            self.slider.setValue(nearest_step(self._steps, options.context))
        self.slots.setValue(options.slots or 0)
        self.gpu.setValue(-1 if options.gpu_layers is None else options.gpu_layers)
        self.experts.setValue(-1 if options.cpu_expert_layers is None else options.cpu_expert_layers)
        self.projector.setChecked(options.projector is not False)
        del blocked
        kind = options.cache_type_k or ""
        self.cache.set_choices(CACHE_WORDS, CACHE_TYPES.index(kind) if kind in CACHE_TYPES else 0)
        drafts = [None, "", *(draft for draft, _ in self._drafts)]
        names = ["Automatic", "None", *(name for _, name in self._drafts)]
        self.draft.set_choices(names, drafts.index(options.draft_model) if options.draft_model in drafts else 0)
        self._show_context()
        self._show_reload()

    def _context(self) -> int:
        if self._options is not None and self._options.context is not None:
            return self._options.context
        return self._fit.context if self._fit is not None else self._steps[self.slider.value()]

    def _show_context(self) -> None:
        words = context_words(self._context(), self._fit)
        automatic = self._options is not None and self._options.context is None
        self.context.setText(f"{words}, automatic" if automatic else words)
        self.slider.setAccessibleDescription(words)

    def _show_reload(self) -> None:
        loaded = self._model is not None and self._model.loaded
        self.reload.setVisible(loaded and self._changed_since_load)

    def _show_bars(self, fit: Fit) -> None:
        while self._bars.count() > len(fit.devices):
            item = self._bars.takeAt(self._bars.count() - 1)
            if item is not None and (old := item.widget()) is not None:
                old.hide()
                old.deleteLater()
        while self._bars.count() < len(fit.devices):
            self._bars.addWidget(CostBar(self._theme))
        for place, need in enumerate(fit.devices):
            item = self._bars.itemAt(place)
            bar = item.widget() if item is not None else None
            if isinstance(bar, CostBar):
                bar.show_need(need)

    def forget(self) -> None:
        """Nothing is in view."""
        self.flush()
        self.asker.drop()
        self._model = None
        clear(self._bars)

    # -- building ----------------------------------------------------------------------------------------------------

    def _make_parts(self) -> None:
        theme = self._theme
        self.verdict = Chip(theme, "")
        self.verdict.hide()
        self.sentence = Label(theme, "", "small", "text2", wrap=True)
        self.speed = Label(theme, "", "small", "text2", wrap=True)
        self.largest = Label(theme, "", "small", "text3", wrap=True)
        self.context = Label(theme, "", "small", weight=500)
        self.slider = Slider(theme, "Context length")
        self.slider.setPageStep(1)
        self.slots = _number(theme, "Answers at the same time", 0, 64)
        self.cache = ChoiceButton(theme, "Type of the cache", CACHE_WORDS)
        self.gpu = _number(theme, "Layers on the graphics card", -1, 1000)
        self.experts = _number(theme, "Layers whose experts stay in main memory", -1, 1000)
        self.draft = ChoiceButton(theme, "Draft model", ["Automatic", "None"])
        self.projector = Toggle(theme, "Load the part for pictures", show_name=False)
        self.reset = Button(theme, "Leave all to Jackdaw", "ghost", icon="undo-2", small=True)
        self.reload = Notice(theme, "info", "Takes effect when it is loaded anew.", action="Reload to apply")
        self.reload.hide()
        self.problem = Notice(theme, "error", "")
        self.problem.hide()

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
        words = row(gap=8)
        words.addWidget(Label(self._theme, "Context", "small", "text2"), 1)
        words.addWidget(self.context)
        layout.addLayout(words)
        layout.addWidget(self.slider)
        layout.addWidget(self.largest)
        self._named("Answers at the same time", self.slots)
        self._named("Cache", self.cache)
        self._gpu_row = self._named("Layers on the GPU", self.gpu)
        self._experts_row = self._named("Experts on the processor", self.experts)
        self._draft_row = self._named("Draft model", self.draft)
        self._projector_row = self._named("Pictures", self.projector)
        layout.addWidget(self.reload)
        layout.addWidget(self.problem)

    def _named(self, words: str, control: QWidget) -> QWidget:
        holder = QWidget()
        line = row(holder, gap=8)
        line.addWidget(Label(self._theme, words, "small", "text2"), 1)
        line.addWidget(control)
        layout = self.layout()
        assert layout is not None
        layout.addWidget(holder)
        return holder

    def _connect(self) -> None:
        self.asker.answered.connect(self.take_fit)
        self.asker.failed.connect(self._failed)
        self._save_soon.timeout.connect(self._save)
        self.slider.valueChanged.connect(lambda step: self.change(context=self._steps[step]))
        self.slots.valueChanged.connect(lambda count: self.change(slots=int(count) or None))
        self.gpu.valueChanged.connect(lambda count: self.change(gpu_layers=None if count < 0 else int(count)))
        self.experts.valueChanged.connect(
            lambda count: self.change(cpu_expert_layers=None if count < 0 else int(count))
        )
        self.cache.changed.connect(self._cache_chosen)
        self.draft.changed.connect(self._draft_chosen)
        self.projector.toggled.connect(lambda on: self.change(projector=None if on else False))
        self.reset.clicked.connect(self._reset)
        self.reload.action_clicked.connect(self._reload)


def _number(theme: Theme, name: str, least: int, most: int) -> NumberField:
    """A number whose least value means that the fit decides."""
    field = NumberField(theme, name)
    field.setRange(least, most)
    field.setValue(least)
    field.setSpecialValueText("Automatic")
    field.setFixedWidth(theme.px(96))
    return field
