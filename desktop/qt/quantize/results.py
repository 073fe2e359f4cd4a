"""What was measured: the chart, the pick with its reason, and the figures of the quantization that is looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QGridLayout, QWidget

from desktop.qt.components.button import Button
from desktop.qt.components.label import Label
from desktop.qt.figures import grouped_digits, in_bytes, per_second
from desktop.qt.quantize.chart import ParetoChart
from desktop.qt.quantize.plot import ChartPoint, loss_text
from desktop.qt.surface import clear, column, row
from desktop.qt.theme import Theme

if TYPE_CHECKING:
    from desktop.wire_models import Measurement, MeasurementList, PromptAnswer


class Results(QWidget):
    """`use_asked(model_id)`: chat with the one that is looked at."""

    use_asked = Signal(str)

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._list: MeasurementList | None = None
        self._follows_pick = True
        self.chart = ParetoChart(theme)
        self._reason = Label(theme, "", "ui", "text", wrap=True)
        self._reason.setMinimumHeight(theme.px(40))
        self._facts = QGridLayout()
        self._facts.setHorizontalSpacing(theme.px(16))
        self._facts.setVerticalSpacing(theme.px(2))
        self._answers = column(gap=6)
        self.use = Button(theme, "Chat with it", icon="message-square", small=True)
        self.use.hide()
        self.use.clicked.connect(self._use)
        self.chart.chosen.connect(self._chosen)
        layout = column(self, gap=theme.px(8))
        layout.addWidget(self.chart, 1)
        layout.addWidget(self._reason)
        layout.addLayout(self._facts)
        foot = row()
        foot.addWidget(self.use)
        foot.addStretch(1)
        layout.addLayout(foot)
        layout.addLayout(self._answers)

    def set_measurements(self, found: MeasurementList | None) -> None:
        """Show what is known. The pick is looked at, whichever it is by now, until another one is chosen."""
        self._list = found
        self._follows_pick |= found is None
        self.chart.set_points(points_of(found) if found is not None else ())
        pick = found.pick if found is not None else None
        self._reason.setText(pick.reason if pick is not None else _nothing_yet(found))
        if self._follows_pick and pick is not None and self._looked_at() != pick.model_id:
            self.chart.choose(pick.model_id)
        elif self.chart.current is not None:
            self._show(self.chart.current.model_id)
        else:
            self._show("")

    def _looked_at(self) -> str:
        return self.chart.current.model_id if self.chart.current is not None else ""

    def _chosen(self, model_id: str) -> None:
        pick = self._list.pick if self._list is not None else None
        self._follows_pick = pick is not None and pick.model_id == model_id
        self._show(model_id)

    def _show(self, model_id: str) -> None:
        one = self._measured(model_id)
        while (item := self._facts.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.deleteLater()
        self.use.setVisible(one is not None)
        for number, (name, value) in enumerate(facts_of(one) if one is not None else ()):
            line, half = divmod(number, 2)
            self._facts.addWidget(Label(self._theme, name, "small", "text3"), line, 3 * half)
            shown = Label(self._theme, value, "small", "text")
            shown.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            self._facts.addWidget(shown, line, 3 * half + 1)
        self._show_answers(model_id)

    def _show_answers(self, model_id: str) -> None:
        clear(self._answers)
        for answer in self._list.answers if self._list is not None else ():
            if answer.model_id == model_id:
                self._answers.addWidget(Label(self._theme, answer.prompt, "small", "text2", wrap=True))
                self._answers.addWidget(Label(self._theme, answer_text(answer), "small", wrap=True))

    def _measured(self, model_id: str) -> Measurement | None:
        rows = self._list.measurements if self._list is not None else []
        return next((one for one in rows if one.model_id == model_id), None)

    def _use(self) -> None:
        if model_id := self._looked_at():
            self.use_asked.emit(model_id)


def points_of(found: MeasurementList) -> list[ChartPoint]:
    """Those whose loss is measured; the source itself has none and is left out."""
    picked = found.pick.model_id if found.pick is not None else ""
    return [
        ChartPoint(
            one.model_id,
            one.quant,
            one.bytes,
            one.kl_divergence,
            one.model_id in found.frontier,
            one.model_id == picked,
        )
        for one in found.measurements
        if one.kl_divergence is not None and one.model_id != found.source_id
    ]


def facts_of(one: Measurement) -> list[tuple[str, str]]:
    """Names and figures of one measurement, with their spread; what was not measured is not there."""
    spread = f" ± {loss_text(one.kl_divergence_error)}" if one.kl_divergence_error else ""
    facts = [("Size", in_bytes(one.bytes))]
    if one.kl_divergence is not None:
        facts.append(("KL divergence", f"{loss_text(one.kl_divergence)}{spread}"))
    if one.same_top_percent is not None:
        facts.append(("Same first choice", f"{one.same_top_percent:.1f} %"))
    if one.perplexity is not None:
        of_source = f" ({one.source_perplexity:.2f} before)" if one.source_perplexity is not None else ""
        facts.append(("Perplexity", f"{one.perplexity:.2f}{of_source}"))
    if one.tokens_per_s is not None:
        facts.append(("Writes", per_second(one.tokens_per_s)))
    if one.prompt_tokens_per_s is not None:
        facts.append(("Reads", per_second(one.prompt_tokens_per_s)))
    if one.peak_bytes is not None:
        facts.append(("Peak memory", in_bytes(one.peak_bytes)))
    if one.tokens_measured:
        facts.append(("Measured on", f"{grouped_digits(one.tokens_measured)} tokens"))
    return facts


def answer_text(answer: PromptAnswer) -> str:
    """An answer with how far it agrees with the source's."""
    if answer.same_words is None:
        return answer.answer
    same = "1 word" if answer.same_words == 1 else f"{answer.same_words} words"
    return f"{answer.answer}\n(the first {same} as the original)"


def _nothing_yet(found: MeasurementList | None) -> str:
    if found is None or not found.measurements:
        return "Nothing is measured yet. Each quantization is compared with its source on this machine."
    return "Measure at least one quantization to see what it loses."
