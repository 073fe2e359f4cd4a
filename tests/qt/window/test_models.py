"""From an empty library to a model that answers: drop, import, load, unload, remove, and what goes wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from desktop.qt.shell import MainWindow
from tests.qt.window.conftest import OpenWindow
from tests.qt.window.steps import ask, short_answers, until
from tests.service.running import RunningService


@pytest.fixture
def empty_window(open_window: OpenWindow, bare_service: RunningService) -> MainWindow:
    """The window on a service without models."""

    async def forget_all(client: object) -> None:
        for model in await client.models():  # type: ignore[attr-defined]
            await client.remove_model(model.id)  # type: ignore[attr-defined]

    bare_service.use(forget_all)
    bare_service.paths.window_state.unlink(missing_ok=True)
    return open_window(bare_service.paths)


def drop(target: QWidget, *paths: Path) -> None:
    """Drop files as a file manager does: enter, then drop."""
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    copy, left, none = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    QApplication.sendEvent(target, QDragEnterEvent(QPoint(300, 300), copy, mime, left, none))
    QApplication.sendEvent(target, QDropEvent(QPointF(300, 300), copy, mime, left, none))


def test_without_a_model_the_window_says_what_to_do_next(empty_window: MainWindow) -> None:
    assert empty_window.chat.column.empty.state == "no_model"
    empty_window.chat.column.composer.set_text("Hello?")

    empty_window.chat.column.composer.submit()

    assert "Drop a GGUF file" in empty_window.chat.column.composer._note.text()
    assert empty_window.chat.column.composer.text == "Hello?"
    empty_window.chat.column.composer.set_text("")


def test_a_dropped_file_becomes_a_model_that_answers(
    empty_window: MainWindow, tiny_chat_gguf: Path, qtbot: QtBot
) -> None:
    drop(empty_window, tiny_chat_gguf)

    until(qtbot, lambda: empty_window.chat.conversation.model == "tiny-chat")
    until(qtbot, lambda: empty_window.toasts.toasts)
    assert "ready to chat" in empty_window.toasts.toasts[-1].accessibleName()
    short_answers(empty_window)
    assert ask(empty_window, qtbot, "Hello")
    assert empty_window.store.models["tiny-chat"].loaded
    assert not empty_window.drop_cover.isVisible()

    empty_window.actions_of_models.unload("tiny-chat")
    until(qtbot, lambda: empty_window.store.models["tiny-chat"].state == "unloaded")


def test_a_second_model_is_offered_for_the_chat(
    empty_window: MainWindow, tiny_chat_gguf: Path, tiny_fim_gguf: Path, qtbot: QtBot
) -> None:
    drop(empty_window, tiny_chat_gguf)
    until(qtbot, lambda: empty_window.chat.conversation.model == "tiny-chat")
    until(qtbot, lambda: empty_window.store.models.get("tiny-chat") and empty_window.store.models["tiny-chat"].loaded)

    drop(empty_window, tiny_fim_gguf)

    until(qtbot, lambda: any(toast.action for toast in empty_window.toasts.toasts))
    assert empty_window.chat.conversation.model == "tiny-chat"
    offer = next(toast.action for toast in empty_window.toasts.toasts if toast.action)
    offer.click()
    assert empty_window.chat.conversation.model == "tiny-fim"
    until(qtbot, lambda: empty_window.store.models["tiny-fim"].loaded)
    for model_id in ("tiny-chat", "tiny-fim"):
        empty_window.actions_of_models.unload(model_id)
        until(qtbot, lambda: empty_window.store.models[model_id].state == "unloaded")  # noqa: B023


@pytest.mark.parametrize(
    ("content", "name"), [(b"", "empty.gguf"), (b"not a model at all", "words.txt"), (b"GGUF\x03\0\0\0", "cut.gguf")]
)
def test_a_file_that_is_no_model_is_refused_with_the_reason(
    empty_window: MainWindow, tmp_path: Path, content: bytes, name: str, qtbot: QtBot
) -> None:
    path = tmp_path / name
    path.write_bytes(content)

    drop(empty_window, path)

    until(qtbot, lambda: empty_window.toasts.toasts)
    assert empty_window.toasts.toasts[-1].accessibleName().count(name) == 1
    (notice,) = empty_window.models.notices.shown
    assert notice.accessibleName().count(name) == 1
    assert empty_window.store.models == {}


def test_on_the_page_of_the_models_a_refusal_is_told_once(
    empty_window: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    path = tmp_path / "words.gguf"
    path.write_bytes(b"words")
    empty_window.show_page("models")

    drop(empty_window, path)

    until(qtbot, lambda: empty_window.models.notices.shown)
    assert empty_window.toasts.toasts == ()


def test_models_load_unload_and_leave_with_undo(empty_window: MainWindow, tiny_chat_gguf: Path, qtbot: QtBot) -> None:
    def first_act() -> str:
        card = next((card for card in cards.cards.cards if card.key == "model:tiny-chat"), None)
        return card.acts[0].text if card is not None else ""

    drop(empty_window, tiny_chat_gguf)
    cards = empty_window.models.installed.list
    empty_window.show_page("models")
    until(qtbot, lambda: empty_window.store.models.get("tiny-chat") and empty_window.store.models["tiny-chat"].loaded)
    until(qtbot, lambda: first_act() == "Unload")

    place = cards.act_rect("model:tiny-chat", "unload").center().toPoint()
    qtbot.mouseClick(cards.viewport(), Qt.MouseButton.LeftButton, pos=place)
    until(qtbot, lambda: first_act() == "Load")
    empty_window.actions_of_models.remove("tiny-chat")
    until(qtbot, lambda: not empty_window.store.models)
    until(qtbot, lambda: any(toast.action for toast in empty_window.toasts.toasts))
    next(toast.action for toast in empty_window.toasts.toasts if toast.action).click()

    until(qtbot, lambda: "tiny-chat" in empty_window.store.models)
    assert tiny_chat_gguf.exists()
    until(qtbot, lambda: empty_window.store.models["tiny-chat"].loaded)
    empty_window.actions_of_models.unload("tiny-chat")
    until(qtbot, lambda: empty_window.store.models["tiny-chat"].state == "unloaded")


def test_the_picker_shows_memory_and_takes_a_model_by_keyboard(main_window: MainWindow, qtbot: QtBot) -> None:
    main_window.open_picker()

    card = main_window.picker.cards["tiny-chat"]
    assert main_window.picker.focusWidget() is main_window.picker.search
    qtbot.keyClicks(main_window.picker.search, "nothing like it")
    assert main_window.picker.cards == {}
    main_window.picker.search.clear()
    card = main_window.picker.cards["tiny-chat"]
    card.setFocus()
    qtbot.keyClick(card, Qt.Key.Key_Return)

    assert not main_window.picker.isVisible()
    assert main_window.chat.conversation.model == "tiny-chat"


def test_the_picker_takes_the_first_match_on_enter_and_shows_it_whole(main_window: MainWindow, qtbot: QtBot) -> None:
    picker = main_window.picker
    main_window.open_picker()
    qtbot.keyClicks(picker.search, "tiny")
    card = picker.cards["tiny-chat"]
    qtbot.waitUntil(lambda: card.isVisible() and not card.visibleRegion().isEmpty())

    assert card.visibleRegion().boundingRect() == card.rect()
    qtbot.keyClick(picker.search, Qt.Key.Key_Down)
    assert card.hasFocus()
    qtbot.keyClick(card, Qt.Key.Key_Up)
    assert picker.search.hasFocus()
    qtbot.keyClick(picker.search, Qt.Key.Key_Return)

    assert not picker.isVisible()
    assert main_window.chat.conversation.model == "tiny-chat"
