"""The doctor: counts that must agree, what does not, Repair, and the receipts of past removals."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QGridLayout, QScrollArea, QWidget

from desktop.qt.bridge import Bridge, Failure
from desktop.qt.components.button import Button, IconButton
from desktop.qt.components.label import ElidedLabel, Label
from desktop.qt.components.notice import Notice
from desktop.qt.components.states import IconSpot
from desktop.qt.components.toggle import Toggle
from desktop.qt.figures import grouped_digits, in_bytes, in_seconds
from desktop.qt.files.actions import FileActions
from desktop.qt.files.checks_box import ChecksBox
from desktop.qt.files.known import KnownFiles
from desktop.qt.files.words import counted
from desktop.qt.overlay import Overlay
from desktop.qt.surface import Line, clear, column, make_scroll, row
from desktop.qt.theme import Theme

if TYPE_CHECKING:
    from desktop.wire_files import CollectionCounts, FilesDoctorReport, Finding, Receipt

WIDTH = 820
HEIGHT = 640
EXAMPLES = 3
HEADS = ("Collection", "On disk", "In database", "Left out", "Failed", "Chunks", "By word", "Vectors kept", "Searched")
HELP = {
    "By word": "Chunks that can be found by their words",
    "Vectors kept": "Vectors in the database: the truth",
    "Searched": "Vectors in the search index, built from those of the database",
}


class DoctorPanel(Overlay):
    """Opens with `show_for` and looks at once. `receipt_asked(Receipt)` for one of the past removals."""

    receipt_asked = Signal(object)

    def __init__(self, theme: Theme, host: QWidget, bridge: Bridge, known: KnownFiles, actions: FileActions) -> None:
        super().__init__(theme, host, "Index doctor", dim=True)
        self._bridge = bridge
        self._known = known
        self._actions = actions
        self._collection = ""
        self.report: FilesDoctorReport | None = None
        self.verdict = Notice(theme, "info", "")
        self.counts = QGridLayout()
        self.findings = column(gap=10)
        self.checks = ChecksBox(theme, bridge)
        self.receipts = column(gap=2)
        self._receipts_title = Label(theme, "Past removals", "label")
        self.deep = Toggle(theme, "Read every file again")
        self.deep.setToolTip("Compare the content of every file with what was indexed, and recompute some vectors")
        self.look = Button(theme, "Check again", icon="refresh-cw")
        self.repair = Button(theme, "Repair", "primary", icon="activity")
        self.close_button = IconButton(theme, "x", "Close", keys="Esc")
        self._lay_out()
        self._connect()

    def show_for(self, collection: str) -> None:
        """Look at one collection, "" for all of them."""
        self._collection = collection
        self._show(None)
        self._look()
        self.checks.ask()
        self._bridge.call(lambda client: client.receipts(), self._receipts_came, self._no_receipts, owner=self)
        self.open_centered(WIDTH, HEIGHT)

    def focus_first(self) -> QWidget | None:
        return self.close_button

    def _look(self, *, repair: bool = False) -> None:
        self.look.setEnabled(False)
        self.repair.setEnabled(False)
        self.verdict.show_message("info", "Repairing…" if repair else "Counting…")
        self._actions.look(repair=repair, deep=self.deep.isChecked(), collection=self._collection)

    def _look_again(self) -> None:
        self._look()

    def _came(self, report: FilesDoctorReport) -> None:
        self._show(report)
        self._known.ask()

    def _show(self, report: FilesDoctorReport | None) -> None:
        self.report = report
        self.look.setEnabled(report is not None)
        mendable = bool(report and any(one.repairable and not one.repaired for one in report.findings))
        self.repair.setEnabled(mendable)
        self._show_counts(report.counts if report is not None else [])
        clear(self.findings)
        for finding in report.findings if report is not None else ():
            self.findings.addWidget(self._finding(finding))
        if report is not None:
            level, words = verdict_words(report)
            self.verdict.show_message(level, words, hint=sizes_words(report))  # type: ignore[arg-type]

    def _show_counts(self, counts: list[CollectionCounts]) -> None:
        while (item := self.counts.takeAt(0)) is not None:
            if (old := item.widget()) is not None:
                old.hide()
                old.deleteLater()
        right = Qt.AlignmentFlag.AlignRight
        for place, words in enumerate(HEADS if counts else ()):
            head = Label(self.theme, words, "small", "text2", weight=500)
            head.setToolTip(HELP.get(words, ""))
            self.counts.addWidget(head, 0, place, right if place else Qt.AlignmentFlag.AlignLeft)
        for line, one in enumerate(counts, 1):
            self.counts.addWidget(ElidedLabel(self.theme, one.collection, "ui", weight=500), line, 0)
            for place, (count, agrees) in enumerate(count_cells(one), 1):
                label = Label(self.theme, grouped_digits(count), "ui", "text" if agrees else "danger")
                label.setAccessibleName(f"{one.collection}, {HEADS[place]}: {grouped_digits(count)}")
                label.setAccessibleDescription("" if agrees else "does not agree with the others")
                self.counts.addWidget(label, line, place, right)

    def _finding(self, finding: Finding) -> QWidget:
        holder = QWidget()
        layout = row(holder, gap=10)
        icon, token = ("circle-check", "success") if finding.repaired else ("triangle-alert", "warning")
        layout.addWidget(IconSpot(self.theme, icon, token, 16), 0, Qt.AlignmentFlag.AlignTop)
        words = column(gap=2)
        where = f"{finding.collection}: " if finding.collection else ""
        done = " Repaired." if finding.repaired else ""
        words.addWidget(Label(self.theme, f"{where}{finding.message}{done}", wrap=True))
        for more in (finding.hint, *finding.examples[:EXAMPLES]):
            if more:
                words.addWidget(Label(self.theme, more, "small", "text2", wrap=True))
        rest = len(finding.examples) - EXAMPLES
        if rest > 0:
            words.addWidget(Label(self.theme, f"and {grouped_digits(rest)} more", "small", "text2"))
        layout.addLayout(words, 1)
        return holder

    def _receipts_came(self, receipts: list[Receipt]) -> None:
        clear(self.receipts)
        self._receipts_title.setVisible(bool(receipts))
        for receipt in receipts:
            when = time.strftime("%d %b %Y, %H:%M", time.localtime(receipt.created_at))
            state = "proven" if receipt.proven else "not proven"
            button = Button(
                self.theme,
                f"{when}: {counted(receipt.files, 'file')}, {state}",
                "ghost",
                icon="shield-check",
                small=True,
            )
            button.clicked.connect(partial(self.receipt_asked.emit, receipt))
            line = row()
            line.addWidget(button)
            line.addStretch(1)
            holder = QWidget()
            holder.setLayout(line)
            self.receipts.addWidget(holder)

    def _no_receipts(self, _failure: Failure) -> None:
        self._receipts_title.hide()

    def _refused(self, what: str, failure: Failure) -> None:
        if self.isVisible():
            self.look.setEnabled(True)
            self.verdict.show_message("error", f"{what} did not work: {failure.message}", hint=failure.hint)

    def _connect(self) -> None:
        self._actions.doctor_came.connect(self._came)
        self._actions.refused.connect(self._refused)
        self.look.clicked.connect(self._look_again)
        self.repair.clicked.connect(lambda: self._look(repair=True))
        self.close_button.clicked.connect(self.close_overlay)

    def _lay_out(self) -> None:
        layout = self.panel.content
        head = row(margins=(24, 18, 14, 10), gap=8)
        head.addWidget(Label(self.theme, "Index doctor", "heading"), 1)
        head.addWidget(self.close_button)
        layout.addLayout(head)
        inside = QWidget()
        body = column(inside, margins=(24, 0, 24, 16), gap=14)
        body.addWidget(self.verdict)
        self.counts.setContentsMargins(0, 0, 0, 0)
        self.counts.setHorizontalSpacing(16)
        self.counts.setVerticalSpacing(6)
        self.counts.setColumnStretch(0, 1)
        body.addLayout(self.counts)
        body.addLayout(self.findings)
        body.addWidget(self.checks)
        body.addWidget(self._receipts_title)
        self._receipts_title.hide()
        body.addLayout(self.receipts)
        body.addStretch(1)
        layout.addWidget(make_scroll(QScrollArea(), inside), 1)
        layout.addWidget(Line(self.theme))
        foot = row(margins=(24, 12, 24, 12), gap=8)
        foot.addWidget(self.deep)
        foot.addStretch(1)
        foot.addWidget(self.look)
        foot.addWidget(self.repair)
        layout.addLayout(foot)


def count_cells(one: CollectionCounts) -> list[tuple[int, bool]]:
    """The counts of a collection, and whether each agrees with what it must equal."""
    files = one.on_disk == one.in_database + one.failed
    return [
        (one.on_disk, files),
        (one.in_database, files),
        (one.skipped, True),
        (one.failed, True),
        (one.chunks, True),
        (one.lexical_rows, one.lexical_rows == one.chunks),
        (one.database_vectors, one.database_vectors == one.chunks),
        (one.index_vectors, one.index_vectors == one.chunks),
    ]


def verdict_words(report: FilesDoctorReport) -> tuple[str, str]:
    """A level of a notice, and the outcome in a sentence."""
    left = [one for one in report.findings if not one.repaired]
    took = in_seconds(report.took_ms)
    mended = f" {counted(report.repaired, 'thing')} repaired." if report.repaired else ""
    if report.ok:
        return "success", f"Everything agrees.{mended} Checked in {took}."
    return "warning", f"{counted(len(left), 'finding')}.{mended} Checked in {took}."


def sizes_words(report: FilesDoctorReport) -> str:
    return f"Database {in_bytes(report.database_bytes)}, search index {in_bytes(report.vectors_bytes)}."
