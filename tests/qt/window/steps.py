"""Steps that several tests of the window take."""

from __future__ import annotations

from collections.abc import Callable

from pytestqt.qtbot import QtBot

from desktop.qt.shell import MainWindow

STEP_MS = 60_000  # one step of a test on a machine that does other things too


def until(qtbot: QtBot, condition: Callable[[], object]) -> None:
    """Wait for a condition; the time is only for a machine that is busy with something else."""
    qtbot.waitUntil(lambda: bool(condition()), timeout=STEP_MS)


def begin(window: MainWindow, qtbot: QtBot, text: str) -> None:
    """Type and send a message, and wait until its answer has begun."""
    before = len(window.chat.conversation.messages)
    window.chat.column.composer.set_text(text)
    window.chat.column.composer.submit()
    until(qtbot, lambda: len(window.chat.conversation.messages) > before)


def ask(window: MainWindow, qtbot: QtBot, text: str) -> str:
    """Type and send a message, wait until its answer is complete, and return the answer's text."""
    begin(window, qtbot, text)
    until(qtbot, lambda: not window.chat.conversation.busy)
    answer = window.chat.column.answer
    assert answer is not None
    return answer.content


def short_answers(window: MainWindow, tokens: int = 24) -> None:
    """Let the chat in view answer with so many tokens: the tiny model never ends by itself."""
    window.chat.conversation.patch({"parameters": {"max_tokens": tokens, "temperature": 0.0}})
