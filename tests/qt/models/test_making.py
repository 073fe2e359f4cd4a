"""The panel "Quantize and measure" on a real service: opened by keys, followed to its end, and stopped halfway."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QFileDialog, QLabel
from pytestqt.qtbot import QtBot

from desktop.client import Client
from desktop.qt.models.page import ModelsPage
from desktop.qt.quantize.panel import QuantizePanel
from desktop.qt.shell import MainWindow
from tests.qt.accessible import too_small, unnamed
from tests.qt.window.steps import until
from tests.service.running import RunningService


@pytest.fixture
def panel(
    hub_window: MainWindow, page: ModelsPage, hub_service: RunningService, tiny_chat_gguf: Path, qtbot: QtBot
) -> QuantizePanel:
    """Opened for the tiny model of 16 bits, its rows there."""

    async def take_in(client: Client) -> None:
        await client.import_model(tiny_chat_gguf)

    hub_service.use(take_in)
    until(qtbot, lambda: "tiny-chat" in page._store.models)
    page.quantize_requested.emit("tiny-chat")
    panel = hub_window.findChild(QuantizePanel)
    assert panel is not None
    until(qtbot, lambda: panel.rows.rows)
    return panel


def test_keys_choose_types_and_start_and_the_chart_fills(panel: QuantizePanel, page: ModelsPage, qtbot: QtBot) -> None:
    first = panel.rows.rows[0]
    assert QApplication.focusWidget() is first
    assert not unnamed(panel) and not too_small(panel)
    panel.rows.choose(())
    assert panel._cost.text() == "Choose at least one type." and not panel.start.isEnabled()

    qtbot.keyClick(first, Qt.Key.Key_Space)
    panel.prompts.setPlainText("Say hello")
    panel.imatrix.set_index(1)
    panel.start.setFocus()
    qtbot.keyClick(panel.start, Qt.Key.Key_Space)

    until(qtbot, lambda: [job for job in page._store.jobs.values() if job.kind == "quantize" and job.state == "done"])
    until(qtbot, lambda: panel.rows.rows[0].made)
    made = next(model for model in page._store.models.values() if model.source_model == "tiny-chat")
    assert made.quant == first.kind.name
    assert not panel.rows.rows[0].isEnabled()
    until(qtbot, lambda: [point.model_id for point in panel.results.chart.points] == [made.id])
    until(qtbot, lambda: "Say hello" in [label.text() for label in panel.results.findChildren(QLabel)])
    until(qtbot, lambda: [job for job in page._store.jobs.values() if job.kind == "measure" and job.state == "done"])
    until(qtbot, lambda: panel._work.isHidden() and panel.measure_only.isEnabled())


def test_what_is_cancelled_leaves_no_model(panel: QuantizePanel, page: ModelsPage, qtbot: QtBot) -> None:
    before = set(page._store.models)
    panel.ladder.click()
    panel.start.click()
    until(qtbot, lambda: panel._work.job is not None and panel._work.job.state == "running")
    job_id = panel._work.job.id if panel._work.job is not None else ""

    panel._work.cancel.click()

    until(qtbot, lambda: page._store.jobs[job_id].state == "cancelled")
    until(qtbot, lambda: panel.start.isEnabled())
    assert set(page._store.models) == before
    qtbot.keyClick(QApplication.focusWidget(), Qt.Key.Key_Escape)
    assert not panel.isVisible()


def test_without_a_text_of_ones_own_the_neutral_one_stays(
    hub_window: MainWindow, panel: QuantizePanel, qtbot: QtBot
) -> None:
    panel.imatrix.set_index(2)
    until(qtbot, lambda: hub_window.findChildren(QFileDialog))
    (dialog,) = hub_window.findChildren(QFileDialog)

    dialog.reject()

    assert panel.imatrix.index == 0 and panel.choice.imatrix == "neutral"
