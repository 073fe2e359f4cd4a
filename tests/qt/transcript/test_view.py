"""The transcript as its reader meets it: following, staying, selecting, searching, moving, being read aloud."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QAccessible, QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QPlainTextEdit, QPushButton, QTextBrowser, QWidget
from pytestqt.qtbot import QtBot

from desktop.qt.theme import Theme
from desktop.qt.transcript.code import CodeBlock
from desktop.qt.transcript.messages import Source
from desktop.qt.transcript.piece_widget import PieceWidget
from desktop.qt.transcript.pieces import Code, Prose, piece_text
from desktop.qt.transcript.prose import ProseBlock
from desktop.qt.transcript.view import TranscriptMessage, TranscriptView
from tests.qt.transcript.conftest import answer, user

Settled = Callable[[], None]
RICH = """# Title

A paragraph with `code`, **bold** and a [link](https://example.com/full/path).

- one
- two

```python
x = 1
```

| a | b |
|---|--:|
| cell | 2 |

> quoted

$$x^2$$

Last 𝒜 words.
"""


def conversation(count: int) -> list[TranscriptMessage]:
    made: list[TranscriptMessage] = []
    for number in range(count):
        made += [user(number, f"Question {number}"), answer(number, f"Answer {number}.\n\n" + "Some words. " * 60)]
    return made


def widgets(view: TranscriptView, kind: type[PieceWidget]) -> list[PieceWidget]:
    return [w for _, inside in view.stage.in_reading_order() for w in inside if isinstance(w, kind)]


def center(view: TranscriptView, widget: QWidget) -> QPoint:
    return widget.mapTo(view.viewport(), widget.rect().center())


def y_of(view: TranscriptView, message_id: str) -> int:
    return view.stage.frames[view.rows.find(message_id)].y()


def scroll(view: TranscriptView, value: int) -> None:
    view.verticalScrollBar().setValue(value)


# What is shown


def test_widgets_hold_exactly_the_text_of_their_pieces(view: TranscriptView, settled: Settled) -> None:
    view.resize(800, 1400)
    view.set_messages([answer(1, RICH)])
    settled()
    shown = {type(part.piece).__name__ for part in view.rows.rows[0].parts}
    assert shown == {"Prose", "Code", "Table", "Formula"}
    for number, part in enumerate(view.rows.rows[0].parts):
        widget = view.stage.frames[0].widgets[number]
        if isinstance(widget, ProseBlock):
            assert widget.browser.toPlainText().replace("\xa0", " ") == piece_text(part.piece)
        if isinstance(widget, CodeBlock):
            assert widget.edit.toPlainText() == piece_text(part.piece)


def test_only_what_is_in_view_has_widgets(view: TranscriptView, settled: Settled) -> None:
    view.set_messages(conversation(500))
    settled()
    assert len(view.stage.frames) < 12
    for step in range(40):
        scroll(view, view.verticalScrollBar().maximum() * step // 40)
    settled()
    assert len(view.stage.frames) < 12
    assert len(view.viewport().findChildren(ProseBlock)) < 80


def test_it_opens_at_the_end_and_the_estimate_is_near_the_truth(view: TranscriptView, settled: Settled) -> None:
    view.set_messages(conversation(60))
    settled()
    guessed = view.rows.total
    assert view.at_end
    assert view.verticalScrollBar().value() == view.verticalScrollBar().maximum()
    for row in range(len(view.rows)):
        view.scroll_to(row)
    settled()
    assert view.rows.total == pytest.approx(guessed, rel=0.15)


def test_the_guess_of_very_many_is_that_of_few(view: TranscriptView, settled: Settled) -> None:
    view.set_messages(conversation(100))
    settled()
    few = view.rows.total
    view.set_messages([replace(message, id=f"{n}-{message.id}") for n in range(30) for message in conversation(100)])
    settled()
    assert view.rows.total == pytest.approx(30 * few, rel=0.1)


def test_measured_heights_above_do_not_move_what_is_read(view: TranscriptView, settled: Settled) -> None:
    view.set_messages(conversation(200))
    settled()
    scroll(view, view.verticalScrollBar().maximum() // 2)
    settled()
    for _ in range(60):
        index = sorted(view.stage.frames)[len(view.stage.frames) // 2]
        message_id = view.rows.rows[index].message.id
        before, value = y_of(view, message_id), view.verticalScrollBar().value()
        scroll(view, value - 30)
        settled()
        assert y_of(view, message_id) == before + 30


def test_a_narrower_window_keeps_the_place(view: TranscriptView, settled: Settled) -> None:
    view.set_messages(conversation(100))
    settled()
    view.scroll_to(80)
    settled()
    before = y_of(view, view.rows.rows[80].message.id)
    view.resize(500, 600)
    settled()
    assert y_of(view, view.rows.rows[80].message.id) == pytest.approx(before, abs=40)


def test_a_switch_of_theme_or_zoom_measures_again(view: TranscriptView, theme: Theme, settled: Settled) -> None:
    view.set_messages([answer(1, RICH)])
    settled()
    height = view.rows.total
    theme.set_mode("dark")
    settled()
    assert view.rows.total == height
    theme.set_zoom(160)
    settled()
    assert view.rows.total > height * 1.3
    theme.set_zoom(100)
    settled()
    assert view.rows.total == height


# Streaming


def test_an_answer_streams_into_its_blocks(view: TranscriptView, settled: Settled) -> None:
    view.set_messages([user(1)])
    view.begin_answer(answer(1, ""))
    for position in range(0, len(RICH), 7):
        view.feed("a1", RICH[position : position + 7])
    view.finish(answer(1, RICH, completion_tokens=50))
    settled()
    whole = TranscriptView(view.theme)
    whole.resize(view.size())
    whole.rows.set_width(view.rows.width, 1.0, 20)
    whole.set_messages([user(1), answer(1, RICH)])
    whole.stage.read_all(whole.rows.rows[1])
    assert [part.piece for part in view.rows.rows[1].parts] == [part.piece for part in whole.rows.rows[1].parts]
    whole.deleteLater()


def test_closed_blocks_keep_their_widgets_while_more_comes(view: TranscriptView, settled: Settled) -> None:
    view.begin_answer(answer(1, ""))
    view.feed("a1", "First paragraph.\n\nSecond one.\n\nThi")
    settled()
    frame = view.stage.frames[0]
    first, document = frame.widgets[0], frame.widgets[0].findChild(QTextBrowser).document().revision()  # type: ignore[union-attr]
    for word in ("rd ", "**with** ", "more", "\n\nand fourth"):
        view.feed("a1", word)
        settled()
    assert frame.widgets[0] is first
    assert first.findChild(QTextBrowser).document().revision() == document  # type: ignore[union-attr]


def test_the_end_is_followed_until_the_reader_goes_up(qtbot: QtBot, view: TranscriptView, settled: Settled) -> None:
    view.set_messages(conversation(20))
    view.begin_answer(answer(99, ""))
    view.feed("a99", "line\n\n" * 30)
    settled()
    assert view.at_end and view.verticalScrollBar().value() == view.verticalScrollBar().maximum()
    with qtbot.waitSignal(view.at_end_changed):
        scroll(view, view.verticalScrollBar().value() - 40)
    value = view.verticalScrollBar().value()
    view.feed("a99", "more\n\n" * 30)
    settled()
    assert view.verticalScrollBar().value() == value
    assert view.new_text.isVisible()
    QTest.mouseClick(view.new_text, Qt.MouseButton.LeftButton)
    assert view.at_end and not view.new_text.isVisible()
    assert view.verticalScrollBar().value() == view.verticalScrollBar().maximum()


def test_the_wheel_stops_following_at_once(view: TranscriptView, settled: Settled) -> None:
    view.set_messages(conversation(20))
    settled()
    QTest.wheelEvent(view.windowHandle(), QPoint(400, 300), QPoint(0, 120))
    assert not view.at_end


def test_text_for_another_conversation_is_ignored(view: TranscriptView, settled: Settled) -> None:
    view.set_messages([user(1)])
    view.feed("gone", "text")
    view.feed_reasoning("gone", "text")
    view.finish(answer(7, "text"))
    settled()
    assert len(view.rows) == 1


def test_what_is_stored_takes_the_place_of_what_was_fed(view: TranscriptView, settled: Settled) -> None:
    view.begin_answer(answer(1, ""))
    view.feed("a1", "Half of")
    view.finish(answer(1, "Another text."))
    settled()
    assert [piece_text(part.piece) for part in view.rows.rows[0].parts] == ["Another text."]


def test_links_defined_at_the_end_become_links_when_the_answer_ends(view: TranscriptView, settled: Settled) -> None:
    text = "See [the docs][d].\n\nMore.\n\n[d]: https://example.com/docs\n"
    view.begin_answer(answer(1, ""))
    view.feed("a1", text)
    settled()
    view.finish(answer(1, text))
    settled()
    (piece, _) = [part.piece for part in view.rows.rows[0].parts]
    assert isinstance(piece, Prose)
    assert [span.href for span in piece.paras[0].spans if span.href] == ["https://example.com/docs"]


def test_the_end_of_an_answer_is_announced_once(qtbot: QtBot, view: TranscriptView, settled: Settled) -> None:
    said: list[str] = []
    view.answer_finished.connect(said.append)
    view.begin_answer(answer(1, ""))
    view.feed("a1", "three little words")
    settled()
    assert said == []
    view.finish(answer(1, "three little words"))
    settled()
    assert said == ["Answer finished, 3 words"]


@pytest.mark.parametrize(
    ("state", "words"), [("failed", "It broke."), ("interrupted", "The answer was interrupted before it was finished.")]
)
def test_a_failed_answer_offers_to_try_again(
    qtbot: QtBot, view: TranscriptView, settled: Settled, state: str, words: str
) -> None:
    view.begin_answer(answer(1, ""))
    view.feed("a1", "Half")
    view.finish(answer(1, "Half", state=state, error="It broke." if state == "failed" else "", hint="Try less."))
    settled()
    frame = view.stage.frames[0]
    assert words in [label.text() for label in frame.findChildren(QWidget) if hasattr(label, "text")]
    retry = next(b for b in frame.findChildren(QPushButton) if b.accessibleName() == "Retry" and b.isVisible())
    with qtbot.waitSignal(view.regenerate_requested) as blocker:
        retry.click()
    assert blocker.args == ["a1"]


def test_thoughts_are_folded_and_open(qtbot: QtBot, view: TranscriptView, settled: Settled) -> None:
    view.begin_answer(answer(1, ""))
    view.feed_reasoning("a1", "I think\nthat")
    settled()
    thought = view.stage.frames[0].widgets[0]
    button = thought.findChild(QPushButton)
    assert button is not None and button.accessibleName() == "Thinking…"
    folded = thought.height()
    button.click()
    settled()
    assert thought.height() > folded
    assert thought.findChild(QTextBrowser).toPlainText() == "I think\nthat"  # type: ignore[union-attr]
    view.finish(answer(1, "Done.", reasoning="I think\nthat", reasoning_s=75.0))
    settled()
    assert button.accessibleName() == "Thought for 1 min 15 s"


# Selection


def drag(view: TranscriptView, begin: QPoint, end: QPoint) -> None:
    QTest.mousePress(view.viewport(), Qt.MouseButton.LeftButton, pos=begin)
    QTest.mouseMove(view.viewport(), (begin + end) / 2)
    QTest.mouseMove(view.viewport(), end)
    QTest.mouseRelease(view.viewport(), Qt.MouseButton.LeftButton, pos=end)


def test_a_drag_selects_across_messages(view: TranscriptView, settled: Settled) -> None:
    view.set_messages([user(1, "First message"), answer(1, "Second message\n\n```\ncode\n```\n"), user(2, "Third one")])
    settled()
    prose = widgets(view, ProseBlock)
    begin, end = center(view, prose[0]), prose[-1].mapTo(view.viewport(), QPoint(0, 5))
    begin = prose[0].mapTo(view.viewport(), QPoint(4, 5))
    drag(view, begin, end + QPoint(10_000, 0))
    assert view.selected_text() == "First message\n\nSecond message\n\ncode\n\nThird one"
    drag(view, end + QPoint(10_000, 0), begin)
    assert view.selected_text() == "First message\n\nSecond message\n\ncode\n\nThird one"
    QTest.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=begin)
    assert view.selected_text() == ""


def test_shift_click_and_double_click(view: TranscriptView, settled: Settled) -> None:
    view.set_messages([answer(1, "alpha beta gamma\n\ndelta epsilon")])
    settled()
    first, second = widgets(view, ProseBlock)
    point = first.mapTo(view.viewport(), first.rect_at(7).center())
    QTest.mouseDClick(view.viewport(), Qt.MouseButton.LeftButton, pos=point)
    assert view.selected_text() == "beta"
    QTest.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=first.mapTo(view.viewport(), QPoint(2, 5)))
    far = second.mapTo(view.viewport(), QPoint(700, 10))
    QTest.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ShiftModifier, far)
    assert view.selected_text() == "alpha beta gamma\n\ndelta epsilon"


def test_a_drag_below_the_edge_scrolls_on(qtbot: QtBot, view: TranscriptView, settled: Settled) -> None:
    view.set_messages(conversation(30))
    settled()
    scroll(view, 0)
    settled()
    QTest.mousePress(view.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(100, 100))
    QTest.mouseMove(view.viewport(), QPoint(300, 660))
    qtbot.waitUntil(lambda: view.verticalScrollBar().value() > 900)
    QTest.mouseRelease(view.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(300, 660))
    value = view.verticalScrollBar().value()
    assert view.selected_text().startswith("Answer 0.")
    assert "Question 2" in view.selected_text()
    settled()
    assert view.verticalScrollBar().value() == value


def test_all_is_copied_past_the_screen_as_text_and_as_markdown(view: TranscriptView, settled: Settled) -> None:
    messages = [user(0, "Hello"), *conversation(40)[1:], answer(99, "- a **b**\n- c `d`\n")]
    view.set_messages(messages)
    settled()
    view.setFocus()
    QTest.keyClick(view, Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
    QTest.keyClick(view, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    text = QGuiApplication.clipboard().text()
    assert text.startswith("Hello\n\nAnswer 0.") and text.endswith("• a b\n• c d")
    assert all(f"Question {n}\n" in text for n in range(1, 40))
    both = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
    QTest.keyClick(view, Qt.Key.Key_C, both)
    assert QGuiApplication.clipboard().text() == "\n\n".join(message.content.strip("\n") for message in messages)


def test_markdown_of_a_part_is_that_of_the_blocks_it_touches(view: TranscriptView, settled: Settled) -> None:
    view.set_messages([answer(1, "One **bold**.\n\nTwo `code` [x](https://a.example).\n\nThree.")])
    settled()
    view._set_selection((0, 1, 1), (0, 1, 3))
    assert view.selected_text() == "wo"
    assert view.selected_markdown() == "Two `code` [x](https://a.example)."


def test_the_last_code_block_is_copied(view: TranscriptView, settled: Settled) -> None:
    view.set_messages(
        [answer(1, "```\nold\n```"), answer(2, "1. Do\n   ```sh\n   make new\n   ```\n"), user(3, "thanks")]
    )
    settled()
    assert view.copy_last_code()
    assert QGuiApplication.clipboard().text() == "make new"
    view.set_messages([user(1, "no code here")])
    assert not view.copy_last_code()


# Search


def test_find_counts_marks_and_goes_round(qtbot: QtBot, view: TranscriptView, settled: Settled) -> None:
    messages = conversation(60)
    messages[5] = answer(2, "A **need**le in bold, a NEEDLE in capitals.")
    messages[101] = answer(50, "```\nneedle = 1\n```")
    view.set_messages(messages)
    settled()
    view.find_text("needle")
    qtbot.waitUntil(lambda: view._finding is not None and view._finding.done)
    assert len(view._finding.matches) == 3  # type: ignore[union-attr]
    scroll(view, 0)
    assert [view.find_next() for _ in range(4)] == [0, 1, 2, 0]
    assert view.rows.find("a2") in view.stage.frames
    assert view.find_previous() == 2
    assert isinstance(view.stage.frames[101].widgets[0], CodeBlock)
    edit = view.stage.frames[101].widgets[0].findChild(QPlainTextEdit)
    assert edit is not None and len(edit.extraSelections()) == 1
    view.clear_find()
    assert edit.extraSelections() == []
    assert view.find_next() == -1


# Keys


def test_alt_up_and_down_move_from_message_to_message(view: TranscriptView, settled: Settled) -> None:
    view.set_messages(conversation(30))
    settled()
    view.activateWindow()
    view.scroll_to(10)
    settled()
    view.setFocus()
    seen = []
    for key in (Qt.Key.Key_Down, Qt.Key.Key_Down, Qt.Key.Key_Up):
        QTest.keyClick(view.window().focusWidget() or view, key, Qt.KeyboardModifier.AltModifier)
        settled()
        seen.append(view._focused_row())
    assert seen[1] == seen[0] + 1 and seen[2] == seen[0]  # type: ignore[operator]
    QTest.keyClick(view, Qt.Key.Key_End)
    assert view.at_end


# Accessibility


def test_frames_are_named_by_who_speaks_and_every_control_has_a_name(view: TranscriptView, settled: Settled) -> None:
    view.set_messages([user(1), answer(1, RICH, created_at=1.7e9, branch_count=2)])
    view.resize(800, 1600)
    settled()
    assert [frame.accessibleName() for frame, _ in view.stage.in_reading_order()] == ["You", "Test 1B"]
    for button in view.viewport().findChildren(QPushButton):
        if button.isVisible():
            assert button.accessibleName(), button
    texts = [
        QAccessible.queryAccessibleInterface(browser).text(QAccessible.Text.Value)
        for browser in view.viewport().findChildren(QTextBrowser)
        if browser.isVisible()
    ]
    assert any("A paragraph with code, bold and a link." in text for text in texts)
    assert not any("\ufdd0" in text for text in texts)


def test_tab_goes_through_the_controls_in_reading_order(qtbot: QtBot, view: TranscriptView, settled: Settled) -> None:
    view.set_messages([answer(1, "```\na\n```\n"), answer(2, "```\nb\n```\n")])
    settled()
    qtbot.waitUntil(lambda: not view._tab_order.isActive())
    view.activateWindow()
    view.setFocus()
    names = []
    for _ in range(8):
        QTest.keyClick(view.window().focusWidget() or view, Qt.Key.Key_Tab)
        focused = view.window().focusWidget()
        assert focused is not None
        names.append(focused.mapTo(view.viewport(), QPoint(0, 0)).y())
    assert names == sorted(names)


# What can be asked


def test_buttons_ask_with_the_id_of_their_message(qtbot: QtBot, view: TranscriptView, settled: Settled) -> None:
    view.set_messages([user(1), answer(1, "Hello *you*", branch_index=1, branch_count=3)])
    settled()
    frame = view.stage.frames[1]
    by_name = {button.accessibleName(): button for button in frame.findChildren(QPushButton)}
    with qtbot.waitSignal(view.regenerate_requested) as asked:
        by_name["Answer again"].click()
    assert asked.args == ["a1"]
    with qtbot.waitSignal(view.branch_requested) as asked:
        by_name["Earlier version"].click()
    assert asked.args == ["a1", -1]
    with qtbot.waitSignal(view.copy_requested):
        by_name["Copy message"].click()
    assert QGuiApplication.clipboard().text() == "Hello *you*"
    own = {button.accessibleName(): button for button in view.stage.frames[0].findChildren(QPushButton)}
    with qtbot.waitSignal(view.edit_requested) as asked:
        own["Edit message"].click()
    assert asked.args == ["u1"]


def test_a_citation_leads_to_its_source(qtbot: QtBot, view: TranscriptView, settled: Settled) -> None:
    view.set_messages([answer(1, "So it is [2].", sources=(Source(2, "notes.md", "3–9"),))])
    settled()
    (prose,) = widgets(view, ProseBlock)
    point = prose.mapTo(view.viewport(), prose.rect_at(10).center())
    with qtbot.waitSignal(view.citation_clicked) as clicked:
        QTest.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=point + QPoint(-2, 0))
    assert clicked.args == ["a1", 2]


def test_a_click_on_a_link_is_only_reported(qtbot: QtBot, view: TranscriptView, settled: Settled) -> None:
    view.set_messages([answer(1, "[read](file:///etc/passwd) me")])
    settled()
    (prose,) = widgets(view, ProseBlock)
    point = prose.mapTo(view.viewport(), prose.rect_at(2).center())
    with qtbot.waitSignal(view.link_clicked) as clicked:
        QTest.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=point)
    assert clicked.args == ["file:///etc/passwd"]


def test_long_code_shows_its_first_part_and_all_on_demand(view: TranscriptView, settled: Settled) -> None:
    text = "\n".join(f"line {n}" for n in range(5000))
    view.set_messages([answer(1, f"```\n{text}\n```")])
    settled()
    (block,) = widgets(view, CodeBlock)
    assert isinstance(block, CodeBlock)
    assert block.edit.blockCount() == 2000
    assert block.full_text == text
    block.all_button.click()
    settled()
    assert block.edit.toPlainText() == text


def test_code_is_coloured_when_its_lexer_is_there(qtbot: QtBot, view: TranscriptView, settled: Settled) -> None:
    view.set_messages([answer(1, "```python\ndef f(): return 'x'\n```")])
    settled()
    (block,) = widgets(view, CodeBlock)
    assert isinstance(block, CodeBlock)
    layout = block.edit.document().firstBlock().layout()
    qtbot.waitUntil(lambda: len(layout.formats()) >= 4)
    first = layout.formats()[0]
    assert first.format.foreground().color() == view.theme.color("code_keyword")


def test_an_update_of_figures_leaves_the_text_alone(view: TranscriptView, settled: Settled) -> None:
    message = answer(1, RICH)
    view.set_messages([message])
    settled()
    before = [part.piece for part in view.rows.rows[0].parts]
    view.update_message(replace(message, tokens_per_s=41.8, branch_count=2))
    settled()
    assert all(a is b for a, b in zip(before, (p.piece for p in view.rows.rows[0].parts), strict=True))
    view.update_message(replace(message, content="```\nnew\n```"))
    settled()
    assert [part.piece for part in view.rows.rows[0].parts] == [Code("new")]
