"""The settings a search is run again with: mode, weight of meaning, how many, rerank, merge."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QScrollArea, QWidget

from desktop.qt.components.button import Button
from desktop.qt.components.field import Field
from desktop.qt.components.label import Label
from desktop.qt.components.parameter import Parameter
from desktop.qt.components.segmented import Segmented
from desktop.qt.components.toggle import Toggle
from desktop.qt.files.why_words import MODE_NAMES, MODES, request_fields
from desktop.qt.surface import Line, Pane, column, make_scroll, row
from desktop.qt.theme import Theme

MOST = 50
WIDTH = 300


class WhySettings(Pane):
    """`run_asked` with the button or Enter in the field, `save_asked(name)` to keep the question as a check."""

    run_asked = Signal()
    save_asked = Signal(str)

    def __init__(self, theme: Theme) -> None:
        super().__init__(theme, "bg_list", ("left",))
        self.setAccessibleName("Run again with other settings")
        self.query = Field(theme, "Query", "Query")
        self.mode = Segmented(theme, "Mode", ["Auto", "Hybrid", "Words", "Meaning"])
        self.mode.setToolTip("; ".join(MODE_NAMES))
        self.own_weight = Toggle(theme, "Weight as the query asks for", show_name=False)
        self.own_weight.setChecked(True)
        self.weight = Parameter(
            theme, "Weight of meaning", minimum=0.0, maximum=1.0, step=0.05, default=0.5, decimals=2
        )
        self.count = Parameter(theme, "Passages", minimum=1, maximum=MOST, step=1, default=10, decimals=0)
        self.rerank = Toggle(theme, "Rerank", show_name=False)
        self.merge = Toggle(theme, "Merge neighbours, fold near-duplicates", show_name=False)
        self.run = Button(theme, "Run again", "primary", icon="play")
        self.name = Field(theme, "Name of the check", "Name, or none")
        self.save = Button(theme, "Save as check", icon="check")
        self._reranks = False
        self._lay_out()
        self.run.clicked.connect(self.run_asked)
        self.query.returnPressed.connect(self.run_asked)
        self.save.clicked.connect(lambda: self.save_asked.emit(self.name.text().strip()))
        self.own_weight.toggled.connect(lambda on: self.weight.setEnabled(not on))
        self.weight.setEnabled(False)

    def show_fields(self, fields: dict[str, Any], dense_weight: float, reranker: str) -> None:
        """Fill in what a search was run with; `dense_weight` is what its query was given."""
        self.query.setText(str(fields.get("query", "")))
        mode = str(fields.get("mode", "auto"))
        self.mode.set_index(MODES.index(mode) if mode in MODES else 0)
        self.own_weight.setChecked(fields.get("dense_weight") is None)
        self.weight.set_value(dense_weight)
        self.count.set_value(float(fields.get("k", 10)))
        self._reranks = bool(reranker)
        wanted = fields.get("rerank")
        self.rerank.setChecked(self._reranks if wanted is None else bool(wanted))
        self.merge.setChecked(bool(fields.get("merge", True)))

    def fields(self, collection: str) -> dict[str, Any]:
        """As a WhyRequest has it."""
        rerank = self.rerank.isChecked()
        return request_fields(
            query=self.query.text().strip(),
            collection=collection,
            mode=MODES[self.mode.index],
            k=round(self.count.value),
            dense_weight=None if self.own_weight.isChecked() else self.weight.value,
            rerank=None if rerank == self._reranks else rerank,
            merge=self.merge.isChecked(),
        )

    def _lay_out(self) -> None:
        inside = QWidget()
        layout = column(inside, margins=(16, 14, 16, 14), gap=8)
        layout.addWidget(Label(self.theme, "Run again", "label"))
        layout.addWidget(self.query)
        layout.addWidget(self.mode)
        for words, toggle in (("Weight as the query asks for", self.own_weight),):
            layout.addLayout(self._line(words, toggle))
        layout.addWidget(self.weight)
        layout.addWidget(self.count)
        layout.addLayout(self._line("Rerank", self.rerank))
        layout.addLayout(self._line("Merge and fold", self.merge))
        layout.addWidget(self.run)
        layout.addSpacing(6)
        layout.addWidget(Line(self.theme))
        layout.addSpacing(6)
        layout.addWidget(Label(self.theme, "Save as check", "label"))
        layout.addWidget(
            Label(
                self.theme,
                "Keeps the question with the passages it finds now, and asks it again after each indexing.",
                "small",
                "text2",
                wrap=True,
            )
        )
        layout.addWidget(self.name)
        layout.addWidget(self.save)
        layout.addStretch(1)
        column(self, margins=(1, 0, 0, 0)).addWidget(make_scroll(QScrollArea(), inside))
        self.theme.changed.connect(self._resized)
        self._resized()

    def _line(self, words: str, toggle: QWidget):  # type: ignore[no-untyped-def]
        line = row(gap=8)
        line.addWidget(Label(self.theme, words), 1)
        line.addWidget(toggle)
        return line

    def _resized(self) -> None:
        self.setFixedWidth(self.theme.px(WIDTH))
