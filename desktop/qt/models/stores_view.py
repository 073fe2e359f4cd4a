"""On this computer: what other programs have, what is there twice, and what each model takes of the disk."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Signal

from desktop.qt.bridge import Failure
from desktop.qt.components.button import Button
from desktop.qt.components.label import ElidedLabel
from desktop.qt.components.segmented import Segmented
from desktop.qt.figures import in_bytes
from desktop.qt.imports import Imports
from desktop.qt.models.job_actions import JobActions
from desktop.qt.models.known import Known
from desktop.qt.models.merge_dialog import MergeDialog
from desktop.qt.models.page_view import PageView
from desktop.qt.models.store_words import disk_cards, duplicate_cards, found_cards, library_id, unused_models
from desktop.qt.store import Store
from desktop.qt.theme import Theme

if TYPE_CHECKING:
    from desktop.wire import Job

PARTS = ("Models found", "Duplicates", "Disk use")


class StoresView(PageView):
    """`model_asked(id)` leads to a model of the library; `remove_asked(id)` is answered by the window."""

    model_asked = Signal(str)
    remove_asked = Signal(str)

    def __init__(self, theme: Theme, store: Store, known: Known, jobs: JobActions, imports: Imports) -> None:
        super().__init__(theme, "On this computer", "monitor")
        self._store = store
        self._known = known
        self._jobs = jobs
        self._imports = imports
        self._words = ""
        self._scanning = False
        self.part = Segmented(theme, "What of this computer", PARTS)
        self.scan = Button(theme, "Look again", icon="refresh-cw")
        self.use_all = Button(theme, "Use all", icon="check")
        self.head.addWidget(self.part)
        self.state = ElidedLabel(theme, "", "small", "text2")
        self.tools.addWidget(self.state, 1)
        self.tools.addWidget(self.use_all)
        self.tools.addWidget(self.scan)
        self.part.changed.connect(lambda _index: self.refresh())
        self.scan.clicked.connect(self.look)
        self.use_all.clicked.connect(self._use_all)
        self.acted.connect(self._act)
        self.empty_acted.connect(self.look)
        known.stores_changed.connect(self.refresh)
        known.disk_changed.connect(self.refresh)
        known.failed.connect(self._known_failed)
        store.job_changed.connect(self._job_changed)
        self.refresh()

    def set_words(self, words: str) -> None:
        self._words = words
        self.refresh()

    def look(self) -> None:
        """Scan the stores of all programs anew."""
        self._scanning = True
        self._jobs.start("scan", {}, "Looking for models")
        self.refresh()

    def refresh(self) -> None:
        self.scan.setEnabled(not self._scanning)
        self.scan.set_text("Looking…" if self._scanning else "Look again")
        self.use_all.setVisible(self.part.index == 0 and bool(self._unused()))
        (self._show_found, self._show_duplicates, self._show_disk)[self.part.index]()

    # -- parts -------------------------------------------------------------------------------------------------------

    def _show_found(self) -> None:
        report = self._known.stores
        if report is None:
            self.show_loading()
            return
        self.state.setText(f"Looked {_when(report.scanned_at)}" if report.scanned_at else "")
        cards = found_cards(report, self._words)
        if cards:
            self.show_cards(cards)
        elif not report.scanned_at:
            self.show_empty("Ollama, LM Studio and others may have models already. Jackdaw uses them in place.", "Look")
        else:
            self.show_empty("No other program has models on this computer.", "Look again")

    def _show_duplicates(self) -> None:
        report = self._known.stores
        if report is None:
            self.show_loading()
            return
        more = f"{report.unhashed} files of equal size were not compared yet." if report.unhashed else ""
        self.state.setText(more)
        cards = duplicate_cards(report)
        if cards:
            self.show_cards(cards)
        else:
            self.show_empty(
                "No model is on this disk twice." if report.scanned_at else "Nothing was compared yet.", "Look"
            )

    def _show_disk(self) -> None:
        use = self._known.disk
        if use is None:
            self.show_loading()
            return
        partial = f", {in_bytes(use.partial_bytes)} in unfinished downloads" if use.partial_bytes else ""
        self.state.setText(f"{in_bytes(use.used_bytes)} in {use.folder}{partial}, {in_bytes(use.free_bytes)} free")
        cards = disk_cards(use)
        if cards:
            self.show_cards(cards)
        else:
            self.show_empty("No model takes room on this disk.")

    # -- doing -------------------------------------------------------------------------------------------------------

    def _act(self, key: str, act: str) -> None:
        subject = key.partition(":")[2]
        match key.partition(":")[0], act:
            case "found", "use":
                self._imports.start([Path(subject)])
            case "found", "open":
                self._open(subject)
            case "duplicate", "merge":
                self._merge(subject)
            case "disk", "remove":
                self.remove_asked.emit(subject)

    def _unused(self) -> list[Path]:
        report = self._known.stores
        return [Path(model.path) for model in unused_models(report)] if report is not None else []

    def _use_all(self) -> None:
        self._imports.start(self._unused())

    def _open(self, path: str) -> None:
        report = self._known.stores
        found = next((model for model in report.models if model.path == path), None) if report is not None else None
        if report is not None and found is not None and (model_id := library_id(report, found)):
            self.model_asked.emit(model_id)

    def _merge(self, sha256: str) -> None:
        report = self._known.stores
        duplicate = next((d for d in report.duplicates if d.sha256 == sha256), None) if report is not None else None
        if duplicate is None:
            return
        dialog = MergeDialog(self.theme, duplicate, self.window())
        dialog.accepted.connect(
            lambda: self._jobs.start(
                "merge_duplicates", {"sha256": [sha256], "method": duplicate.method}, "Merging duplicates"
            )
        )
        dialog.open()

    def _known_failed(self, failure: Failure) -> None:
        if self._known.stores is None or self._known.disk is None:
            self.show_empty(f"{failure.message} {failure.hint}".strip(), "Look")

    def _job_changed(self, job: Job) -> None:
        if job.kind == "scan":
            self._scanning = job.state in ("pending", "running")
            self.refresh()


def _when(seconds: float) -> str:
    then, now = datetime.fromtimestamp(seconds).astimezone(), datetime.now().astimezone()
    return f"today at {then:%H:%M}" if then.date() == now.date() else f"on {then:%d %b %Y}"
