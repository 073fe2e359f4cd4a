"""Files in a chat on a real service: collections that are asked, sources and their evidence, attached files."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from desktop import wire, wire_files
from desktop.qt.files.page import FilesPage
from desktop.qt.shell import MainWindow
from desktop.qt.transcript.source_chip import SourceChip
from tests.qt.accessible import name_of, too_small, unnamed
from tests.qt.files import samples
from tests.qt.window.steps import ask, short_answers, until
from tests.qt.window.test_models import drop

QUESTION = "What does the blue parrot eat?"
ANSWER = "Text is **flushed** thirty times a second. [1][2] The moon is made of green cheese. It ends [7]."


@pytest.fixture
def chat(files_window: MainWindow, qtbot: QtBot) -> MainWindow:
    """The window on a new chat of the tiny model."""
    window = files_window
    window.show_page("chat")
    window.new_chat()
    until(qtbot, lambda: window.chat.conversation.model == "tiny-chat")
    until(qtbot, lambda: not window.chat.column.composer._blocked)
    short_answers(window, 12)
    return window


def chips(window: MainWindow) -> list[str]:
    return [chip.text for chip in window.chat.column.composer.asked.chips]


def answered(window: MainWindow) -> str:
    """A chat as the service gives it, whose answer cites; the id of the answer."""
    results = samples.an_answer().results[:2]
    sources = [
        wire_files.Source(**{**found.model_dump(), "number": number, "cited": True})
        for number, found in enumerate(results, 1)
    ]
    start = ANSWER.index("The moon")
    end = ANSWER.index("cheese.") + len("cheese.")
    support = [wire_files.SentenceSupport(start=start, end=end, support=0.0, supported=False)]
    question = wire.Message(
        id="q", chat_id="c", parent_id=None, role="user", content="How?", state="complete", created_at=1.0
    )
    answer = wire.Message(
        id="a",
        chat_id="c",
        parent_id="q",
        role="assistant",
        content=ANSWER,
        state="complete",
        created_at=2.0,
        sources=sources,
        support=support,
    )
    conversation = window.chat.conversation
    conversation.messages, conversation.head_id = [question, answer], "a"
    conversation.opened.emit()
    return answer.id


def test_a_collection_that_is_asked_gives_sources_and_their_evidence(
    indexed: FilesPage, chat: MainWindow, folder: Path, qtbot: QtBot
) -> None:
    chat.chat.column.asking.ask_collection(folder.name)
    assert chips(chat) == [folder.name]
    assert chat.chat.inspector.tab == "sources"

    ask(chat, qtbot, QUESTION)

    answer = chat.chat.column.answer
    assert answer is not None and answer.sources[0].path == "parrots.md"
    sources = chat.chat.inspector.sources
    assert sources.list.cards[0].found.path == "parrots.md"
    assert "hazelnuts" in sources.list.cards[0].passage.marked
    chat.chat.inspector.show_tab("why")
    until(qtbot, lambda: chat.chat.inspector.evidence.why)
    chat.chat.inspector.why.open_button.click()
    why = chat.files.over.why
    assert why.isVisible() and why.why is not None
    assert "hazelnuts" in why.report.prompt.toPlainText() and QUESTION in why.report.prompt.toPlainText()
    why.close_overlay()

    chat.chat.column.composer.asked.chips[0].removed.emit()
    until(qtbot, lambda: not chips(chat))
    assert chat.chat.conversation.collections == []


def test_a_chat_keeps_its_collections(indexed: FilesPage, chat: MainWindow, folder: Path, qtbot: QtBot) -> None:
    chat.chat.column.asking.ask_collection(folder.name)
    ask(chat, qtbot, QUESTION)
    chat_id = chat.chat.conversation.chat_id
    chat.new_chat()
    assert chips(chat) == []

    chat.open_chat(chat_id)

    until(qtbot, lambda: chips(chat) == [folder.name])
    names = {action.text(): action.isChecked() for action in chat.chat.column.asking.collections_menu().actions()}
    assert names[f"Ask {folder.name}"] is True


def test_what_is_in_no_file_is_said(indexed: FilesPage, chat: MainWindow, folder: Path, qtbot: QtBot) -> None:
    chat.chat.column.asking.ask_collection(folder.name)

    ask(chat, qtbot, "Which tax applies to imported bicycles in Mongolia?")

    answer = chat.chat.column.answer
    assert answer is not None and not answer.sources
    assert answer.files_note
    row = chat.chat.column.transcript.rows.rows[-1]
    assert row.message.note == answer.files_note


def test_a_dropped_file_is_attached_read_and_given_whole(chat: MainWindow, tmp_path: Path, qtbot: QtBot) -> None:
    note = tmp_path / "plan.md"
    note.write_text("The meeting in Uri begins at 11:40.\n")

    drop(chat, note)

    until(qtbot, lambda: chat.chat.conversation.files)
    assert chips(chat)[0].startswith("plan.md")
    until(qtbot, lambda: chips(chat) == ["plan.md"])
    ask(chat, qtbot, "When does the meeting in Uri begin?")
    answer = chat.chat.column.answer
    assert answer is not None and answer.sources and answer.sources[0].whole
    until(qtbot, lambda: chips(chat) == ["plan.md · given whole"])
    assert chat.chat.inspector.sources.note.text() == answer.files_note
    assert "plan.md" not in {one.name for one in chat.known_files.collections}


def test_a_dropped_model_stays_a_model(chat: MainWindow, tmp_path: Path, qtbot: QtBot) -> None:
    (tmp_path / "cut.gguf").write_bytes(b"GGUF\x03\0\0\0")

    drop(chat, tmp_path / "cut.gguf")

    until(qtbot, lambda: chat.toasts.toasts)
    assert "cut.gguf" in chat.toasts.toasts[-1].accessibleName()
    assert chips(chat) == []


def test_citations_lead_to_their_card(chat: MainWindow, qtbot: QtBot) -> None:
    chat.resize(1440, 900)
    answered(chat)
    transcript = chat.chat.column.transcript
    until(qtbot, lambda: transcript.findChildren(SourceChip))
    shown = [chip for chip in transcript.findChildren(SourceChip) if chip.isVisible()]
    assert [name_of(chip) for chip in shown] == [
        "Source 1: transcript.py, 88–131",
        "Source 2: rendering.md, 12–14",
    ]
    frame = transcript.stage.frames[1]
    prose = frame.widgets[0]
    text = prose.browser.toPlainText()  # type: ignore[attr-defined]
    assert "[7]" in text and "[1]" not in text  # a number without a source stays as it was written
    mark = prose.mapTo(transcript.viewport(), prose.rect_at(text.index("2")).center())
    assert "rendering.md" in transcript.source_at(mark)

    qtbot.mouseClick(transcript.viewport(), Qt.MouseButton.LeftButton, pos=mark)

    sources = chat.chat.inspector.sources
    assert chat.chat.inspector.tab == "sources"
    assert [card.selected for card in sources.list.cards] == [False, True]
    shown[0].click()
    assert [card.selected for card in sources.list.cards] == [True, False]
    assert unnamed(chat.chat.inspector) == [] and too_small(chat.chat.inspector) == []


def test_sentences_without_support_are_marked_on_wish(chat: MainWindow, qtbot: QtBot) -> None:
    answered(chat)
    transcript = chat.chat.column.transcript
    until(qtbot, lambda: 1 in transcript.stage.frames and transcript.stage.frames[1].widgets)
    assert transcript.unsupported_in(1, 0) == []

    chat.chat.inspector.sources.marks.setChecked(True)

    ((start, end),) = transcript.unsupported_in(1, 0)
    prose = transcript.stage.frames[1].widgets[0]
    assert prose.browser.toPlainText()[start:end] == "The moon is made of green cheese."  # type: ignore[attr-defined]
    chat.chat.inspector.sources.marks.setChecked(False)
    assert transcript.unsupported_in(1, 0) == []


def test_the_menus_of_the_composer_are_reached_by_keys(chat: MainWindow, qtbot: QtBot) -> None:
    composer = chat.chat.column.composer
    composer.focus()
    qtbot.keyClick(composer.edit, Qt.Key.Key_Tab)
    seen = {QApplication.focusWidget()}
    for _ in range(3):
        focused = QApplication.focusWidget()
        assert focused is not None
        qtbot.keyClick(focused, Qt.Key.Key_Tab)
        seen.add(QApplication.focusWidget())
    assert {composer.attach, composer.ask_files} <= seen
    assert [action.text() for action in chat.chat.column.asking.attach_menu().actions()] == ["Files…", "A folder…"]
