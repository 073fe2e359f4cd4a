"""What opens over the window for files; each is made when it is first asked for."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QWidget

from desktop.qt.bridge import Bridge
from desktop.qt.components.dialog import Dialog
from desktop.qt.files.actions import FileActions
from desktop.qt.files.collection_sheet import CollectionSheet
from desktop.qt.files.doctor_panel import DoctorPanel
from desktop.qt.files.known import KnownFiles
from desktop.qt.files.plan_sheet import PlanSheet
from desktop.qt.files.preview import PreviewPanel
from desktop.qt.files.receipt_panel import ReceiptPanel
from desktop.qt.files.why_panel import WhyPanel
from desktop.qt.files.words import counted
from desktop.qt.theme import Theme

if TYPE_CHECKING:
    from pathlib import Path

    from desktop.wire_files import Collection, Receipt

REMOVE_WORDS = (
    "Its text, chunks and vectors are taken out of the index, and a receipt proves that they are gone. "
    "The files themselves are not touched."
)


class FilesOver(QObject):
    """The overlays of files, over the window that `page` belongs to."""

    def __init__(self, theme: Theme, page: QWidget, bridge: Bridge, known: KnownFiles, actions: FileActions) -> None:
        super().__init__(page)
        self._theme = theme
        self._page = page
        self._bridge = bridge
        self._known = known
        self._actions = actions
        actions.removed.connect(self._show_receipt)

    @cached_property
    def plan(self) -> PlanSheet:
        """What a drop will read."""
        sheet = PlanSheet(self._theme, self._page.window(), self._bridge, self._known)
        sheet.new_asked.connect(self._new)
        sheet.add_asked.connect(self._actions.add_to)
        return sheet

    @cached_property
    def sheet(self) -> CollectionSheet:
        """Name, rules, embedder and folders of a collection."""
        return CollectionSheet(self._theme, self._page.window(), self._bridge, self._known, self._actions)

    @cached_property
    def preview(self) -> PreviewPanel:
        """A file's text around a passage."""
        panel = PreviewPanel(self._theme, self._page.window(), self._bridge)
        panel.open_asked.connect(self._actions.open_file)
        return panel

    @cached_property
    def why(self) -> WhyPanel:
        """Why these passages and not others."""
        panel = WhyPanel(self._theme, self._page.window(), self._bridge)
        panel.preview_asked.connect(self.preview.show_result)
        return panel

    @cached_property
    def doctor(self) -> DoctorPanel:
        """Whether the stores of the index agree."""
        panel = DoctorPanel(self._theme, self._page.window(), self._bridge, self._known, self._actions)
        panel.receipt_asked.connect(self._show_receipt)
        return panel

    @cached_property
    def receipt(self) -> ReceiptPanel:
        """What was removed, and the proof."""
        return ReceiptPanel(self._theme, self._page.window())

    def ask_to_remove(self, collection: Collection) -> Dialog:
        """Take a collection out of the index after a word."""
        held = f"{counted(collection.files, 'file')} and {counted(collection.chunks, 'chunk')}. {REMOVE_WORDS}"
        dialog = Dialog(self._theme, f"Remove {collection.name} from the index?", held, self._page.window())
        dialog.finished.connect(dialog.deleteLater)
        dialog.add_cancel()
        dialog.add_accept("Remove", "danger")
        dialog.accepted.connect(lambda: self._actions.remove_collection(collection))
        dialog.open()
        return dialog

    def _show_receipt(self, receipt: Receipt) -> None:
        self.receipt.show_receipt(receipt)

    def _new(self, name: str, paths: list[Path], rules: dict[str, Any], local_only: bool) -> None:
        self._actions.new_collection(name, paths, rules, local_only=local_only)
