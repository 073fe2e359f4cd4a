"""The page on a real service and a Hub of our own: find, judge, download, use, and what stands in the way."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtGui import QTextDocument
from PySide6.QtWidgets import QApplication, QTextBrowser
from pytestqt.qtbot import QtBot

from desktop.client import Client
from desktop.qt.components.dialog import Dialog
from desktop.qt.models.cards import Card
from desktop.qt.models.page import ModelsPage
from desktop.qt.models.page_view import PageView
from desktop.qt.shell import MainWindow
from tests.fake_hub import FakeHub
from tests.qt.accessible import name_of, too_small, unnamed
from tests.qt.models.conftest import GATED, MANY, TINY, WEIGHTS
from tests.qt.window.steps import until
from tests.service.running import RunningService


def cards(view: PageView, kind: str) -> list[Card]:
    return [card for card in view.list.cards.cards if card.kind == kind]


def search(page: ModelsPage, qtbot: QtBot, words: str) -> None:
    """Ctrl+F, type, and wait for the answer to exactly these words."""
    page.find_models()
    page.discover.search.setText(words)
    until(qtbot, lambda: page.finder.query.words == words.strip() and not page.finder.busy)


def test_from_the_search_to_a_model_that_is_installed(page: ModelsPage, hub: FakeHub, qtbot: QtBot) -> None:
    search(page, qtbot, "Tiny-Chat")
    assert [card.subject for card in cards(page.discover, "repo")] == [TINY]
    qtbot.keyClick(page.discover.search, Qt.Key.Key_Return)  # to the first result, which is chosen by that
    panel = page.inspector.repo
    until(qtbot, lambda: panel.repo is not None and panel.variants.current is not None)
    until(qtbot, lambda: panel.variants.variants.fits)  # judged by its own header
    assert all("range" in seen.headers for seen in hub.seen("cdn", "GET"))

    panel.main.click()

    until(qtbot, lambda: page._store.models)
    until(qtbot, lambda: any(job.state == "done" for job in page._store.jobs.values()))
    (model,) = page._store.models.values()
    assert model.repo == TINY and model.source == "hub"
    until(qtbot, lambda: panel.main.text() == "Use it")
    assert panel.variants.variants.fits  # asked again, it is still judged by its header
    current = page.discover.list.current_card()
    assert current is not None and current.key == f"repo:{TINY}"  # it was the download's while that ran
    until(qtbot, lambda: not [card for card in cards(page.discover, "repo") if card.acts[0].id == "download"])
    page.nav.choose("transfers")
    until(qtbot, lambda: [card.acts[0].id for card in cards(page.transfers, "job") if card.acts] == ["open"])
    page.transfers.list.choose_first()
    qtbot.keyClick(page.transfers.list, Qt.Key.Key_Return)
    assert page.inspector.shows == f"model:{model.id}"


def test_the_inspector_shows_what_is_chosen_in_the_view_in_sight(page: ModelsPage, qtbot: QtBot) -> None:
    search(page, qtbot, "Tiny-Chat")
    page.discover.list.choose_first()
    assert page.inspector.shows == f"repo:{TINY}"

    page.nav.choose("installed")
    assert page.inspector.shows == ""
    page.nav.choose("discover")
    assert page.inspector.shows == f"repo:{TINY}"
    page.discover.search.setFocus()
    search(page, qtbot, "no such model anywhere")
    assert page.inspector.shows == ""


def test_to_come_from_a_list_to_the_search_chooses_nothing(page: ModelsPage, qtbot: QtBot) -> None:
    until(qtbot, lambda: page.known.catalogue_known)
    page.nav.choose("transfers")
    page.transfers.first_focus().setFocus()

    page.nav.choose("discover")

    assert page.discover.search.hasFocus()
    assert page.discover.list.current_card() is None and page.inspector.shows == ""


def test_a_download_waits_and_goes_on_when_told(
    hub_window: MainWindow, page: ModelsPage, hub: FakeHub, qtbot: QtBot
) -> None:
    hub.fault("stall", path="tiny-Q4_K_M.gguf", on="cdn", after=1000)
    page.jobs.download(TINY, "Q4_K_M")
    page.nav.choose("transfers")
    until(qtbot, lambda: [card for card in cards(page.transfers, "job") if card.acts and card.acts[0].id == "pause"])
    key = next(card.key for card in cards(page.transfers, "job") if card.acts and card.acts[0].id == "pause")
    assert page.nav.model.index_of("transfers").data(Qt.ItemDataRole.AccessibleTextRole) == "Transfers, 1"
    assert hub_window.rail._buttons["models"].accessibleDescription() == "Work is running"

    page.transfers.list.choose(key)
    qtbot.keyClick(page.transfers.list, Qt.Key.Key_Return)
    until(qtbot, lambda: page._store.jobs[key.partition(":")[2]].state == "paused")
    hub.mend()
    until(qtbot, lambda: next(c for c in cards(page.transfers, "job") if c.key == key).acts[0].id == "resume")
    qtbot.keyClick(page.transfers.list, Qt.Key.Key_Return)

    until(qtbot, lambda: page._store.jobs[key.partition(":")[2]].state == "done")
    assert [model.repo for model in page._store.models.values()] == [TINY]
    until(qtbot, lambda: not hub_window.rail._buttons["models"].accessibleDescription())


def test_late_answers_to_earlier_words_are_dropped(page: ModelsPage, hub: FakeHub, qtbot: QtBot) -> None:
    hub.fault("silent", path="/api/models", times=1)
    page.find_models()
    page.discover.search.setText("Flock")
    until(qtbot, lambda: hub.seen("hub", "GET", "/api/models"))

    search(page, qtbot, "Locked")
    hub.mend()

    assert [card.subject for card in cards(page.discover, "repo")] == [GATED]
    assert page.finder.query.words == "Locked" and not page.finder.busy


def test_further_pages_come_when_the_end_is_near(page: ModelsPage, qtbot: QtBot) -> None:
    search(page, qtbot, "Flock")
    first = len(page.finder.models)
    assert 0 < first < MANY and page.finder.has_more

    bar = page.discover.list.verticalScrollBar()
    until(qtbot, lambda: bar.maximum() > 1000)
    bar.setValue(bar.maximum())

    until(qtbot, lambda: len(page.finder.models) == MANY)
    assert len({card.key for card in cards(page.discover, "repo")}) == MANY


def test_nothing_found_says_so_and_goes_back(page: ModelsPage, qtbot: QtBot) -> None:
    search(page, qtbot, "no such model anywhere")

    assert page.discover.is_empty
    assert page.discover.empty.accessibleName() == "The Hub has nothing for “no such model anywhere”."
    page.discover.empty.button.click()
    assert page.discover.search.text() == ""


def test_a_hub_that_fails_is_named_and_asked_again(page: ModelsPage, hub: FakeHub, qtbot: QtBot) -> None:
    hub.fault("status", path="/api/models", status=503)
    search(page, qtbot, "Tiny-Chat")
    assert page.discover.is_empty and page.finder.failure is not None
    assert page.finder.failure.message in page.discover.empty.accessibleName()
    hub.mend()

    page.discover.empty.button.click()

    until(qtbot, lambda: [card.subject for card in cards(page.discover, "repo")] == [TINY])


def test_behind_the_air_gap_the_catalogue_stays_and_the_settings_are_offered(
    page: ModelsPage, hub: FakeHub, hub_service: RunningService, qtbot: QtBot
) -> None:
    async def close(client: Client) -> None:
        await client.patch_settings({"air_gapped": True})

    hub_service.use(close)
    asked = len(hub.requests)
    search(page, qtbot, "Tiny-Chat")
    assert page.finder.failure is not None and page.finder.failure.kind == "air_gapped"
    assert page.discover.empty.button.text() == "Open the settings"

    with qtbot.waitSignal(page.settings_asked):
        page.discover.empty.button.click()
    page.window().settings_panel.close_overlay()  # type: ignore[attr-defined]
    page.discover.search.clear()

    until(qtbot, lambda: cards(page.discover, "repo"))
    assert len(hub.requests) == asked


def test_a_gated_model_asks_for_a_token(page: ModelsPage, qtbot: QtBot) -> None:
    page.show_repo(GATED)
    panel = page.inspector.repo
    until(qtbot, lambda: panel.repo is not None)

    assert panel.notice.isVisible() and not panel.main.isEnabled()
    dialog = page.log_in()
    until(qtbot, lambda: page.known.token)
    assert dialog.field.echoMode() == dialog.field.EchoMode.Password
    assert unnamed(dialog) == []
    dialog.reject()


def test_what_cannot_run_here_says_why(page: ModelsPage, qtbot: QtBot) -> None:
    page.show_repo(WEIGHTS)
    panel = page.inspector.repo
    until(qtbot, lambda: panel.repo is not None)

    assert panel.notice.accessibleName() == "Note: There is nothing to run here."
    assert panel.notice.accessibleDescription()
    assert not panel.main.isVisible() and not panel.convert.isVisible()


def test_a_model_card_is_only_read(hub_window: MainWindow, page: ModelsPage, hub: FakeHub, qtbot: QtBot) -> None:
    page.read_card(TINY)
    reader = page.reader
    assert reader is not None
    until(qtbot, lambda: reader.text.isVisible() and reader.text.findChildren(QTextBrowser))

    shown = "".join(browser.toPlainText() for browser in reader.text.findChildren(QTextBrowser) if browser.isVisible())
    assert "Tiny" in shown and "spy" in shown and "license: mit" not in shown
    for browser in reader.text.findChildren(QTextBrowser):
        kind = QTextDocument.ResourceType.ImageResource.value
        assert not browser.loadResource(kind, "https://tracker.example/pixel.png")
    assert name_of(reader.close_button) == "Close" and name_of(reader) == "Model card"
    qtbot.keyClick(QApplication.focusWidget(), Qt.Key.Key_Escape)
    assert not reader.isVisible()


def test_options_of_a_model_answer_at_once_and_are_remembered(
    hub_window: MainWindow, page: ModelsPage, hub_service: RunningService, tiny_chat_gguf: Path, qtbot: QtBot
) -> None:
    page.dropped.emit([tiny_chat_gguf])
    until(qtbot, lambda: "tiny-chat" in page._store.models)
    page.show_model("tiny-chat")
    panel = page.inspector.local.fit
    until(qtbot, lambda: panel.fit is not None)
    asked = panel.asker.asked

    for step in range(len(panel.controls.steps)):
        panel.controls.slider.setValue(step)
    panel.controls.slider.setValue(1)

    wanted = panel.controls.steps[1]
    until(qtbot, lambda: panel.fit is not None and panel.fit.context == wanted)
    assert panel.asker.asked - asked <= 3  # the newest only, however far it moved
    panel.flush()

    async def remembered(client: Client) -> int | None:
        return (await client.model_options("tiny-chat")).context

    until(qtbot, lambda: hub_service.use(remembered) == wanted)
    panel.reset.click()
    panel.flush()
    until(qtbot, lambda: hub_service.use(remembered) is None)
    hub_window.actions_of_models.unload("tiny-chat")  # the chat in view took it as its first model
    until(qtbot, lambda: page._store.models["tiny-chat"].state == "unloaded")


def test_everything_has_a_name_and_is_large_enough(page: ModelsPage, qtbot: QtBot) -> None:
    page.show_repo(TINY)
    until(qtbot, lambda: page.inspector.repo.repo is not None)
    for row in ("installed", "discover", "transfers", "stores"):
        page.nav.choose(row)
        assert unnamed(page) == [], row
        assert too_small(page) == [], row
        assert name_of(page.view)


def test_keys_lead_everywhere(hub_window: MainWindow, page: ModelsPage, qtbot: QtBot) -> None:
    page.nav.choose("installed")
    qtbot.keyClick(hub_window, Qt.Key.Key_F, Qt.KeyboardModifier.ControlModifier)
    assert page.nav.current == "discover" and page.discover.search.hasFocus()

    page.nav.rows.setFocus()
    qtbot.keyClick(page.nav.rows, Qt.Key.Key_Down)
    assert page.views.currentWidget() is page.transfers
    qtbot.keyClick(page.nav.rows, Qt.Key.Key_Down)
    qtbot.keyClick(page.nav.rows, Qt.Key.Key_Down)  # past the heading to the first task
    assert page.nav.current == "task:code" and page.discover.task == "code"
    for title in ("Models: transfers", "Models: installed"):
        hub_window.open_palette()
        qtbot.keyClicks(hub_window.palette_panel.field, title)
        qtbot.keyClick(hub_window.palette_panel.field, Qt.Key.Key_Return)
    assert page.views.currentWidget() is page.installed


def test_in_a_narrow_window_list_and_inspector_take_turns(hub_window: MainWindow, page: ModelsPage) -> None:
    hub_window.resize(960, 600)
    assert not page.nav.isVisible() and not page.inspector.isVisible()

    page.view.list_button.click()
    assert page.nav.isVisible() and not page.view.list_button.isVisible()
    page.view.inspector_button.click()
    assert page.inspector.isVisible() and not page.nav.isVisible()
    hub_window.commands.run("inspector")
    assert not page.inspector.isVisible()
    hub_window.resize(1440, 900)
    assert page.nav.isVisible()


def test_a_checkpoint_that_is_dropped_is_converted_only_after_a_word(
    hub_window: MainWindow, page: ModelsPage, tmp_path: Path, qtbot: QtBot
) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"no weights")
    before = len(page._store.jobs)

    hub_window.import_files([tmp_path])

    until(qtbot, lambda: hub_window.findChildren(Dialog))
    (dialog,) = hub_window.findChildren(Dialog)
    assert dialog.windowTitle() == f"Convert {tmp_path.name} to GGUF?"
    assert len(page._store.jobs) == before
    dialog.accept()
    until(qtbot, lambda: page.notices.shown or any(j.kind == "convert" and j.error for j in page._store.jobs.values()))
