"""The list of cards: what it keeps over refreshes, and that mouse and keys reach every button."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QModelIndex, QPoint, QRectF, Qt
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import QStyleOptionViewItem, QWidget
from pytestqt.qtbot import QtBot

from desktop.qt.models.card_boxes import card_boxes
from desktop.qt.models.card_delegate import CardDelegate
from desktop.qt.models.card_view import CardView
from desktop.qt.models.cards import Act, Card, Progress, Tag, heading
from desktop.qt.theme import Theme

LOAD, PAUSE, DROP = Act("load", "Load", "play"), Act("pause", "", "pause", "Pause"), Act("drop", "", "x", "Cancel")


def card(number: int, **more: object) -> Card:
    facts: dict[str, object] = {"about": "What it is.", "tags": (Tag("Chat"), Tag("Fits", "success", "check"))}
    return Card(f"model:{number}", f"Model {number}", **{"acts": (LOAD,), **facts, **more})  # type: ignore[arg-type]


@pytest.fixture
def view(theme: Theme, window: QWidget) -> CardView:
    view = CardView(theme, "Models")
    view.setParent(window)
    view.resize(600, 460)
    view.show()
    return view


def keys(view: CardView) -> list[str]:
    return [card.key for card in view.cards.cards]


def test_a_refresh_keeps_what_is_chosen_and_in_view(view: CardView) -> None:
    view.cards.show([card(number) for number in range(100)])
    view.choose("model:60")
    place = view.verticalScrollBar().value()
    heard: list[str] = []
    view.chosen.connect(heard.append)

    view.cards.show([card(number, remark="5 GB") for number in range(100)])

    assert view.current_card() == card(60, remark="5 GB")
    assert view.verticalScrollBar().value() == place
    assert heard == []


def test_cards_come_and_go_without_touching_the_others(view: CardView) -> None:
    view.cards.show([heading("All"), card(1), card(2), card(3)])
    view.choose("model:3")

    view.cards.show([heading("One running"), card(9), heading("All"), card(1), card(3)])

    assert keys(view) == ["heading:One running", "model:9", "heading:All", "model:1", "model:3"]
    current = view.current_card()
    assert current is not None and current.key == "model:3"


def test_a_bar_that_appears_makes_its_card_higher(view: CardView, qtbot: QtBot) -> None:
    view.cards.show([card(1), card(2)])
    before = view.visualRect(view.cards.index(0)).height()

    view.cards.show([card(1, progress=Progress(0.5, "half")), card(2)])

    qtbot.waitUntil(lambda: view.visualRect(view.cards.index(0)).height() > before)
    assert view.visualRect(view.cards.index(1)).top() == view.visualRect(view.cards.index(0)).bottom() + 1


def test_every_button_is_reached_by_keys(view: CardView, qtbot: QtBot) -> None:
    acted: list[tuple[str, str]] = []
    view.acted.connect(lambda key, act: acted.append((key, act)))
    view.cards.show([heading("Running"), card(1, acts=(PAUSE, DROP)), card(2)])

    view.setFocus(Qt.FocusReason.TabFocusReason)
    qtbot.keyClick(view, Qt.Key.Key_Return)
    qtbot.keyClick(view, Qt.Key.Key_Right)
    qtbot.keyClick(view, Qt.Key.Key_Right)
    qtbot.keyClick(view, Qt.Key.Key_Space)
    qtbot.keyClick(view, Qt.Key.Key_Down)
    qtbot.keyClick(view, Qt.Key.Key_Return)

    assert acted == [("model:1", "pause"), ("model:1", "drop"), ("model:2", "load")]


def test_delete_does_what_the_card_deletes_by_and_nothing_else(view: CardView, qtbot: QtBot) -> None:
    acted: list[str] = []
    view.acted.connect(lambda _key, act: acted.append(act))
    view.cards.show([card(1), card(2, acts=(LOAD, Act("remove", "Remove…", menu=True, delete=True)))])

    view.choose("model:1")
    qtbot.keyClick(view, Qt.Key.Key_Delete)
    view.choose("model:2")
    qtbot.keyClick(view, Qt.Key.Key_Delete)

    assert acted == ["remove"]
    assert [action.text() for action in view.menu_for(card(1)).actions()] == ["Load"]


def test_a_click_on_a_button_presses_it_and_leaves_the_choice(view: CardView, qtbot: QtBot) -> None:
    acted: list[tuple[str, str]] = []
    view.acted.connect(lambda key, act: acted.append((key, act)))
    view.cards.show([card(1), card(2)])
    view.choose("model:1")

    qtbot.mouseClick(
        view.viewport(), Qt.MouseButton.LeftButton, pos=view.act_rect("model:2", "load").center().toPoint()
    )

    assert acted == [("model:2", "load")]
    current = view.current_card()
    assert current is not None and current.key == "model:1"
    below = view.visualRect(view.cards.index(1)).topLeft() + QPoint(100, 20)
    qtbot.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=below)
    assert view.current_card() == card(2)


def test_a_screen_reader_hears_all_of_a_card(view: CardView) -> None:
    view.cards.show([card(1, problem="It is too large.", remark="5 GB")])

    words = view.cards.index(0).data(Qt.ItemDataRole.AccessibleTextRole)

    assert words == "Model 1, What it is., Chat, Fits, 5 GB, It is too large., Enter: Load"


def test_what_moves_to_another_place_stays_chosen(view: CardView) -> None:
    view.show_cards([card(1), card(2), card(3)])
    view.choose("model:3")
    heard: list[str] = []
    view.chosen.connect(heard.append)

    view.show_cards([card(3), card(1), card(2)])

    assert view.current_card() == card(3)
    assert view.selectionModel().isSelected(view.currentIndex())
    assert heard == []


def test_a_card_that_takes_the_place_of_the_chosen_one_is_chosen(view: CardView) -> None:
    view.show_cards([card(1), card(2)])
    view.choose("model:2")

    view.show_cards([card(9), card(1)], {"model:2": "model:9"})

    assert view.current_card() == card(9)


def test_where_the_chosen_card_is_gone_none_is_chosen(view: CardView) -> None:
    view.show_cards([card(1), card(2)])
    view.choose("model:2")
    heard: list[str] = []
    view.chosen.connect(heard.append)

    view.show_cards([card(1), card(3)])

    assert view.current_card() is None
    assert heard == [""]


def test_where_a_card_is_deleted_by_keys_they_go_on_beside_it(view: CardView) -> None:
    view.show_cards([card(1), card(2), card(3)])
    view.setFocus(Qt.FocusReason.TabFocusReason)
    view.choose("model:2")

    view.show_cards([card(1), card(3)])

    assert view.current_card() == card(3)


def test_long_words_take_a_second_line_and_the_card_grows_for_it(view: CardView, theme: Theme, qtbot: QtBot) -> None:
    long = "The strongest chat model that leaves 6.7 GB free and should write about 6.1 tokens/s here. " * 3
    view.show_cards([card(1), card(2, about=long), card(3, about=long, about_is_path=True)])

    heights = [view.visualRect(view.cards.index(row)).height() for row in range(3)]
    boxes = card_boxes(theme, card(2, about=long), QRectF(0, 0, 580, 98))

    assert heights[0] == heights[2] < heights[1]
    view.resize(3000, 460)
    qtbot.waitUntil(lambda: view.visualRect(view.cards.index(1)).height() == heights[0])
    assert len(boxes.about_lines) == 2 and boxes.about_lines[1].endswith("…")
    assert boxes.about_lines[0] in long
    assert boxes.tags[0][1].top() >= boxes.about.bottom()


def test_in_a_narrow_list_the_first_and_the_last_chip_stay(view: CardView, theme: Theme) -> None:
    tags = (Tag("Chat"), Tag("7.6 B"), Tag("128k context"), Tag("Fits: 5.4 of 16 GB", "success", "check"))

    wide = card_boxes(theme, card(1, tags=tags), QRectF(0, 0, 700, 98))
    narrow = card_boxes(theme, card(1, tags=tags), QRectF(0, 0, 370, 98))

    assert [tag for tag, _ in wide.tags] == list(tags)
    assert [tag for tag, _ in narrow.tags] == [tags[0], tags[-1]]
    assert all(box.right() <= narrow.title.right() for _, box in narrow.tags)


class CountingDelegate(CardDelegate):
    """Counts what is painted."""

    painted = 0

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex) -> None:  # type: ignore[override]
        self.painted += 1
        super().paint(painter, option, index)


def test_hundreds_of_cards_cost_what_those_in_view_cost(view: CardView, theme: Theme, qtbot: QtBot) -> None:
    delegate = CountingDelegate(theme, view, view)
    view.setItemDelegate(delegate)
    view.cards.show([card(number) for number in range(500)])
    qtbot.waitUntil(lambda: delegate.painted > 0)
    delegate.painted = 0

    view.grab()

    assert 0 < delegate.painted <= 460 // 90 + 2


def test_more_is_asked_for_near_the_end(view: CardView, qtbot: QtBot) -> None:
    view.cards.show([card(number) for number in range(60)])
    qtbot.waitUntil(lambda: view.verticalScrollBar().maximum() > 2000)

    with qtbot.assertNotEmitted(view.end_near):
        view.verticalScrollBar().setValue(100)
    with qtbot.waitSignal(view.end_near):
        view.verticalScrollBar().setValue(view.verticalScrollBar().maximum() - 50)
