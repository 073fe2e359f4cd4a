"""The Files page on a real service: drop, plan, index, look, search, preview, why, check; problems; keys."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QTextBrowser, QTextEdit
from pytestqt.qtbot import QtBot

from desktop.client import Client
from desktop.qt.components.button import IconButton
from desktop.qt.components.dialog import Dialog
from desktop.qt.files.nav import FilesNav
from desktop.qt.files.page import FilesPage
from desktop.qt.files.table_model import Column
from desktop.qt.shell import MainWindow
from desktop.qt.theme import Theme
from desktop.wire_files import Check, IndexStatus
from tests.qt.accessible import too_small, unnamed
from tests.qt.files.conftest import PARROTS
from tests.qt.window.steps import until
from tests.qt.window.test_models import drop
from tests.service.running import RunningService

CONTROL = Qt.KeyboardModifier.ControlModifier
QUESTION = "What does the blue parrot eat?"


def search(page: FilesPage, qtbot: QtBot, words: str) -> None:
    """Type, press Enter, and wait for the answer to exactly these words."""
    panel = page.panel
    panel.field.setText(words)
    qtbot.keyClick(panel.field, Qt.Key.Key_Return)
    until(qtbot, lambda: not panel.retrieval.busy and panel.retrieval.shown.query == words)
    assert panel.retrieval.failure is None


def states(page: FilesPage) -> dict[str, str]:
    return {row.path: row.state for row in page.view.files.rows}


def test_from_a_drop_to_a_check(
    files_window: MainWindow, page: FilesPage, folder: Path, files_service: RunningService, qtbot: QtBot
) -> None:
    drop(files_window, folder)
    sheet = page.over.plan
    assert sheet.isVisible()
    until(qtbot, lambda: sheet.plan is not None)
    assert sheet.plan is not None and sheet.plan.reasons["secret"] == 1
    assert any("May hold keys" in words for words in sheet.report.words)
    sheet.target.choose(0)
    assert sheet.name.text() == folder.name
    qtbot.keyClick(sheet.start, Qt.Key.Key_Return)

    until(qtbot, lambda: page.collection is not None and page.collection.name == folder.name)
    until(qtbot, lambda: states(page).get("parrots.md") == "indexed")
    until(qtbot, lambda: states(page).get("broken.pdf") == "failed")
    assert states(page)[".env"] == "skipped"
    until(qtbot, lambda: page.collection is not None and page.collection.state == "ready")
    assert not page.view.progress.isVisible()
    until(qtbot, lambda: page.view.header.chip.text == "Watching for changes")

    search(page, qtbot, QUESTION)
    card = page.panel.results.cards[0]
    assert card.found.path == "parrots.md"
    assert "hazelnuts" in card.passage.marked
    qtbot.keyClick(page.panel.field, Qt.Key.Key_Return)  # once more: to the first result
    qtbot.keyClick(QApplication.focusWidget(), Qt.Key.Key_Space)
    preview = page.over.preview
    until(qtbot, lambda: "hazelnuts" in preview.text.marked)
    assert preview.text.toPlainText() == PARROTS.rstrip()
    qtbot.keyClick(preview.text, Qt.Key.Key_Escape)
    assert not preview.isVisible()

    page.panel.why.click()
    why = page.over.why
    until(qtbot, lambda: why.why is not None)
    rows = why.report.table.candidates.rows
    assert rows[0].path == "parrots.md" and rows[0].final_rank == 1
    assert {stage.name for stage in why.why.stages} >= {"lexical", "dense", "fuse"}  # type: ignore[union-attr]
    why.settings.mode.set_index(2)
    why.settings.run.click()
    until(qtbot, lambda: why.why is not None and not why.busy and why.why.dense_weight == 0.0)
    why.settings.save.click()
    until(qtbot, lambda: why.notice.isVisible())

    async def checks(client: Client) -> list[Check]:
        return [check for check in await client.checks() if check.collection == folder.name]

    (check,) = files_service.use(checks)
    assert check.query == QUESTION and check.settings["mode"] == "lexical"
    assert check.expected[0].startswith("parrots.md:")
    why.close_overlay()
    page.act("doctor")
    box = page.over.doctor.checks
    until(qtbot, lambda: [one.query for one in box.checks] == [QUESTION])
    box.run.click()
    until(qtbot, lambda: box.checks[0].passed)
    page.over.doctor.close_overlay()

    failing = page.view.header.failing
    assert not failing.isVisible()
    (folder / "parrots.md").unlink()
    until(qtbot, lambda: failing.isVisible() and failing.text() == "1 check fails")
    failing.click()
    until(qtbot, lambda: box.isVisible() and box.checks[0].passed is False)
    forget = box.findChildren(IconButton)[-1]
    until(qtbot, forget.isVisible)
    forget.click()
    until(qtbot, lambda: not box.isVisible())
    until(qtbot, lambda: not failing.isVisible())
    page.over.doctor.close_overlay()


def test_what_is_left_out_follows_the_rules_before_anything_is_read(
    page: FilesPage, folder: Path, qtbot: QtBot
) -> None:
    page.take([folder])
    sheet = page.over.plan
    until(qtbot, lambda: sheet.plan is not None)
    assert sheet.plan is not None
    before = sheet.plan.files

    sheet.rules.toggles["secrets"].setChecked(True)
    sheet.rules.exclude.setPlainText("*.py\n")

    until(qtbot, lambda: sheet.plan is not None and sheet.plan.reasons.get("secret", 0) == 0)
    until(qtbot, lambda: sheet.plan is not None and ".py" not in sheet.plan.kinds)
    assert sheet.plan.files == before  # one more, one less
    assert sheet.rules.rules["exclude"] == ["*.py"]
    sheet.close_overlay()
    assert folder.name not in {one.name for one in page.known.collections}


def test_problems_are_listed_with_their_reason_and_read_again_on_wish(
    indexed: FilesPage, folder: Path, qtbot: QtBot
) -> None:
    view = indexed.view
    view.kind.set_index(1)
    until(qtbot, lambda: list(states(indexed)) == ["broken.pdf"])
    view.table.choose_first()
    assert view.facts.isVisible()
    assert view.facts.message.text()
    assert view.facts.retry.isVisible() and not view.facts.preview.isVisible()

    (folder / "broken.pdf").unlink()
    (folder / "broken.txt").write_text("A file that can be read after all.\n")
    view.facts.retry.click()

    until(qtbot, lambda: view.files.known and not view.files.rows)
    view.kind.set_index(0)
    until(qtbot, lambda: states(indexed).get("broken.txt") == "indexed")


def test_a_saved_file_is_found_without_a_word(indexed: FilesPage, folder: Path, qtbot: QtBot) -> None:
    (folder / "owls.md").write_text("The owl of Chur carries a lantern called Mizpelglow.\n")

    until(qtbot, lambda: states(indexed).get("owls.md") == "indexed")
    search(indexed, qtbot, "Mizpelglow")
    assert indexed.panel.results.cards[0].found.path == "owls.md"


def test_many_files_come_page_by_page(page: FilesPage, tmp_path: Path, qtbot: QtBot) -> None:
    made = tmp_path / f"many-{tmp_path.name}"
    made.mkdir()
    for number in range(230):
        (made / f"n{number:03}.md").write_text(f"Note {number % 3}.\n")  # three contents: little to embed
    page.actions_of_files.new_collection(made.name, [made], {})
    until(qtbot, lambda: page.collection is not None and page.collection.name == made.name)
    until(qtbot, lambda: page.collection is not None and page.collection.state == "ready")
    until(qtbot, lambda: page.view.count.text() == "the first 200 of 230")

    page.view.table.choose_first()
    qtbot.keyClick(page.view.table, Qt.Key.Key_End)

    until(qtbot, lambda: page.view.model.rowCount() == 230)
    assert page.view.count.text() == "230 files"
    assert len({row.path for row in page.view.files.rows}) == 230


def test_files_can_be_filtered_by_name_and_are_spoken(indexed: FilesPage, qtbot: QtBot) -> None:
    view = indexed.view
    view.filter.setText("aviary")
    until(qtbot, lambda: list(states(indexed)) == ["src/aviary.py"])

    spoken = view.model.data(view.model.index(0, 0), Qt.ItemDataRole.AccessibleTextRole)

    assert spoken.startswith("aviary.py, src/aviary.py, ") and spoken.endswith("Indexed")
    assert view.model.headerData(Column.SIZE, Qt.Orientation.Horizontal) == "Size"
    view.filter.setText("nothing is called so")
    until(qtbot, lambda: view.files.known and not view.files.rows)
    assert "nothing is called so" in view.empty.accessibleName()


def test_a_collection_is_renamed_paused_and_kept_here(indexed: FilesPage, folder: Path, qtbot: QtBot) -> None:
    header = indexed.view.header
    acts = {action.objectName() for action in header.menu().actions()}
    assert acts >= {"rename", "settings", "folders", "pause", "watch", "local_only", "doctor", "remove"}

    indexed.act("rename")
    sheet = indexed.over.sheet
    assert QApplication.focusWidget() is sheet.name
    sheet.name.setText(f"{folder.name}-2")
    sheet.local_only.setChecked(True)
    assert sheet.changes() == {"name": f"{folder.name}-2", "local_only": True}
    sheet.save.click()
    until(qtbot, lambda: header.name.text() == f"{folder.name}-2" and header.local.isVisible())
    assert not sheet.isVisible()

    indexed.act("pause")
    until(qtbot, lambda: header.chip.text == "Paused")
    indexed.act("pause")
    until(qtbot, lambda: header.chip.text == "Watching for changes")


def test_a_name_that_is_taken_is_refused_where_it_was_typed(indexed: FilesPage, tmp_path: Path, qtbot: QtBot) -> None:
    collection = indexed.collection
    assert collection is not None
    indexed.actions_of_files.new_collection(f"{collection.name}-other", [tmp_path], {})
    until(qtbot, lambda: indexed.known.named(f"{collection.name}-other"))
    until(qtbot, lambda: indexed.collection is not None and indexed.collection.id != collection.id)

    indexed.act("rename")
    indexed.over.sheet.name.setText(collection.name)
    indexed.over.sheet.save.click()

    until(qtbot, lambda: indexed.over.sheet.problem.isVisible())
    assert collection.name in indexed.over.sheet.problem.text()
    indexed.over.sheet.close_overlay()


def test_the_text_of_files_is_never_read_as_markup(page: FilesPage, tmp_path: Path, qtbot: QtBot) -> None:
    hostile = "<img src='file:///etc/passwd'><script>alert(1)</script> ![x](http://x.example/p.png) Quorble\u202e\x07"
    made = tmp_path / f"hostile-{tmp_path.name}"
    made.mkdir()
    (made / "<b>bold.md").write_text(hostile)
    page.actions_of_files.new_collection(made.name, [made], {})
    until(qtbot, lambda: page.collection is not None and page.collection.name == made.name)
    until(qtbot, lambda: "indexed" in states(page).values())

    search(page, qtbot, "Quorble")
    card = page.panel.results.cards[0]
    assert "<script>alert(1)</script>" in card.passage.text and "\x07" not in card.passage.text
    card.preview_asked.emit(card.found)
    until(qtbot, lambda: "<script>" in page.over.preview.text.toPlainText())

    assert not page.over.preview.findChildren(QTextBrowser) and not page.over.preview.findChildren(QTextEdit)
    page.over.preview.close_overlay()


@pytest.mark.parametrize("wide", [True, False])
def test_every_control_has_a_name_and_a_size(
    files_window: MainWindow, indexed: FilesPage, qtbot: QtBot, wide: bool
) -> None:
    files_window.resize(1440 if wide else 960, 900 if wide else 600)
    search(indexed, qtbot, QUESTION)
    indexed.panel.results.choose(1)
    indexed.view.table.choose_first()
    assert unnamed(files_window) == []
    assert too_small(indexed) == []
    for overlay in (indexed.over.sheet, indexed.over.why):
        if overlay is indexed.over.sheet:
            indexed.act("settings")
        else:
            indexed.panel.why.click()
            until(qtbot, lambda: indexed.over.why.why is not None)
        assert unnamed(overlay) == []
        assert too_small(overlay) == []
        overlay.close_overlay()


def test_keys_lead_through_the_page(files_window: MainWindow, indexed: FilesPage, qtbot: QtBot) -> None:
    indexed.nav.rows.setFocus()
    seen = []
    for _ in range(5):
        files_window.next_area()
        seen.append(QApplication.focusWidget())
    assert seen[:2] == [indexed.view.table, indexed.panel.field]
    assert seen[4] is indexed.nav.rows

    qtbot.keyClick(files_window, Qt.Key.Key_F, CONTROL)
    assert QApplication.focusWidget() is indexed.panel.field
    search(indexed, qtbot, "aviary")
    qtbot.keyClick(indexed.panel.field, Qt.Key.Key_Down)
    first = indexed.panel.results.cards[0]
    assert first.hasFocus() and first.selected
    if len(indexed.panel.results.cards) > 1:
        qtbot.keyClick(first, Qt.Key.Key_Down)
        assert indexed.panel.results.cards[1].hasFocus() and not first.selected


def test_list_and_results_fold_in_a_narrow_window(files_window: MainWindow, page: FilesPage) -> None:
    files_window.resize(1440, 900)
    assert page.nav.isVisible() and page.panel.isVisible()
    files_window.resize(1200, 800)
    assert page.nav.isVisible() and not page.panel.isVisible()
    assert page.view.header.inspector_button.isVisible()
    files_window.resize(960, 600)
    assert not page.nav.isVisible() and files_window.width() == 960
    page.find_in_files()
    assert page.panel.isVisible()


def test_removing_a_collection_shows_the_proof(indexed: FilesPage, folder: Path, qtbot: QtBot) -> None:
    indexed.nav.rows.setFocus()
    qtbot.keyClick(indexed.nav.rows, Qt.Key.Key_Delete)
    dialog = QApplication.activeModalWidget()
    assert isinstance(dialog, Dialog)

    dialog.accept()

    receipt = indexed.over.receipt
    until(qtbot, lambda: receipt.isVisible() and receipt.receipt is not None)
    assert receipt.receipt is not None and receipt.receipt.proven
    assert receipt.receipt.files >= 2 and receipt.receipt.found_in_bytes == 0
    assert (folder / "parrots.md").exists()
    receipt.done.click()
    until(qtbot, lambda: indexed.known.named(folder.name) is None)


def test_the_doctor_counts_what_must_agree(indexed: FilesPage, folder: Path, qtbot: QtBot) -> None:
    indexed.act("doctor")
    doctor = indexed.over.doctor

    until(qtbot, lambda: doctor.report is not None)

    assert doctor.report is not None
    (counts,) = [one for one in doctor.report.counts if one.collection == folder.name]
    assert counts.chunks == counts.lexical_rows == counts.database_vectors == counts.index_vectors
    assert counts.failed == 1
    assert doctor.look.isEnabled()
    doctor.close_overlay()


def test_what_is_wrong_with_the_index_as_a_whole_stands_below_the_collections(theme: Theme, qtbot: QtBot) -> None:
    nav = FilesNav(theme)
    qtbot.addWidget(nav)
    nav.show()
    sound = IndexStatus(
        collections=1, files=1, chunks=1, vectors=1, database_bytes=1, vectors_bytes=1, embedder_name="", runtime=""
    )
    nav.show_status(sound)
    assert not nav.problem.isVisible()
    nav.show_status(sound.model_copy(update={"problem": "The index was <b>damaged</b>."}))
    assert nav.problem.isVisible() and nav.problem.text() == "The index was <b>damaged</b>."
    assert nav.problem.textFormat() == Qt.TextFormat.PlainText
    nav.show_status(sound)
    assert not nav.problem.isVisible()
