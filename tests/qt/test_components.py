"""The components by real events: keys, clicks, focus, what they say and what they draw."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QAccessible, QColor, QImage, QWheelEvent
from PySide6.QtWidgets import QApplication, QScrollArea, QVBoxLayout, QWidget
from pytestqt.qtbot import QtBot

from desktop.qt.components.button import Button, IconButton, Kind, button_look
from desktop.qt.components.card import Card
from desktop.qt.components.chip import Chip, RemovableChip
from desktop.qt.components.field import Field, SearchField
from desktop.qt.components.gauges import ContextRing, ProgressBar, Sparkline, short_count
from desktop.qt.components.label import ElidedLabel, Label
from desktop.qt.components.model_pill import ModelPill
from desktop.qt.components.parameter import NumberField, Parameter, Slider
from desktop.qt.components.segmented import Segment, Segmented
from desktop.qt.components.status import Meter, StatusItem
from desktop.qt.components.toggle import Toggle
from desktop.qt.focus_ring import FocusRing
from desktop.qt.theme import Theme
from desktop.qt.tokens import DARK, LIGHT, Tokens, contrast
from tests.qt import gallery
from tests.qt.accessible import accessible, name_of, role_of, too_small, unnamed

KINDS: tuple[Kind, ...] = ("primary", "outline", "ghost", "danger")
LEFT = Qt.MouseButton.LeftButton


def put(window: QWidget, *widgets: QWidget) -> None:
    """Place widgets below each other at the size they ask for."""
    top = 40
    for widget in widgets:
        widget.setParent(window)
        widget.adjustSize()
        widget.move(40, top)
        widget.show()
        top += widget.height() + 24


def shot(widget: QWidget) -> QImage:
    return widget.grab().toImage()


def color_at(widget: QWidget, x: int, y: int) -> str:
    return QColor(shot(widget).pixel(x, y)).name().upper()


def wheel(widget: QWidget) -> None:
    """One notch of the wheel over the middle of a widget."""
    middle = QPointF(widget.rect().center())
    event = QWheelEvent(
        middle,
        QPointF(widget.mapToGlobal(middle.toPoint())),
        QPoint(),
        QPoint(0, 120),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(widget, event)


class TestButton:
    @pytest.mark.parametrize("key", [Qt.Key.Key_Space, Qt.Key.Key_Return, Qt.Key.Key_Enter])
    def test_keys_press_it(self, qtbot: QtBot, theme: Theme, window: QWidget, key: Qt.Key) -> None:
        button = Button(theme, "Load")
        put(window, button)
        button.setFocus()
        with qtbot.waitSignal(button.clicked):
            qtbot.keyClick(button, key)

    def test_a_click_presses_it_and_leaves_the_focus_with_the_writer(
        self, qtbot: QtBot, theme: Theme, window: QWidget
    ) -> None:
        field, button = Field(theme, "Message"), Button(theme, "Load")
        put(window, field, button)
        field.setFocus()
        with qtbot.waitSignal(button.clicked):
            qtbot.mouseClick(button, LEFT)
        assert QApplication.focusWidget() is field

    def test_a_disabled_one_does_nothing(self, qtbot: QtBot, theme: Theme, window: QWidget) -> None:
        button = Button(theme, "Load")
        put(window, button)
        button.setEnabled(False)
        with qtbot.assertNotEmitted(button.clicked):
            qtbot.mouseClick(button, LEFT)

    @pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=lambda s: s.name)
    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize(("hover", "down"), [(False, False), (True, False), (True, True)])
    def test_its_words_read_in_every_state(self, scheme: Tokens, kind: Kind, hover: bool, down: bool) -> None:
        look = button_look(kind, enabled=True, hover=hover, down=down)
        ground = scheme.color(look.fill or "bg_surface")
        assert contrast(scheme.color(look.text), ground) >= 4.5

    def test_states_differ_to_the_eye(self, qtbot: QtBot, theme: Theme, window: QWidget) -> None:
        button = Button(theme, "Load")
        put(window, button)
        normal = shot(button)
        button.setDown(True)
        pressed = shot(button)
        button.setDown(False)
        button.setEnabled(False)
        disabled = shot(button)
        assert normal != pressed
        assert disabled not in (normal, pressed)

    def test_an_ampersand_is_shown_and_is_no_shortcut(self, theme: Theme, window: QWidget) -> None:
        button = Button(theme, "Open & close")
        put(window, button)
        assert name_of(button) == "Open & close"
        assert button.shortcut().isEmpty()

    def test_an_icon_button_says_its_name_and_teaches_its_keys(self, theme: Theme, window: QWidget) -> None:
        button = IconButton(theme, "panel-right", "Inspector", keys="Ctrl+I")
        put(window, button)
        assert (name_of(button), button.toolTip()) == ("Inspector", "Inspector (Ctrl+I)")
        assert role_of(button) == QAccessible.Role.Button

    def test_zoom_makes_it_larger(self, theme: Theme, window: QWidget) -> None:
        button = Button(theme, "Load", icon="play")
        put(window, button)
        before = button.sizeHint()
        theme.set_zoom(160)
        assert button.sizeHint().height() == 51
        assert button.sizeHint().width() > before.width() * 1.4


class TestFocusRing:
    def ring(self, window: QWidget) -> FocusRing:
        return window.findChildren(FocusRing)[0]

    def test_it_is_drawn_two_pixels_outside_in_the_accent(self, theme: Theme, window: QWidget) -> None:
        button = Button(theme, "Load")
        put(window, button)
        button.setFocus(Qt.FocusReason.TabFocusReason)
        x, y = button.x() + button.width() // 2, button.y()
        assert [color_at(window, x, y - gap) for gap in (1, 2, 3, 4, 5)] == [
            LIGHT.bg_surface,
            LIGHT.bg_surface,
            LIGHT.accent,
            LIGHT.accent,
            LIGHT.bg_surface,
        ]

    def test_it_follows_the_control_and_the_focus(self, theme: Theme, window: QWidget) -> None:
        first, second = Button(theme, "First"), Button(theme, "Second")
        put(window, first, second)
        first.setFocus()
        first.move(200, 100)
        assert self.ring(window).geometry() == first.geometry().adjusted(-4, -4, 4, 4)
        second.setFocus()
        assert self.ring(window).geometry() == second.geometry().adjusted(-4, -4, 4, 4)
        second.clearFocus()
        assert not self.ring(window).isVisible()

    def test_it_goes_with_the_control(self, theme: Theme, window: QWidget) -> None:
        button = Button(theme, "Load")
        put(window, button)
        button.setFocus()
        button.hide()
        assert not self.ring(window).isVisible()

    def test_scrolled_out_of_sight_it_is_not_left_hanging(self, theme: Theme, window: QWidget) -> None:
        area, page = QScrollArea(window), QWidget()
        column = QVBoxLayout(page)
        buttons = [Button(theme, f"Button {number}") for number in range(30)]
        for button in buttons:
            column.addWidget(button)
        area.setWidget(page)
        area.setGeometry(20, 20, 300, 200)
        area.show()
        buttons[0].setFocus()
        assert self.ring(window).isVisible()
        area.verticalScrollBar().setValue(area.verticalScrollBar().maximum())
        assert not self.ring(window).isVisible()


class TestField:
    def test_the_outline_is_seen_and_an_error_is_told(self, theme: Theme, window: QWidget) -> None:
        field = Field(theme, "Port")
        put(window, field)
        assert color_at(field, 100, 0) == LIGHT.border_control
        field.set_error("A port is a number.")
        assert color_at(field, 100, 0) == LIGHT.danger
        assert accessible(field).text(QAccessible.Text.Description) == "A port is a number."

    def test_typing_shows_the_cross_which_empties(self, qtbot: QtBot, theme: Theme, window: QWidget) -> None:
        search = SearchField(theme, "Search chats", "Search chats", keys="Ctrl K")
        put(window, search)
        cross = search.findChildren(IconButton)[0]
        assert not cross.isVisible()
        search.setFocus()
        qtbot.keyClicks(search, "sqlite")
        assert cross.isVisible()
        qtbot.mouseClick(cross, LEFT)
        assert (search.text(), cross.isVisible()) == ("", False)

    def test_escape_empties_it_first_and_then_belongs_to_the_window(
        self, qtbot: QtBot, theme: Theme, window: QWidget
    ) -> None:
        search = SearchField(theme, "Search", "Search")
        put(window, search)
        search.setText("x")
        qtbot.keyClick(search, Qt.Key.Key_Escape)
        assert search.text() == ""

    def test_arrows_move_in_the_list_below(self, qtbot: QtBot, theme: Theme, window: QWidget) -> None:
        search = SearchField(theme, "Search", "Search")
        put(window, search)
        moves: list[int] = []
        search.move_requested.connect(moves.append)
        qtbot.keyClick(search, Qt.Key.Key_Down)
        qtbot.keyClick(search, Qt.Key.Key_Up)
        assert moves == [1, -1]


class TestChoices:
    def test_arrows_take_the_next_choice(self, qtbot: QtBot, theme: Theme, window: QWidget) -> None:
        tabs = Segmented(theme, "Inspector", ("Sources", "Why", "Parameters"))
        put(window, tabs)
        first = tabs.findChildren(Segment)[0]
        first.setFocus()
        with qtbot.waitSignal(tabs.changed) as taken:
            qtbot.keyClick(first, Qt.Key.Key_Right)
        assert (taken.args, tabs.index) == ([1], 1)
        qtbot.keyClick(tabs.findChildren(Segment)[1], Qt.Key.Key_End)
        assert tabs.index == 2

    def test_one_tab_stop_and_the_taken_one_is_told(self, theme: Theme, window: QWidget) -> None:
        tabs = Segmented(theme, "Inspector", ("Sources", "Why"), index=1)
        put(window, tabs)
        stops = [s for s in tabs.findChildren(Segment) if s.focusPolicy() & Qt.FocusPolicy.TabFocus]
        assert [name_of(stop) for stop in stops] == ["Why"]
        assert accessible(stops[0]).state().checked

    @pytest.mark.parametrize("key", [Qt.Key.Key_Space, Qt.Key.Key_Return])
    def test_a_toggle_turns_by_keys_and_says_so(self, qtbot: QtBot, theme: Theme, window: QWidget, key: Qt.Key) -> None:
        toggle = Toggle(theme, "Hybrid")
        put(window, toggle)
        off = shot(toggle)
        qtbot.keyClick(toggle, key)
        assert (toggle.isChecked(), accessible(toggle).state().checked) == (True, True)
        assert shot(toggle) != off

    def test_a_toggle_turns_by_a_click_anywhere(self, qtbot: QtBot, theme: Theme, window: QWidget) -> None:
        toggle = Toggle(theme, "Hybrid")
        put(window, toggle)
        qtbot.mouseClick(toggle, LEFT, pos=toggle.rect().topLeft() + QPoint(2, 2))
        assert toggle.isChecked()


class TestChips:
    @pytest.mark.parametrize("key", [Qt.Key.Key_Delete, Qt.Key.Key_Backspace])
    def test_keys_remove_it(self, qtbot: QtBot, theme: Theme, window: QWidget, key: Qt.Key) -> None:
        chip = RemovableChip(theme, "transcript.py")
        put(window, chip)
        with qtbot.waitSignal(chip.removed):
            qtbot.keyClick(chip, key)

    def test_only_the_cross_removes_it_by_mouse(self, qtbot: QtBot, theme: Theme, window: QWidget) -> None:
        chip = RemovableChip(theme, "transcript.py")
        put(window, chip)
        with qtbot.assertNotEmitted(chip.removed):
            qtbot.mouseClick(chip, LEFT, pos=QPoint(8, 12))
        with qtbot.waitSignal(chip.removed):
            qtbot.mouseClick(chip, LEFT, pos=chip.cross().center())

    def test_hostile_names_stay_text(self, theme: Theme, window: QWidget) -> None:
        chip = Chip(theme, "<img src=http://example.org/x>" * 9)
        put(window, chip)
        chip.grab()
        assert chip.toolTip().startswith("<span>&lt;img")

    def test_labels_never_read_markup(self, theme: Theme, window: QWidget) -> None:
        label, cut = Label(theme, "<b>bold</b>"), ElidedLabel(theme, "<b>bold</b>")
        put(window, label, cut)
        assert label.textFormat() == cut.textFormat() == Qt.TextFormat.PlainText
        cut.resize(30, 20)
        cut.grab()
        assert cut.toolTip() == "<span>&lt;b&gt;bold&lt;/b&gt;</span>"


class TestGauges:
    def test_progress_is_drawn_and_told(self, theme: Theme, window: QWidget) -> None:
        bar = ProgressBar(theme, "Download", height=8)
        put(window, bar)
        bar.resize(200, 8)
        bar.set_fraction(0.5)
        assert (color_at(bar, 60, 4), color_at(bar, 140, 4)) == (LIGHT.accent, LIGHT.border_strong)
        assert accessible(bar).valueInterface().currentValue() == 500

    @pytest.mark.parametrize(("given", "kept"), [(-1, 0.0), (2, 1.0), (None, None)])
    def test_progress_stays_within_its_bar(
        self, theme: Theme, window: QWidget, given: float | None, kept: float | None
    ) -> None:
        bar = ProgressBar(theme, "Download")
        put(window, bar)
        bar.set_fraction(given)
        assert bar.fraction == kept

    @pytest.mark.parametrize(
        ("count", "shown"),
        [(0, "0"), (812, "812"), (3412, "3.4k"), (8192, "8k"), (32768, "32k"), (131072, "128k"), (1_250_000, "1.2M")],
    )
    def test_counts_are_short(self, count: int, shown: str) -> None:
        assert short_count(count) == shown

    @pytest.mark.parametrize(("used", "token"), [(100, "accent"), (6600, "warning"), (9000, "danger")])
    def test_the_context_ring_warns_before_it_is_full(
        self, theme: Theme, window: QWidget, used: int, token: str
    ) -> None:
        ring = ContextRing(theme)
        put(window, ring)
        ring.set_tokens(used, 8192)
        assert ring.token() == token
        assert name_of(ring) == f"Context: {short_count(used)} of 8k"
        assert ring.toolTip() == f"{used:,} of 8,192 allocated tokens"

    def test_without_a_model_the_ring_says_why_it_is_empty(self, theme: Theme, window: QWidget) -> None:
        ring = ContextRing(theme)
        put(window, ring)
        ring.set_tokens(0, 0)
        assert (ring.text, ring.fraction) == ("", 0.0)
        assert "model is loaded" in ring.toolTip()

    def test_a_curve_keeps_the_newest_values_and_touches_the_top(self, theme: Theme, window: QWidget) -> None:
        line = Sparkline(theme, "Tokens per second", keep=3)
        put(window, line)
        for value in (9.0, 1.0, 2.0, 4.0):
            line.add(value)
        assert line.values == (1.0, 2.0, 4.0)
        points = line.points()
        assert (points[-1].x(), points[-1].y()) == (line.width(), 2)

    def test_a_meter_and_a_status_item_say_their_figures(self, theme: Theme, window: QWidget) -> None:
        ram, local = Meter(theme, "RAM"), StatusItem(theme, "Privacy", icon="lock", token="accent")
        put(window, ram, local)
        ram.set_share(0.34, "5.4 of 16 GB")
        local.set_words("Local only")
        assert (name_of(ram), name_of(local)) == ("RAM: 5.4 of 16 GB", "Privacy: Local only")


class TestParameter:
    def make(self, theme: Theme, window: QWidget) -> Parameter:
        row = Parameter(theme, "Temperature", minimum=0, maximum=2, step=0.05, default=0.8)
        row.resize(280, 80)
        put(window, row)
        return row

    def test_field_and_slider_agree_and_the_default_comes_back(
        self, qtbot: QtBot, theme: Theme, window: QWidget
    ) -> None:
        row = self.make(theme, window)
        told: list[float] = []
        row.value_changed.connect(told.append)
        qtbot.keyClick(row.slider, Qt.Key.Key_Right)
        assert row.value == pytest.approx(0.85)
        row.field.setValue(1.5)
        assert row.slider.value() == 30
        assert row.reset.isEnabled()
        qtbot.mouseClick(row.reset, LEFT)
        assert told == pytest.approx([0.85, 1.5, 0.8])
        assert not row.reset.isEnabled()

    def test_the_field_has_its_outline_from_the_first_moment(self, theme: Theme, window: QWidget) -> None:
        row = self.make(theme, window)
        assert color_at(row.field, 30, 0) == LIGHT.border_control

    def test_values_stay_within_the_limits(self, theme: Theme, window: QWidget) -> None:
        row = self.make(theme, window)
        row.set_value(99)
        assert row.value == 2

    @pytest.mark.parametrize("pick", [lambda row: row.field, lambda row: row.slider], ids=["field", "slider"])
    def test_scrolling_past_changes_nothing(
        self, theme: Theme, window: QWidget, pick: Callable[[Parameter], QWidget]
    ) -> None:
        row = self.make(theme, window)
        wheel(pick(row))
        assert row.value == pytest.approx(0.8)

    def test_a_slider_goes_where_it_is_clicked(self, qtbot: QtBot, theme: Theme, window: QWidget) -> None:
        slider = Slider(theme, "Share")
        slider.setRange(0, 100)
        put(window, slider)
        slider.resize(214, 24)
        qtbot.mouseClick(slider, LEFT, pos=QPoint(107, 12))
        assert slider.value() == 50

    def test_its_number_follows_the_zoom(self, qtbot: QtBot, theme: Theme, window: QWidget) -> None:
        box = NumberField(theme, "Slots", parent=window)
        box.show()
        small = box.lineEdit().font().pixelSize()

        theme.set_zoom(125)
        assert box.lineEdit().font().pixelSize() == theme.font().pixelSize() > small
        theme.set_zoom(100)
        assert box.lineEdit().font().pixelSize() == small


class TestCardAndPill:
    @pytest.mark.parametrize("key", [Qt.Key.Key_Return, Qt.Key.Key_Space])
    def test_a_clickable_card_is_a_button(self, qtbot: QtBot, theme: Theme, window: QWidget, key: Qt.Key) -> None:
        card = Card(theme, name="Q4_K_M, 8.99 GB", clickable=True)
        put(window, card)
        with qtbot.waitSignals([card.clicked, card.clicked]):
            qtbot.keyClick(card, key)
            qtbot.mouseClick(card, LEFT)

    def test_the_pill_names_model_and_state(self, theme: Theme, window: QWidget) -> None:
        pill = ModelPill(theme, keys="Ctrl+M")
        put(window, pill)
        assert name_of(pill) == "Model: no model chosen"
        pill.set_model("Qwen2.5-Coder 7B", "Q4_K_M", "loading", 0.4)
        assert name_of(pill) == "Model: Qwen2.5-Coder 7B, Q4_K_M, loading, 40%"

    def test_a_long_model_name_gives_way(self, theme: Theme, window: QWidget) -> None:
        pill = ModelPill(theme)
        pill.set_model("A name that somebody made very long indeed to see what happens " * 3, "Q4_K_M", "ready")
        put(window, pill)
        assert pill.sizeHint().width() < 480


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize("zoom", [80, 100, 160])
def test_all_components_have_names_and_can_be_hit(qtbot: QtBot, theme: Theme, mode: str, zoom: int) -> None:
    theme.set_mode(mode)  # type: ignore[arg-type]
    theme.set_zoom(zoom)
    page = gallery.sheet(theme)
    qtbot.addWidget(page)
    page.show()
    assert unnamed(page) == []
    if zoom >= 100:
        assert too_small(page) == []


def test_a_switch_of_theme_repaints_everything(qtbot: QtBot, theme: Theme) -> None:
    page = gallery.sheet(theme)
    qtbot.addWidget(page)
    page.show()
    light = shot(page)
    theme.set_mode("dark")
    dark = shot(page)
    assert QColor(dark.pixel(2, 2)).name().upper() == DARK.bg_surface
    theme.set_mode("light")
    assert shot(page) == light
