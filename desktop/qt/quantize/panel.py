"""The panel "Quantize and measure": choose types and options, start, and watch the chart fill."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import QHBoxLayout, QScrollArea, QWidget

from desktop.qt.bridge import Bridge, Failure
from desktop.qt.components.button import Button, IconButton
from desktop.qt.components.label import ElidedLabel, Label
from desktop.qt.components.notice import Notice
from desktop.qt.components.segmented import Segmented
from desktop.qt.components.toggle import Toggle
from desktop.qt.figures import in_bytes
from desktop.qt.overlay import MARGIN, Overlay
from desktop.qt.parameters_tab import TextBox
from desktop.qt.quantize.choice import IMATRIX_CHOICES, KEPT_TYPES, USUAL_TYPES, Choice, cost_of, problem_of, prompts_of
from desktop.qt.quantize.job_row import JobRow
from desktop.qt.quantize.results import Results
from desktop.qt.quantize.type_rows import TypeRows
from desktop.qt.store import Store
from desktop.qt.surface import clear, column, make_scroll, row
from desktop.qt.theme import Theme

if TYPE_CHECKING:
    from desktop.wire import Job, Model
    from desktop.wire_models import DiskUse, MeasurementList, QuantType, QuantTypeList

WIDTH = 1040
HEIGHT = 720
ASK_AGAIN_MS = 400
PROMPTS = "Own prompts to compare, one per line"
WORK = ("quantize", "measure")
GOING_ON = ("pending", "running", "paused", "interrupted")


class QuantizePanel(Overlay):
    """`use_asked(model_id)`: chat with a quantization.

    `choose_text_asked`: the window asks for a file and gives its path to `set_text`.
    """

    use_asked = Signal(str)
    choose_text_asked = Signal()

    def __init__(self, theme: Theme, host: QWidget, store: Store, bridge: Bridge) -> None:
        super().__init__(theme, host, "Quantize and measure", dim=True)
        self._store = store
        self._bridge = bridge
        self._model_id = ""
        self._types: list[QuantType] = []
        self._made: tuple[str, ...] = ()
        self._free_bytes = 0
        self._text_path = ""
        self._all_types = False
        self.rows = TypeRows(theme)
        self.results = Results(theme)
        self.imatrix = Segmented(theme, "Importance matrix", IMATRIX_CHOICES)
        self.kept_output = Segmented(theme, "Output tensor", KEPT_TYPES)
        self.kept_embeddings = Segmented(theme, "Embeddings", KEPT_TYPES)
        self.measure = Toggle(theme, "Measure each one")
        self.measure.setChecked(True)
        self.prompts = TextBox(theme, PROMPTS, "None", lines=2)
        self.more = Button(theme, "Show all types", "ghost", small=True)
        self.ladder = Button(theme, "Tick the whole ladder", "ghost", small=True)
        self.start = Button(theme, "Quantize and measure", "primary", icon="shrink")
        self.measure_only = Button(theme, "Measure what is there", icon="gauge")
        self._close = IconButton(theme, "x", "Close", keys="Esc")
        self._subject = ElidedLabel(theme, "", "small", "text2")
        self._cost = Label(theme, "", "small", "text2", wrap=True)
        self._notices = column(gap=8)
        self._work = JobRow(theme, bridge)
        self._again = QTimer(self, singleShot=True, interval=ASK_AGAIN_MS)
        self._again.timeout.connect(self._ask_measurements)
        self._lay_out()
        self._connect()

    def place(self) -> None:
        if (host := self.parentWidget()) is not None:
            room = host.height() - 2 * self.theme.px(MARGIN)
            self.panel.setMinimumHeight(min(self.theme.px(HEIGHT), room))
        super().place()

    def focus_first(self) -> QWidget | None:
        return next((one for one in self.rows.rows if one.isEnabled()), super().focus_first())

    # -- opening -----------------------------------------------------------------------------------------------------

    def open_for(self, model_id: str) -> None:
        """Show the panel for one model, the source of the quantizations."""
        self._model_id = model_id
        self._types, self._made, self._text_path = [], (), ""
        model = self._store.models.get(model_id)
        self._subject.setText(f"{model.name or model.id} · {model.quant} · {in_bytes(model.bytes)}" if model else "")
        clear(self._notices)
        self.results.set_measurements(None)
        self._show_types()
        self._show_job()
        ask = self._bridge.call
        ask(lambda client: client.quant_types(model_id), self._types_came, self._failed, owner=self)
        ask(lambda client: client.disk(), self._disk_came, self._failed, owner=self)
        self._ask_measurements()
        self.open_centered(WIDTH)

    def set_text(self, path: str) -> None:
        """Use this file's text for the importance matrix; "" goes back to the neutral one."""
        self._text_path = path
        self.imatrix.set_index(2 if path else 0)
        self._refresh()

    @property
    def choice(self) -> Choice:
        """What would be started now."""
        imatrix = ("neutral", "", self._text_path)[self.imatrix.index]
        return Choice(
            self._model_id,
            self.rows.chosen,
            imatrix,
            _kept(self.kept_output),
            _kept(self.kept_embeddings),
            self.measure.isChecked(),
            prompts_of(self.prompts.toPlainText()) if self.measure.isChecked() else (),
        )

    # -- answers -----------------------------------------------------------------------------------------------------

    def _types_came(self, found: QuantTypeList) -> None:
        self._types = found.types
        if found.refused:
            self._tell(Notice(self.theme, "warning", found.refused))
        self._show_types()
        if not self.rows.chosen:
            self.rows.choose(("Q4_K_M",))
        self._refresh()
        if self.isVisible() and self._close.hasFocus() and (first := self.focus_first()) is not None:
            first.setFocus(Qt.FocusReason.PopupFocusReason)  # when it was opened there was no row yet

    def _disk_came(self, disk: DiskUse) -> None:
        self._free_bytes = disk.free_bytes
        self._refresh()

    def _ask_measurements(self) -> None:
        model_id = self._model_id

        def came(found: MeasurementList) -> None:
            if model_id == self._model_id:  # the panel may show another model by now
                self._measurements_came(found)

        self._bridge.call(lambda client: client.measurements(model_id), came, self._failed, owner=self)

    def _measurements_came(self, found: MeasurementList) -> None:
        self.results.set_measurements(found)

    def _failed(self, failure: Failure) -> None:
        self._tell(Notice(self.theme, "error", failure.message, hint=failure.hint, closable=True))

    def _tell(self, notice: Notice) -> None:
        clear(self._notices)
        notice.closed.connect(notice.hide)
        self._notices.addWidget(notice)

    # -- starting ----------------------------------------------------------------------------------------------------

    def _start(self) -> None:
        options = self.choice.quantize_options()
        self._bridge.call(lambda client: client.start_job("quantize", options), self._started, self._failed, owner=self)

    def _start_measuring(self) -> None:
        options = self.choice.measure_options(self._siblings())
        self._bridge.call(lambda client: client.start_job("measure", options), self._started, self._failed, owner=self)

    def _started(self, job: Job) -> None:
        clear(self._notices)
        self._store.take_job(job)
        self._show_job()

    def _siblings(self) -> list[str]:
        """Models of the library made from this one, or fetched from the same repo with the same number of parameters.

        Those have smaller files: what they are held against is the larger.
        """
        source = self._store.models.get(self._model_id)
        if source is None:
            return []

        def fetched_with_it(model: Model) -> bool:
            same = bool(model.repo) and (model.repo, model.params, model.arch) == (
                source.repo,
                source.params,
                source.arch,
            )
            return same and model.bytes < source.bytes

        models = self._store.models.values()
        return [model.id for model in models if model.source_model == source.id or fetched_with_it(model)]

    # -- what is shown -----------------------------------------------------------------------------------------------

    def _show_types(self) -> None:
        made = [self._store.models[name].quant for name in self._siblings()]
        self.rows.show_types(self._types, made, all_types=self._all_types)
        self.more.setText("Show the usual types" if self._all_types else "Show all types")

    def _toggle_all(self) -> None:
        self._all_types = not self._all_types
        self._show_types()

    def _tick_ladder(self) -> None:
        self.rows.choose(USUAL_TYPES)

    def _refresh(self) -> None:
        choice = self.choice
        problem = problem_of(choice, self._types, self._free_bytes) if self._types else ""
        open_rows = any(not row.made for row in self.rows.rows)  # else there is nothing to choose
        self._cost.setText(problem or cost_of(choice, self._types, self._free_bytes) if open_rows else "")
        self._cost.set_token("warning" if problem and choice.types else "text2")
        self.start.setText("Quantize and measure" if choice.measure else "Quantize")
        running = self._work.job is not None
        self.start.setEnabled(bool(self._types) and not problem and not running)
        self.measure_only.setEnabled(bool(self._siblings()) and not running)
        self.prompts.setEnabled(choice.measure)

    def _show_job(self) -> None:
        jobs = [
            job
            for job in self._store.jobs.values()
            if job.kind in WORK and job.subject == self._model_id and job.state in GOING_ON
        ]
        self._work.show_job(jobs[-1] if jobs else None)
        self._refresh()

    def _job_changed(self, job: Job) -> None:
        if not self.isVisible() or job.kind not in WORK or job.subject != self._model_id:
            return
        self._show_job()
        self._again.start()
        if job.state == "failed":
            self._failed(Failure("job", job.error, job.hint))

    def _models_changed(self) -> None:
        if self.isVisible():
            self._show_types()
            self._refresh()

    def _imatrix_changed(self, index: int) -> None:
        if index == 2 and not self._text_path:
            self.choose_text_asked.emit()
        self._refresh()

    # -- building ----------------------------------------------------------------------------------------------------

    def _connect(self) -> None:
        self.rows.changed.connect(self._refresh)
        self.measure.toggled.connect(self._refresh)
        self.imatrix.changed.connect(self._imatrix_changed)
        self.more.clicked.connect(self._toggle_all)
        self.ladder.clicked.connect(self._tick_ladder)
        self.start.clicked.connect(self._start)
        self.measure_only.clicked.connect(self._start_measuring)
        self.results.use_asked.connect(self.use_asked)
        self._store.job_changed.connect(self._job_changed)
        self._store.models_changed.connect(self._models_changed)

    def _lay_out(self) -> None:
        px = self.theme.px
        box = self.panel.content
        box.setContentsMargins(px(24), px(20), px(24), px(16))
        box.setSpacing(px(12))
        head = row(gap=px(8))
        titles = column(gap=2)
        titles.addWidget(Label(self.theme, "Quantize and measure", "heading"))
        titles.addWidget(self._subject)
        head.addLayout(titles, 1)
        self._close.clicked.connect(self.close_overlay)
        head.addWidget(self._close, 0, Qt.AlignmentFlag.AlignTop)
        box.addLayout(head)
        box.addLayout(self._notices)
        body = row(gap=px(24))
        body.addWidget(self._choices(), 4)
        body.addWidget(make_scroll(QScrollArea(), self.results), 6)
        box.addLayout(body, 1)
        box.addWidget(self._work)
        box.addLayout(self._foot())

    def _choices(self) -> QWidget:
        px = self.theme.px
        inside = QWidget()
        ring = px(5)  # the ring of what has the focus lies outside it, and is cut where the area ends
        choices = column(inside, margins=(ring, ring, ring, ring), gap=px(8))
        choices.addWidget(self.rows)
        buttons = row(gap=px(4))
        for button in (self.more, self.ladder):
            buttons.addWidget(button)
        buttons.addStretch(1)
        choices.addLayout(buttons)
        for name, control in (
            ("Importance matrix", self.imatrix),
            ("Output tensor", self.kept_output),
            ("Embeddings", self.kept_embeddings),
        ):
            choices.addWidget(Label(self.theme, name, "small", "text2"))
            choices.addWidget(control)
        choices.addWidget(self.measure)
        choices.addWidget(Label(self.theme, PROMPTS, "small", "text2"))
        choices.addWidget(self.prompts)
        choices.addStretch(1)
        return make_scroll(QScrollArea(), inside)

    def _foot(self) -> QHBoxLayout:
        foot = row(gap=self.theme.px(8))
        foot.addWidget(self._cost, 1)
        foot.addWidget(self.measure_only)
        foot.addWidget(self.start)
        return foot


def _kept(control: Segmented) -> str:
    return "" if control.index == 0 else KEPT_TYPES[control.index]
