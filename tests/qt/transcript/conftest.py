"""A transcript in a window, and ways to wait for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from PySide6.QtCore import QEvent, QThreadPool
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from desktop.qt.theme import Theme
from desktop.qt.transcript.view import TranscriptMessage, TranscriptView


@pytest.fixture
def view(qtbot: QtBot, theme: Theme) -> Iterator[TranscriptView]:
    transcript = TranscriptView(theme)
    transcript.resize(800, 600)
    with qtbot.waitExposed(transcript):
        transcript.show()
    yield transcript
    QThreadPool.globalInstance().waitForDone()
    transcript.close()
    transcript.deleteLater()
    QApplication.sendPostedEvents(transcript, QEvent.Type.DeferredDelete)


@pytest.fixture
def settled(qtbot: QtBot, view: TranscriptView) -> Callable[[], None]:
    """Wait until everything fed is shown and nothing in view is left to be split."""

    def wait() -> None:
        def quiet() -> None:
            assert not view.busy
            assert all(row.complete for row in (view.rows.rows[i] for i in view.stage.frames))

        qtbot.waitUntil(quiet, timeout=20_000)

    return wait


def user(number: int, text: str = "A question?") -> TranscriptMessage:
    return TranscriptMessage(f"u{number}", "user", text)


def answer(number: int, text: str, **more: object) -> TranscriptMessage:
    return TranscriptMessage(f"a{number}", "assistant", text, model="Test 1B", **more)  # type: ignore[arg-type]
