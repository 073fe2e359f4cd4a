"""The receipt of a removal: what was taken out of the index, and the proof that it is gone."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QGridLayout, QScrollArea, QWidget

from desktop.qt.components.button import Button, IconButton
from desktop.qt.components.label import ElidedLabel, Label
from desktop.qt.components.notice import Notice
from desktop.qt.figures import grouped_digits, in_seconds
from desktop.qt.files.words import counted
from desktop.qt.overlay import Overlay
from desktop.qt.surface import Line, clear, column, make_scroll, row
from desktop.qt.theme import Theme

if TYPE_CHECKING:
    from desktop.wire_files import Receipt

WIDTH = 620
MOST = 200
ITEMS_HEIGHT = 200


class ReceiptPanel(Overlay):
    """Opens with `show_receipt`."""

    def __init__(self, theme: Theme, host: QWidget) -> None:
        super().__init__(theme, host, "Receipt of a removal", dim=True)
        self.receipt: Receipt | None = None
        self.proof = Notice(theme, "success", "")
        self._facts = QGridLayout()
        self._items = column(gap=2)
        self._scroll = QScrollArea()
        self.copy = Button(theme, "Copy", icon="copy")
        self.done = Button(theme, "Close", "primary")
        self.close_button = IconButton(theme, "x", "Close", keys="Esc")
        self._lay_out()
        self.copy.clicked.connect(self._copy)
        self.done.clicked.connect(self.close_overlay)
        self.close_button.clicked.connect(self.close_overlay)

    def show_receipt(self, receipt: Receipt) -> None:
        """Show what was removed, and whether it is proven to be gone."""
        self.receipt = receipt
        level = "success" if receipt.proven else "warning"
        self.proof.show_message(level, receipt.message or proof_words(receipt))  # type: ignore[arg-type]
        self._show_facts(receipt)
        clear(self._items)
        for item in receipt.items[:MOST]:
            self._items.addWidget(ElidedLabel(self.theme, item.file, "small"))
            words = f"{counted(item.chunks, 'chunk')}, {counted(item.vectors, 'vector')}"
            words += f". Kept: {item.kept_because}" if item.kept_because else ""
            self._items.addWidget(Label(self.theme, words, "small", "text2"))
        if len(receipt.items) > MOST:
            rest = f"and {counted(len(receipt.items) - MOST, 'file')} more"
            self._items.addWidget(Label(self.theme, rest, "small", "text2"))
        self.open_centered(WIDTH)

    def focus_first(self) -> QWidget | None:
        return self.done

    def _show_facts(self, receipt: Receipt) -> None:
        while (item := self._facts.takeAt(0)) is not None:
            if (old := item.widget()) is not None:
                old.hide()
                old.deleteLater()
        for line, (name, value) in enumerate(receipt_rows(receipt)):
            self._facts.addWidget(Label(self.theme, name, "ui", "text2"), line, 0, Qt.AlignmentFlag.AlignTop)
            self._facts.addWidget(Label(self.theme, value, wrap=True), line, 1)

    def _copy(self) -> None:
        if self.receipt is not None:
            QGuiApplication.clipboard().setText(receipt_text(self.receipt))

    def _lay_out(self) -> None:
        layout = self.panel.content
        head = row(margins=(24, 18, 14, 10), gap=8)
        head.addWidget(Label(self.theme, "Removed from the index", "heading"), 1)
        head.addWidget(self.close_button)
        layout.addLayout(head)
        body = column(margins=(24, 0, 24, 16), gap=12)
        body.addWidget(self.proof)
        self._facts.setContentsMargins(0, 0, 0, 0)
        self._facts.setHorizontalSpacing(16)
        self._facts.setVerticalSpacing(4)
        self._facts.setColumnStretch(1, 1)
        body.addLayout(self._facts)
        inside = QWidget()
        items = column(inside, margins=(0, 0, 8, 0))
        items.addLayout(self._items)
        items.addStretch(1)
        make_scroll(self._scroll, inside)
        self._scroll.setFixedHeight(self.theme.px(ITEMS_HEIGHT))
        self._scroll.setAccessibleName("Files that were removed")
        self._scroll.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        body.addWidget(self._scroll)
        layout.addLayout(body)
        layout.addWidget(Line(self.theme))
        foot = row(margins=(24, 12, 24, 12), gap=8)
        foot.addWidget(self.copy)
        foot.addStretch(1)
        foot.addWidget(self.done)
        layout.addLayout(foot)


def proof_words(receipt: Receipt) -> str:
    """The outcome in a sentence."""
    if receipt.proven:
        return "Gone: neither a search nor the bytes of the database files hold any of it."
    return "Not proven: some of it was still found. The doctor can repair the index."


def receipt_rows(receipt: Receipt) -> list[tuple[str, str]]:
    """What the receipt counts."""
    counts = (counted(receipt.files, "file"), counted(receipt.chunks, "chunk"), counted(receipt.vectors, "vector"))
    return [
        ("Removed", ", ".join(counts)),
        ("Found by search", grouped_digits(receipt.found_by_search)),
        (
            "Found in bytes",
            f"{grouped_digits(receipt.found_in_bytes)} of {counted(receipt.probes, 'text')} looked for in "
            f"{counted(len(receipt.files_checked), 'file')} of the index",
        ),
        ("Took", in_seconds(receipt.took_ms)),
        ("When", time.strftime("%d %b %Y, %H:%M:%S", time.localtime(receipt.created_at))),
        ("Number", receipt.id),
    ]


def receipt_text(receipt: Receipt) -> str:
    """All of it as plain text, for keeping."""
    lines = [receipt.message or proof_words(receipt), *(f"{name}: {value}" for name, value in receipt_rows(receipt))]
    lines += [f"{item.file}: {counted(item.chunks, 'chunk')}" for item in receipt.items]
    return "\n".join([*lines, "Looked through:", *receipt.files_checked])
