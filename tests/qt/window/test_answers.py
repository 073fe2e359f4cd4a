"""What the window makes of answers that are known beforehand: Markdown, thoughts, cut off, empty, killed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QAbstractButton
from pytestqt.qtbot import QtBot

from desktop.client import Client
from desktop.paths import Paths
from desktop.qt.components.notice import Notice
from desktop.qt.shell import MainWindow
from desktop.qt.transcript.code import CodeBlock
from desktop.qt.transcript.reasoning import ThoughtBlock
from tests.qt.window.conftest import OpenWindow
from tests.qt.window.scripted_model import write_scripted_model
from tests.qt.window.steps import ask, begin, short_answers, until
from tests.service.running import RunningService, running

MARKDOWN = """Two `ways` to **count** words:

| Way | Cost |
|---|---:|
| split | low |

```python
def count(text: str) -> int:
    return len(text.split())
```

Both \U0001f99c and \u0627\u0644\u0639\u0631\u0628\u064a\u0629 are words."""
THOUGHT = "<think>\nThe user wants a number. Nothing else fits.\n</think>\n\nIt is **42**."


@pytest.fixture
def scripted(main_window: MainWindow, service: RunningService, tmp_path: Path, qtbot: QtBot) -> Iterator[Scripted]:
    made = Scripted(main_window, service, tmp_path, qtbot)
    yield made
    made.forget()


class Scripted:
    """Gives the window models that answer as a test wants."""

    def __init__(self, window: MainWindow, service: RunningService, folder: Path, qtbot: QtBot) -> None:
        self._window, self._service, self._folder, self._qtbot = window, service, folder, qtbot
        self._ids: list[str] = []

    def answers(self, text: str, *, context: int = 4096) -> None:
        """Let the chat in view be answered with this text."""
        path = self._folder / f"scripted-{len(self._ids)}.gguf"
        write_scripted_model(path, text, name="The Scripted One", context=context)

        async def give(client: Client) -> str:
            model = await client.import_model(path)
            await client.load_model(model.id)
            return model.id

        model_id = self._service.use(give)
        self._ids.append(model_id)
        until(self._qtbot, lambda: model_id in self._window.store.models and self._window.store.models[model_id].loaded)
        self._window.chat.take_model(model_id)

    def forget(self) -> None:
        async def remove(client: Client) -> None:
            for model_id in self._ids:
                await client.unload_model(model_id)
                await client.remove_model(model_id)

        self._service.use(remove)


def shown_notice(window: MainWindow) -> Notice | None:
    notices = window.chat.column.transcript.findChildren(Notice)
    return next((notice for notice in notices if notice.isVisible()), None)


def test_an_answer_is_shown_as_markdown_under_the_name_of_its_model(
    main_window: MainWindow, scripted: Scripted, qtbot: QtBot
) -> None:
    scripted.answers(MARKDOWN)

    assert ask(main_window, qtbot, "How do I count words?") == MARKDOWN

    transcript = main_window.chat.column.transcript
    until(qtbot, lambda: not transcript.busy)
    assert transcript.stage.frames[1].accessibleName() == "The Scripted One"
    (code,) = transcript.findChildren(CodeBlock)
    copy = next(b for b in code.findChildren(QAbstractButton) if b.accessibleName().startswith("Copy"))
    copy.click()
    assert QGuiApplication.clipboard().text().startswith("def count(text: str)")
    assert shown_notice(main_window) is None


def test_thoughts_are_folded_and_open_on_request(main_window: MainWindow, scripted: Scripted, qtbot: QtBot) -> None:
    scripted.answers(THOUGHT)

    assert ask(main_window, qtbot, "Which number?") == "It is **42**."

    answer = main_window.chat.column.answer
    assert answer is not None and "wants a number" in answer.reasoning
    transcript = main_window.chat.column.transcript
    until(qtbot, lambda: not transcript.busy and transcript.findChildren(ThoughtBlock))
    (block,) = transcript.findChildren(ThoughtBlock)
    folded = block.height()
    next(b for b in block.findChildren(QAbstractButton) if b.isVisible()).click()
    until(qtbot, lambda: block.height() > folded)


def test_an_answer_cut_off_by_the_context_says_so_and_what_to_do_next(
    main_window: MainWindow, scripted: Scripted, qtbot: QtBot
) -> None:
    scripted.answers(" ".join(f"word{number}" for number in range(600)), context=256)

    ask(main_window, qtbot, "Go on")

    until(qtbot, lambda: shown_notice(main_window))
    notice = shown_notice(main_window)
    assert notice is not None and "context is full" in notice.accessibleName()
    composer = main_window.chat.column.composer
    until(qtbot, lambda: composer._note.text().startswith("The context is full"))

    main_window.new_chat()
    assert not composer._note.isVisibleTo(composer)


def test_an_earlier_message_can_be_edited_although_the_context_is_full(
    main_window: MainWindow, scripted: Scripted, qtbot: QtBot
) -> None:
    scripted.answers(" ".join(f"word{number}" for number in range(600)), context=256)
    ask(main_window, qtbot, "Go on and on")
    column = main_window.chat.column
    until(qtbot, lambda: not column.gauge.room.fits)

    column.edit_last()
    column.composer.set_text("Go on")
    until(qtbot, lambda: column.gauge.room.fits)
    column.composer.submit()

    assert main_window.chat.conversation.busy
    until(qtbot, lambda: not main_window.chat.conversation.busy)
    assert [shown.count for shown in main_window.chat.conversation.branch()] == [2, 1]


def test_an_answer_that_ends_at_the_length_set_for_the_chat_says_so(
    main_window: MainWindow, scripted: Scripted, qtbot: QtBot
) -> None:
    scripted.answers("one two three four five six seven")
    short_answers(main_window, 3)

    assert ask(main_window, qtbot, "Count").split() == ["one", "two", "three"]

    until(qtbot, lambda: shown_notice(main_window))
    notice = shown_notice(main_window)
    assert notice is not None and "allows 3 tokens" in notice.accessibleName()


def test_an_empty_answer_is_not_taken_for_one_that_is_missing(
    main_window: MainWindow, scripted: Scripted, qtbot: QtBot
) -> None:
    scripted.answers("  ")

    ask(main_window, qtbot, "Say nothing")

    until(qtbot, lambda: shown_notice(main_window))
    notice = shown_notice(main_window)
    assert notice is not None and "empty answer" in notice.accessibleName()


def test_an_engine_killed_while_it_writes_leaves_a_notice_whose_retry_works(
    home: Paths, engine_bin: Path, tiny_chat_gguf: Path, open_window: OpenWindow, qtbot: QtBot
) -> None:
    with running(home, environ={"JACKDAW_ENGINE": os.fspath(engine_bin)}) as service:
        service.use(lambda client: client.import_model(tiny_chat_gguf))
        window = open_window(home)
        short_answers(window, 3500)
        chat = window.chat.conversation

        def kill(*_delta: str) -> None:
            chat.delta.disconnect(kill)
            (engine,) = service.children()
            engine.kill()

        chat.delta.connect(kill)
        begin(window, qtbot, "Tell me everything")

        until(qtbot, lambda: not chat.busy)
        until(qtbot, lambda: shown_notice(window))
        notice = shown_notice(window)
        assert notice is not None and "SIGKILL" in notice.accessibleName()
        short_answers(window, 8)
        notice.action_clicked.emit()
        until(qtbot, lambda: chat.busy)
        until(qtbot, lambda: not chat.busy)
        answer = window.chat.column.answer
        assert answer is not None and answer.state == "complete"
        window._bridge.close()
