"""The client thread: order, batches, cancelling, coming back after the service was lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from PySide6.QtCore import QObject, QThread
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from desktop.client import ServiceUnreachable
from desktop.qt.bridge import Bridge, Failure, Link, explain
from desktop.wire import Event


class Line:
    """Stands where a client of the service stands: events until `broken` is set, on the bridge's own loop."""

    def __init__(self) -> None:
        self.broken = asyncio.Event()
        self.told_to_stop = False
        self.closed = False
        self.since: list[int | None] = []

    async def events(self, since: int | None = None) -> AsyncIterator[Event]:
        self.since.append(since)
        yield Event(id=7, type="reset", data={})
        await self.broken.wait()
        if self.told_to_stop:
            yield Event(id=8, type="service", data={"action": "stopping"})
        raise ServiceUnreachable("The service ended the event stream.")

    async def aclose(self) -> None:
        self.closed = True

    async def double(self, number: int) -> int:
        await asyncio.sleep(0)
        return 2 * number

    async def count(self, to: int) -> AsyncIterator[int]:
        for number in range(to):
            yield number


class Setup:
    def __init__(self) -> None:
        self.lines: list[Line] = []
        self.refusals = 0
        self.started_elsewhere = False
        self.links: list[Link] = []
        self.bridge = Bridge(self.connect, self.find)  # type: ignore[arg-type]
        self.bridge.link_changed.connect(self.links.append)

    async def find(self) -> Line:
        if not self.started_elsewhere:
            raise ServiceUnreachable("No Jackdaw service is running.")
        return await self.connect()

    async def connect(self) -> Line:
        if self.refusals:
            self.refusals -= 1
            raise ServiceUnreachable("No Jackdaw service is running.")
        self.lines.append(Line())
        return self.lines[-1]

    def phases(self) -> list[str]:
        return [link.phase for link in self.links]


@pytest.fixture
def setup(qapp: QApplication) -> Iterator[Setup]:
    made = Setup()
    yield made
    made.bridge.close()


def test_calls_made_before_the_start_are_answered_on_the_main_thread(setup: Setup, qtbot: QtBot) -> None:
    answers: list[tuple[int, QThread]] = []

    setup.bridge.call(lambda line: line.double(21), lambda n: answers.append((n, QThread.currentThread())))  # type: ignore[attr-defined]
    setup.bridge.start()

    qtbot.waitUntil(lambda: bool(answers))
    assert answers == [(42, QApplication.instance().thread())]  # type: ignore[union-attr]


def test_a_stream_arrives_in_order_in_few_batches_and_ends_once(setup: Setup, qtbot: QtBot) -> None:
    batches: list[list[int]] = []
    ends: list[Failure | None] = []

    setup.bridge.start()
    setup.bridge.stream(lambda line: line.count(5_000), batches.append, ends.append)  # type: ignore[attr-defined]

    qtbot.waitUntil(lambda: bool(ends))
    assert [n for batch in batches for n in batch] == list(range(5_000))
    assert len(batches) < 500
    assert ends == [None]


def test_nothing_of_a_cancelled_call_or_for_an_owner_that_is_gone_is_delivered(setup: Setup, qtbot: QtBot) -> None:
    answers: list[str] = []
    owner = QObject()
    setup.bridge.call(lambda line: line.double(1), lambda _n: answers.append("gone"), owner=owner)  # type: ignore[attr-defined]
    call = setup.bridge.call(lambda line: line.double(1), lambda _n: answers.append("cancelled"))  # type: ignore[attr-defined]
    call.cancel()
    owner.deleteLater()
    qtbot.waitUntil(lambda: True)
    setup.bridge.start()

    setup.bridge.call(lambda line: line.double(1), lambda _n: answers.append("kept"))  # type: ignore[attr-defined]

    qtbot.waitUntil(lambda: "kept" in answers)
    assert answers == ["kept"]


def test_a_failure_is_a_sentence_with_a_next_step(setup: Setup, qtbot: QtBot) -> None:
    failures: list[Failure] = []

    async def refuse(_line: Any) -> None:
        raise ServiceUnreachable("Nobody is there.", hint="Start it.")

    setup.bridge.start()
    setup.bridge.call(refuse, None, failures.append)

    qtbot.waitUntil(lambda: bool(failures))
    assert (failures[0].kind, failures[0].message, failures[0].hint) == (
        "service_unreachable",
        "Nobody is there.",
        "Start it.",
    )


def test_a_lost_service_is_found_again_and_events_resume(setup: Setup, qtbot: QtBot) -> None:
    setup.bridge.start()
    qtbot.waitUntil(lambda: setup.phases() == ["online"])
    setup.refusals = 1

    setup.bridge.call(lambda line: _break(line))

    qtbot.waitUntil(lambda: setup.phases().count("online") == 2, timeout=10_000)
    assert setup.phases() == ["online", "lost", "lost", "online"]
    assert setup.lines[0].closed
    assert (setup.lines[0].since, setup.lines[1].since) == ([0], [7])


def test_a_service_that_was_stopped_stays_so_until_it_is_asked_for(setup: Setup, qtbot: QtBot) -> None:
    failures: list[Failure] = []
    setup.bridge.start()
    qtbot.waitUntil(lambda: setup.phases() == ["online"])

    setup.bridge.call(_stop)
    qtbot.waitUntil(lambda: setup.phases() == ["online", "stopped"])
    setup.bridge.call(lambda line: line.double(1), None, failures.append)  # type: ignore[attr-defined]
    qtbot.waitUntil(lambda: bool(failures))
    assert "stopped" in failures[0].message
    assert len(setup.lines) == 1

    setup.bridge.retry()
    qtbot.waitUntil(lambda: setup.phases() == ["online", "stopped", "starting", "online"])
    assert len(setup.lines) == 2


def test_a_service_that_was_stopped_and_started_elsewhere_is_found(setup: Setup, qtbot: QtBot) -> None:
    setup.bridge.start()
    setup.bridge.call(_stop)
    qtbot.waitUntil(lambda: setup.phases() == ["online", "stopped"])

    setup.started_elsewhere = True

    qtbot.waitUntil(lambda: setup.phases() == ["online", "stopped", "online"], timeout=10_000)


def test_while_there_is_no_service_the_reason_is_told_and_tried_again(setup: Setup, qtbot: QtBot) -> None:
    setup.refusals = 3

    setup.bridge.start()

    qtbot.waitUntil(lambda: "online" in setup.phases(), timeout=10_000)
    assert setup.phases() == ["lost", "failed", "failed", "online"]
    assert setup.links[1].failure is not None
    assert setup.links[1].failure.message == "No Jackdaw service is running."


def test_output_of_a_program_is_kept_apart_from_the_sentence() -> None:
    failure = explain(ServiceUnreachable("It did not start. It said: Traceback\n  File x\nOSError"))

    assert failure.message == "It did not start. It said: Traceback"
    assert "OSError" in failure.details["output"]


def test_a_bug_is_logged_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    failure = explain(ZeroDivisionError("x"))

    assert failure.kind == "bug"
    assert "ZeroDivisionError" in failure.message
    assert caplog.records[0].exc_info is not None


async def _stop(line: Any) -> None:
    line.told_to_stop = True
    line.broken.set()


async def _break(line: Any) -> None:
    line.broken.set()
