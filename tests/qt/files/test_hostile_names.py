"""Names and sentences from files never become markup: rich text would read local files (SECURITY.md)."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from desktop.qt.files.candidates import CandidateModel
from desktop.wire_files import CandidateRow

MARKUP = '<img src="file:///etc/passwd">.md'


@pytest.mark.accept(20)
def test_why_a_candidate_was_dropped_is_told_as_text(qtbot: QtBot) -> None:
    parent = QWidget()
    qtbot.addWidget(parent)
    model = CandidateModel(parent)
    model.rows = [CandidateRow(chunk_id=1, path=MARKUP, start_line=1, end_line=2, why=f"{MARKUP} says the same.")]

    shown = model.data(model.index(0, 0), Qt.ItemDataRole.ToolTipRole)

    assert "<img" not in shown
    assert "&lt;img" in shown
