"""Consent before files of other programs are touched: names every one of them and says what happens to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtWidgets import QScrollArea, QWidget

from desktop.qt.components.dialog import Dialog
from desktop.qt.components.label import Label
from desktop.qt.figures import in_bytes
from desktop.qt.models.store_words import merge_words
from desktop.qt.surface import column, make_scroll
from desktop.qt.theme import Theme

if TYPE_CHECKING:
    from desktop.wire_models import Duplicate

MOST_HEIGHT = 320
WIDTH = 560


class MergeDialog(Dialog):
    """Accepted when the files are to share one copy."""

    def __init__(self, theme: Theme, duplicate: Duplicate, parent: QWidget) -> None:
        title = f"Merge {len(duplicate.paths)} equal files?"
        super().__init__(theme, title, "Files of other programs are changed only now, and only as said here.", parent)
        self.setFixedWidth(theme.px(WIDTH))
        inside = QWidget()
        # A path may be longer than the dialog is wide: it may break anywhere.
        shown = merge_words(duplicate).replace("/", "/\u200b").replace("-", "-\u200b")
        words = Label(theme, shown, "ui", wrap=True)
        words.setAccessibleName(merge_words(duplicate))
        layout = column(inside)
        layout.addWidget(words)
        layout.addStretch(1)
        area = make_scroll(QScrollArea(), inside)
        wanted = words.heightForWidth(theme.px(WIDTH - 60)) + 8
        area.setMinimumHeight(min(wanted, theme.px(MOST_HEIGHT)))
        self.content.addWidget(area)
        self.add_cancel()
        self.add_accept(f"Merge and free {in_bytes(duplicate.wasted_bytes)}", "danger")
        self.finished.connect(self.deleteLater)
