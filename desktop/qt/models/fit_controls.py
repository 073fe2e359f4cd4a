"""The controls of the fit panel: how a model is loaded. What is not set is left to the fit."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtWidgets import QWidget

from desktop.qt.components.label import Label
from desktop.qt.components.parameter import NumberField, Slider
from desktop.qt.components.toggle import Toggle
from desktop.qt.models.fit_words import (
    CACHE_TYPES,
    CACHE_WORDS,
    context_steps,
    context_words,
    draft_choices,
    has_gpu,
    largest_words,
    nearest_step,
)
from desktop.qt.models.page_view import ChoiceButton
from desktop.qt.surface import column, row
from desktop.qt.theme import Theme

if TYPE_CHECKING:
    from desktop.wire import Model
    from desktop.wire_models import Fit, ModelOptions

NO_DRAFT = ("Automatic", "None")  # before the models that could draft


class FitControls(QWidget):
    """`changed(dict)`: fields of ModelOptions the user just set; None leaves one to the fit."""

    changed = Signal(dict)

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self._steps = context_steps(4096)
        self._drafts: list[tuple[str, str]] = []
        self._options: ModelOptions | None = None
        self._fit: Fit | None = None
        self.context = Label(theme, "", "small", weight=500)
        self.slider = Slider(theme, "Context length")
        self.slider.setPageStep(1)
        self.largest = Label(theme, "", "small", "text3", wrap=True)
        self.slots = _number(theme, "Answers at the same time", 0, 64)
        self.cache = ChoiceButton(theme, "Type of the cache", CACHE_WORDS)
        self.gpu = _number(theme, "Layers on the graphics card", -1, 1000)
        self.experts = _number(theme, "Layers whose experts stay in main memory", -1, 1000)
        self.draft = ChoiceButton(theme, "Draft model", NO_DRAFT)
        self.projector = Toggle(theme, "Load the part for pictures", show_name=False)
        self._lay_out()
        self._connect()

    @property
    def steps(self) -> list[int]:
        """Contexts the slider stops at."""
        return list(self._steps)

    def show_model(self, model: Model, models: Iterable[Model]) -> None:
        """Another model: what there is to choose for it, before its options are known."""
        self._options, self._fit = None, None
        self._steps = context_steps(model.context_length or 4096)
        with QSignalBlocker(self.slider):
            self.slider.setRange(0, len(self._steps) - 1)
        self._drafts = draft_choices(model, models)
        self._draft_row.setVisible(bool(self._drafts))
        self._projector_row.setVisible(model.has_projector)
        self._experts_row.hide()
        self._gpu_row.hide()
        self.context.setText("")
        self.largest.setText("")

    def set_expert_layers(self, layers: int) -> None:
        """So many layers have experts that could stay in main memory; 0 hides the control."""
        self._experts_row.setVisible(layers > 0)
        self.experts.setMaximum(max(1, layers))

    def show_options(self, options: ModelOptions) -> None:
        """Show what is chosen; tells nobody."""
        self._options = options
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
        names = [*NO_DRAFT, *(name for _, name in self._drafts)]
        self.draft.set_choices(names, drafts.index(options.draft_model) if options.draft_model in drafts else 0)
        self._show_context()

    def show_fit(self, fit: Fit) -> None:
        """What the fit chose where nothing is set, and how far the context can go."""
        self._fit = fit
        self._gpu_row.setVisible(has_gpu(fit))
        self.largest.setText(largest_words(fit))
        if self._options is not None and self._options.context is None:
            with QSignalBlocker(self.slider):
                self.slider.setValue(nearest_step(self._steps, fit.context))
            self.slider.update()
        self._show_context()

    def _show_context(self) -> None:
        chosen = self._options.context if self._options is not None else None
        context = chosen or (self._fit.context if self._fit is not None else self._steps[self.slider.value()])
        words = context_words(context, self._fit)
        self.context.setText(words if chosen else f"{words}, automatic")
        self.slider.setAccessibleDescription(words)

    def _cache_chosen(self, index: int) -> None:
        kind = CACHE_TYPES[index] or None
        self.changed.emit({"cache_type_k": kind, "cache_type_v": kind})

    def _draft_chosen(self, index: int) -> None:
        chosen = None if index == 0 else "" if index == 1 else self._drafts[index - len(NO_DRAFT)][0]
        self.changed.emit({"draft_model": chosen})

    def _connect(self) -> None:
        def tell(field: str, value: object) -> None:
            self.changed.emit({field: value})

        self.slider.valueChanged.connect(lambda step: tell("context", self._steps[step]))
        self.slots.valueChanged.connect(lambda count: tell("slots", int(count) or None))
        self.gpu.valueChanged.connect(lambda count: tell("gpu_layers", None if count < 0 else int(count)))
        self.experts.valueChanged.connect(lambda count: tell("cpu_expert_layers", None if count < 0 else int(count)))
        self.projector.toggled.connect(lambda on: tell("projector", None if on else False))
        self.cache.changed.connect(self._cache_chosen)
        self.draft.changed.connect(self._draft_chosen)

    def _lay_out(self) -> None:
        layout = column(self, gap=8)
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

    def _named(self, words: str, control: QWidget) -> QWidget:
        holder = QWidget()
        line = row(holder, gap=8)
        line.addWidget(Label(self._theme, words, "small", "text2"), 1)
        line.addWidget(control)
        layout = self.layout()
        assert layout is not None
        layout.addWidget(holder)
        return holder


def _number(theme: Theme, name: str, least: int, most: int) -> NumberField:
    """A number whose least value means that the fit decides."""
    field = NumberField(theme, name)
    field.setRange(least, most)
    field.setValue(least)
    field.setSpecialValueText("Automatic")
    field.setFixedWidth(theme.px(96))
    return field
