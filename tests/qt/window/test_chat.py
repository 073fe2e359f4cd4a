"""The Chat page on the real service and engine: ask, stop, answer again, branch, keep."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from pytestqt.qtbot import QtBot

from desktop.qt.branches import last_of
from desktop.qt.context_gauge import Room
from desktop.qt.shell import MainWindow
from tests.qt.window.conftest import OpenWindow
from tests.qt.window.steps import ask, begin, short_answers, until
from tests.service.running import RunningService


def test_a_message_is_answered_and_its_chat_stands_in_the_list(main_window: MainWindow, qtbot: QtBot) -> None:
    short_answers(main_window)

    text = ask(main_window, qtbot, "What does the window wait for?")

    assert len(text) > 0
    chat = main_window.chat.conversation
    until(qtbot, lambda: main_window.chat.list.model.index_of(chat.chat_id).isValid())
    until(qtbot, lambda: chat.title.startswith("What does"))
    answer = main_window.chat.column.answer
    assert answer is not None and answer.state == "complete"
    assert answer.usage is not None and answer.usage.completion_tokens == 24
    rows = dict(main_window.chat.inspector.details._shown)
    assert rows["Answer"] == "24 tokens"
    assert rows["Writing speed"].endswith("tok/s")


def test_stop_ends_the_answer_and_keeps_what_was_written(main_window: MainWindow, qtbot: QtBot) -> None:
    short_answers(main_window, 3000)
    chat, composer = main_window.chat.conversation, main_window.chat.column.composer
    seen: list[bool] = []

    def press_escape(*_delta: str) -> None:
        seen.append(composer._stop.isVisible())
        qtbot.keyClick(composer.edit, Qt.Key.Key_Escape)

    chat.delta.connect(press_escape)  # at the first words: the tiny model writes thousands of tokens a second
    begin(main_window, qtbot, "Tell me a long story.")

    until(qtbot, lambda: not chat.busy)
    assert seen[0]
    answer = main_window.chat.column.answer
    assert answer is not None and answer.state == "stopped"
    assert answer.content
    assert not main_window.chat.column.composer._stop.isVisible()


def test_answering_again_makes_a_branch_that_can_be_left_and_found_again(main_window: MainWindow, qtbot: QtBot) -> None:
    short_answers(main_window)
    ask(main_window, qtbot, "First?")
    chat = main_window.chat.conversation
    first = main_window.chat.column.answer

    main_window.commands.run("again")
    until(qtbot, lambda: chat.busy)
    until(qtbot, lambda: not chat.busy)

    second = main_window.chat.column.answer
    assert first is not None and second is not None and first.id != second.id
    assert [(s.index, s.count) for s in chat.branch()] == [(0, 1), (1, 2)]
    main_window.chat.column._branch(second.id, -1)
    assert main_window.chat.column.answer == first
    until(qtbot, lambda: chat.chat is not None and chat.chat.head_id == first.id)


def test_editing_the_last_message_with_up_keeps_both_versions(main_window: MainWindow, qtbot: QtBot) -> None:
    short_answers(main_window)
    ask(main_window, qtbot, "Frist?")
    composer = main_window.chat.column.composer

    qtbot.keyClick(composer.edit, Qt.Key.Key_Up)
    assert composer.text == "Frist?"
    ask(main_window, qtbot, "First?")

    chat = main_window.chat.conversation
    questions = [message.content for message in chat.messages if message.role == "user"]
    assert questions == ["Frist?", "First?"]
    assert next((s.message.content, s.count) for s in chat.branch()) == ("First?", 2)


def test_enter_sends_and_shift_enter_begins_a_line(main_window: MainWindow, qtbot: QtBot) -> None:
    short_answers(main_window)
    edit = main_window.chat.column.composer.edit
    qtbot.keyClicks(edit, "one")
    qtbot.keyClick(edit, Qt.Key.Key_Return, Qt.KeyboardModifier.ShiftModifier)
    qtbot.keyClicks(edit, "two")

    qtbot.keyClick(edit, Qt.Key.Key_Return)

    until(qtbot, lambda: main_window.chat.conversation.messages and not main_window.chat.conversation.busy)
    question = last_of(main_window.chat.conversation.branch(), "user")
    assert question is not None and question.content == "one\ntwo"


def test_a_message_that_does_not_fit_is_said_before_it_is_sent_and_kept(main_window: MainWindow, qtbot: QtBot) -> None:
    short_answers(main_window)
    ask(main_window, qtbot, "Hello")
    composer, gauge = main_window.chat.column.composer, main_window.chat.column.gauge
    until(qtbot, lambda: gauge.room.exact and gauge.room.allocated)
    allocated = gauge.room.allocated
    assert allocated is not None

    composer.set_text("x" * (allocated + 10))  # the tiny model has a token for each byte
    until(qtbot, lambda: not gauge.room.fits)
    composer.submit()

    assert not main_window.chat.conversation.busy
    assert composer.text == "x" * (allocated + 10)
    assert "does not fit" in composer._note.text()
    composer.set_text("")


def test_what_the_service_refuses_comes_back_into_the_composer(main_window: MainWindow, qtbot: QtBot) -> None:
    model = main_window.store.models["tiny-chat"]
    text = "y" * (model.context_length * 2)

    main_window.chat.column.composer.set_text(text)
    main_window.chat.column.gauge.room = Room()
    main_window.chat.column.composer.set_room(Room())
    main_window.chat.conversation.send(text)
    main_window.chat.column.composer.set_text("")

    until(qtbot, lambda: not main_window.chat.conversation.busy)
    answer = main_window.chat.column.answer
    said = answer.error if answer is not None else main_window.chat.column.notice.accessibleName()
    assert "context" in said.lower() or "token" in said.lower()


def test_a_chat_is_found_renamed_pinned_deleted_and_taken_back(main_window: MainWindow, qtbot: QtBot) -> None:
    short_answers(main_window)
    ask(main_window, qtbot, "Where do jackdaws nest in winter?")
    chat_id = main_window.chat.conversation.chat_id
    chats = main_window.chat.list
    until(qtbot, lambda: chats.model.index_of(chat_id).isValid())

    qtbot.keyClicks(chats.search, "jackdaws winter")
    until(qtbot, lambda: chats.model.data(chats.model.index(0)) == "1 chat found")
    chats.search.clear()
    chats.model.setData(chats.model.index_of(chat_id), "Nesting")
    until(qtbot, lambda: any(chat.title == "Nesting" for chat in main_window.store.chats))
    main_window.chat.pin(chat_id, True)
    until(qtbot, lambda: chats.model.data(chats.model.index(0)) == "Pinned")
    main_window.chat.delete(chat_id, "Nesting")
    until(qtbot, lambda: not chats.model.index_of(chat_id).isValid())
    assert main_window.chat.conversation.chat_id == ""

    undo = main_window.toasts.toasts[-1].action
    assert undo is not None
    undo.click()
    until(qtbot, lambda: chats.model.index_of(chat_id).isValid())
    until(qtbot, lambda: len(main_window.chat.conversation.messages) == 2)


def test_parameters_are_kept_with_the_chat_and_only_what_is_set(main_window: MainWindow, qtbot: QtBot) -> None:
    short_answers(main_window, 5)
    ask(main_window, qtbot, "Short, please")
    chat = main_window.chat.conversation
    tab = main_window.chat.inspector.parameters

    tab.fields["top_k"].setText("40")
    tab.fields["temperature"].setText("")
    tab.stops.setPlainText("END\\n")
    tab.system_prompt.setPlainText("Be brief.")
    tab.save()

    def stored() -> tuple[dict[str, object], str]:
        assert chat.chat is not None
        return chat.chat.parameters.model_dump(exclude_none=True), chat.chat.system_prompt

    until(qtbot, lambda: stored()[1] == "Be brief.")
    assert stored()[0] == {"max_tokens": 5, "top_k": 40, "stop": ["END\n"]}
    tab.reset.click()
    until(qtbot, lambda: stored()[0] == {})


def test_a_value_out_of_range_is_told_at_its_field_and_not_saved(main_window: MainWindow, qtbot: QtBot) -> None:
    short_answers(main_window, 5)
    tab = main_window.chat.inspector.parameters

    tab.fields["temperature"].setText("9")
    tab.save()

    assert "0 to 5" in tab.fields["temperature"].error
    assert tab.problem.isVisibleTo(tab)
    assert main_window.chat.conversation.parameters == {"max_tokens": 5, "temperature": 0.0}
    tab.fields["temperature"].setText("")
    tab.save()


def test_the_last_code_block_is_copied(main_window: MainWindow, qtbot: QtBot) -> None:
    short_answers(main_window, 3)
    ask(main_window, qtbot, "Like this:\n\n```python\nprint('caw')\n```\n")

    main_window.commands.run("copy-code")

    assert QGuiApplication.clipboard().text() == "print('caw')"


def test_an_answer_goes_on_while_another_chat_is_read(main_window: MainWindow, qtbot: QtBot) -> None:
    short_answers(main_window, 1500)
    begin(main_window, qtbot, "Go on and on")
    first = main_window.chat.conversation

    main_window.new_chat()
    assert main_window.chat.conversation is not first
    assert first.busy

    until(qtbot, lambda: not first.busy)
    main_window.open_chat(first.chat_id)
    answer = main_window.chat.column.answer
    assert answer is not None and answer.state == "complete"
    assert main_window.chat.conversation is first


def test_the_chat_that_was_open_is_open_again_with_its_branch(
    main_window: MainWindow, open_window: OpenWindow, service: RunningService, qtbot: QtBot
) -> None:
    short_answers(main_window)
    ask(main_window, qtbot, "Remember me")
    chat_id = main_window.chat.conversation.chat_id
    main_window._save_state()

    again = open_window(service.paths)

    until(qtbot, lambda: len(again.chat.conversation.messages) == 2)
    assert again.chat.conversation.chat_id == chat_id


def test_words_are_found_in_the_chat_in_view(main_window: MainWindow, qtbot: QtBot) -> None:
    short_answers(main_window, 3)
    ask(main_window, qtbot, "A raven, and another raven")
    bar = main_window.chat.column.find_bar

    qtbot.keyClick(main_window, Qt.Key.Key_F, Qt.KeyboardModifier.ControlModifier)
    assert bar.isVisible()
    qtbot.keyClicks(bar.field, "RAVEN")
    until(qtbot, lambda: bar.count.text() == "2")
    qtbot.keyClick(bar.field, Qt.Key.Key_Return)
    assert bar.count.text() == "1 of 2"
    qtbot.keyClick(bar.field, Qt.Key.Key_Escape)
    qtbot.keyClick(bar.field, Qt.Key.Key_Escape)

    assert not bar.isVisible()
    assert main_window.chat.column.composer.edit.hasFocus()
