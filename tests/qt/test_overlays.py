"""What comes and goes: toasts, notices, palette, drops, dialogs, popovers, rows and skeletons."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from PySide6.QtCore import QEvent, QMimeData, QPoint, QPointF, QRect, QSize, Qt, QUrl
from PySide6.QtGui import QAccessible, QColor, QDragEnterEvent, QDropEvent, QStandardItemModel
from PySide6.QtWidgets import QApplication, QVBoxLayout, QWidget
from pytestqt.qtbot import QtBot

from desktop.qt.components.button import Button, IconButton
from desktop.qt.components.command_palette import CommandPalette
from desktop.qt.components.dialog import Dialog
from desktop.qt.components.drop import DropOverlay, DropZone
from desktop.qt.components.field import Field
from desktop.qt.components.label import Label
from desktop.qt.components.menu import Menu, Popover, popover_place
from desktop.qt.components.notice import LEVELS, Level, Notice
from desktop.qt.components.rows import RowList
from desktop.qt.components.states import EmptyState, Skeleton
from desktop.qt.components.toast import ToastHost
from desktop.qt.theme import Theme
from desktop.qt.tokens import LIGHT
from tests.qt import gallery
from tests.qt.accessible import accessible, name_of, unnamed

LEFT = Qt.MouseButton.LeftButton


COPY, MOVE, LINK = Qt.DropAction.CopyAction, Qt.DropAction.MoveAction, Qt.DropAction.LinkAction


def drag(
    target: QWidget, *addresses: str, drop: bool = False, offered: Qt.DropAction = COPY
) -> Literal[False] | Qt.DropAction:
    """Hold files over a widget, or drop them; returns as what it would take them, False when it would not."""
    mime = QMimeData()
    mime.setUrls([QUrl(address) for address in addresses])
    no_keys = Qt.KeyboardModifier.NoModifier
    if drop:
        event: QDropEvent = QDropEvent(QPointF(9, 9), offered, mime, LEFT, no_keys)
    else:
        event = QDragEnterEvent(QPoint(9, 9), offered, mime, LEFT, no_keys)
    event.setDropAction(MOVE)  # as file managers do inside one disk
    event.setAccepted(False)
    QApplication.sendEvent(target, event)
    return event.isAccepted() and event.dropAction()


class TestToasts:
    def test_undo_is_called_once_and_the_toast_goes(self, qtbot: QtBot, theme: Theme, window: QWidget) -> None:
        host, undone = ToastHost(theme, window), []
        toast = host.show_toast("Chat deleted", undo=lambda: undone.append(1))
        assert toast.action is not None
        qtbot.mouseClick(toast.action, LEFT)
        assert (undone, host.toasts) == ([1], ())

    def test_it_goes_by_itself(self, qtbot: QtBot, theme: Theme, window: QWidget) -> None:
        host = ToastHost(theme, window)
        host.show_toast("Model loaded", life_ms=20)
        qtbot.waitUntil(lambda: not host.toasts, timeout=2000)

    def test_it_stays_while_its_button_has_the_focus(self, qtbot: QtBot, theme: Theme, window: QWidget) -> None:
        host = ToastHost(theme, window)
        held = host.show_toast("Chat deleted", undo=lambda: None, life_ms=30)
        assert held.action is not None
        held.action.setFocus()
        host.show_toast("Later", life_ms=90)
        qtbot.waitUntil(lambda: len(host.toasts) == 1, timeout=2000)
        assert host.toasts == (held,)
        held.leave()

    def test_three_at_most_above_the_status_bar(self, theme: Theme, window: QWidget) -> None:
        host = ToastHost(theme, window)
        for number in range(5):
            host.show_toast(f"Toast {number}")
        assert [t.accessibleName() for t in host.toasts] == ["Toast 2", "Toast 3", "Toast 4"]
        assert host.toasts[-1].geometry().bottom() < window.height() - 28
        assert host.toasts[0].geometry().bottom() < host.toasts[1].geometry().top()
        for toast in host.toasts:
            toast.leave()

    def test_it_keeps_its_place_when_the_window_grows(self, theme: Theme, window: QWidget) -> None:
        toast = ToastHost(theme, window).show_toast("Here")
        window.resize(900, 700)
        assert abs(toast.geometry().center().x() - 450) <= 1
        toast.leave()


class TestNotice:
    @pytest.mark.parametrize("level", list(LEVELS))
    def test_the_level_is_said_as_well_as_shown(self, theme: Theme, window: QWidget, level: Level) -> None:
        notice = Notice(theme, level, "The port is taken.", hint="Close the other program.", parent=window)
        assert name_of(notice) == f"{LEVELS[level][3]}: The port is taken."
        assert accessible(notice).text(QAccessible.Text.Description) == "Close the other program."

    def test_action_details_and_cross(self, qtbot: QtBot, theme: Theme, window: QWidget) -> None:
        notice = Notice(
            theme, "error", "It failed.", action="Try again", details="exit 1", closable=True, parent=window
        )
        notice.resize(500, 60)
        notice.show()
        action, more, cross = (
            next(b for b in notice.findChildren(Button) if name_of(b) == name)
            for name in ("Try again", "Details", "Close")
        )
        with qtbot.waitSignal(notice.action_clicked):
            qtbot.mouseClick(action, LEFT)
        qtbot.mouseClick(more, LEFT)
        assert name_of(more) == "Hide details"
        with qtbot.waitSignal(notice.closed):
            qtbot.mouseClick(cross, LEFT)
        assert not notice.isVisible()

    def test_without_an_action_there_is_no_button(self, theme: Theme, window: QWidget) -> None:
        notice = Notice(theme, "info", "Loading.", parent=window)
        notice.show()
        assert not [b for b in notice.findChildren(Button) if b.isVisible()]
        assert unnamed(notice) == []


class TestPalette:
    @pytest.fixture
    def palette(self, theme: Theme, window: QWidget) -> CommandPalette:
        return gallery.palette(theme, window)

    def test_enter_takes_the_row_that_arrows_chose(self, qtbot: QtBot, palette: CommandPalette) -> None:
        assert palette.current_id() == "new"
        qtbot.keyClick(palette.field, Qt.Key.Key_Down)
        with qtbot.waitSignal(palette.chosen) as chosen:
            qtbot.keyClick(palette.field, Qt.Key.Key_Return)
        assert chosen.args == ["model"]
        assert not palette.isVisible()

    def test_arrows_step_over_headings_and_around_the_ends(self, qtbot: QtBot, palette: CommandPalette) -> None:
        seen = []
        for _ in range(4):
            qtbot.keyClick(palette.field, Qt.Key.Key_Down)
            seen.append(palette.current_id())
        assert seen == ["model", "list", "c1", "new"]
        qtbot.keyClick(palette.field, Qt.Key.Key_Up)
        assert palette.current_id() == "c1"

    def test_typing_filters_and_nothing_found_takes_nothing(self, qtbot: QtBot, palette: CommandPalette) -> None:
        qtbot.keyClicks(palette.field, "list")
        assert palette.current_id() == "list"
        qtbot.keyClicks(palette.field, "zzz")
        with qtbot.assertNotEmitted(palette.chosen):
            qtbot.keyClick(palette.field, Qt.Key.Key_Return)
        assert palette.isVisible()

    def test_a_click_takes_a_row(self, qtbot: QtBot, palette: CommandPalette) -> None:
        row = next(n for n in range(palette.model.rowCount()) if (r := palette.model.row_at(n)) and r.id == "list")
        place = palette.list.visualRect(palette.model.index(row, 0)).center()
        with qtbot.waitSignal(palette.chosen) as chosen:
            qtbot.mouseClick(palette.list.viewport(), LEFT, pos=place)
        assert chosen.args == ["list"]

    def test_escape_and_a_click_outside_give_the_focus_back(self, qtbot: QtBot, theme: Theme, window: QWidget) -> None:
        field = Field(theme, "Message", parent=window)
        field.show()
        field.setFocus()
        palette = gallery.palette(theme, window)
        assert QApplication.focusWidget() is palette.field
        qtbot.keyClick(palette.field, Qt.Key.Key_Escape)
        assert (palette.isVisible(), QApplication.focusWidget() is field) == (False, True)
        palette.open(lambda query: [])
        qtbot.mouseClick(palette, LEFT, pos=QPoint(3, 3))
        assert (palette.isVisible(), QApplication.focusWidget() is field) == (False, True)

    def test_rows_are_spoken_with_their_keys(self, palette: CommandPalette) -> None:
        spoken = [
            palette.model.data(palette.model.index(row, 0), Qt.ItemDataRole.AccessibleTextRole)
            for row in range(palette.model.rowCount())
        ]
        assert spoken[:2] == ["Chat", "New chat, Ctrl+N"]
        assert unnamed(palette) == []


class TestDrops:
    def test_a_zone_takes_files_and_shows_it(self, qtbot: QtBot, theme: Theme, window: QWidget) -> None:
        zone = DropZone(theme, "Drop files here", "They stay here.", parent=window)
        zone.resize(400, 100)
        zone.show()
        assert drag(zone, "file:///data/a.pdf")
        assert zone.over
        assert QColor(zone.grab().toImage().pixel(200, 92)).name().upper() == LIGHT.accent_subtle
        with qtbot.waitSignal(zone.dropped) as dropped:
            drag(zone, "file:///data/a.pdf", drop=True)
        assert dropped.args == [[Path("/data/a.pdf")]]
        assert not zone.over

    @pytest.mark.parametrize(
        ("offered", "taken"),
        [(COPY | MOVE | LINK, COPY), (MOVE | LINK, LINK), (MOVE, False)],
        ids=["all", "link", "move"],
    )
    def test_files_are_never_moved_away(
        self, theme: Theme, window: QWidget, offered: Qt.DropAction, taken: Qt.DropAction | Literal[False]
    ) -> None:
        zone = DropZone(theme, "Drop files here", "They stay here.", parent=window)
        DropOverlay(theme, window, "Drop to add")
        for target in (zone, window):
            assert drag(target, "file:///data/a.pdf", offered=offered) == taken
            assert drag(target, "file:///data/a.pdf", offered=offered, drop=True) == taken

    def test_an_address_of_the_network_is_refused(self, theme: Theme, window: QWidget) -> None:
        zone = DropZone(theme, "Drop files here", "They stay here.", parent=window)
        assert not drag(zone, "https://example.org/a.pdf")

    def test_the_button_does_the_same_without_dragging(self, qtbot: QtBot, theme: Theme, window: QWidget) -> None:
        zone = DropZone(theme, "Drop files here", "They stay here.", parent=window)
        with qtbot.waitSignal(zone.choose_clicked):
            qtbot.mouseClick(zone.button, LEFT)

    def test_the_cover_is_shown_only_for_what_can_be_taken(self, qtbot: QtBot, theme: Theme, window: QWidget) -> None:
        cover = DropOverlay(theme, window, "Drop to add this model", (".gguf",))
        assert not drag(window, "file:///data/notes.txt")
        assert not cover.isVisible()
        assert drag(window, "file:///data/notes.txt", "file:///data/Model.GGUF")
        assert cover.isVisible()
        assert cover.geometry() == window.rect()
        with qtbot.waitSignal(cover.dropped) as dropped:
            drag(window, "file:///data/notes.txt", "file:///data/Model.GGUF", drop=True)
        assert dropped.args == [[Path("/data/Model.GGUF")]]
        assert not cover.isVisible()

    def test_the_cover_goes_when_the_drag_leaves(self, theme: Theme, window: QWidget) -> None:
        cover = DropOverlay(theme, window, "Drop to add")
        drag(window, "file:///data/a")
        QApplication.sendEvent(window, QEvent(QEvent.Type.DragLeave))
        assert not cover.isVisible()


class TestDialog:
    @pytest.mark.parametrize(("name", "result"), [("Delete file", 1), ("Cancel", 0)])
    def test_buttons_answer(self, qtbot: QtBot, theme: Theme, window: QWidget, name: str, result: int) -> None:
        dialog = Dialog(theme, "Delete this file?", "model.gguf, 4.4 GB", window)
        buttons = {name_of(b): b for b in (dialog.add_accept("Delete file", "danger"), dialog.add_cancel())}
        dialog.open()
        with qtbot.waitSignal(dialog.finished) as finished:
            qtbot.mouseClick(buttons[name], LEFT)
        assert finished.args == [result]

    def test_enter_alone_destroys_nothing(self, qtbot: QtBot, theme: Theme, window: QWidget) -> None:
        dialog = Dialog(theme, "Delete this file?", parent=window)
        dialog.add_accept("Delete file", "danger")
        cancel = dialog.add_cancel()
        dialog.open()
        qtbot.waitUntil(lambda: QApplication.focusWidget() is cancel)
        with qtbot.waitSignal(dialog.rejected):
            qtbot.keyClick(cancel, Qt.Key.Key_Return)


class TestPopoverAndMenu:
    def test_a_popover_opens_beside_its_control_and_closes_by_escape(
        self, qtbot: QtBot, theme: Theme, window: QWidget
    ) -> None:
        anchor, popover = Button(theme, "Jobs", parent=window), Popover(theme, "Running jobs", window)
        anchor.show()
        popover.content.addWidget(Button(theme, "Cancel"))
        popover.open_at(anchor)
        assert popover.isVisible()
        assert unnamed(popover) == []
        with qtbot.waitSignal(popover.closed):
            qtbot.keyClick(popover, Qt.Key.Key_Escape)

    @pytest.mark.parametrize(
        ("anchor", "place"),
        [
            (QRect(10, 10, 50, 20), QPoint(10, 33)),  # below
            (QRect(10, 380, 50, 20), QPoint(10, 276)),  # above, where there is no room below
            (QRect(380, 10, 20, 20), QPoint(196, 33)),  # moved in from the right edge
        ],
    )
    def test_it_stays_on_the_screen(self, anchor: QRect, place: QPoint) -> None:
        assert popover_place(anchor, QRect(QPoint(0, 0), QSize(200, 100)), QRect(0, 0, 401, 400), 4) == place

    def test_a_menu_is_named_and_opens_below(self, theme: Theme, window: QWidget) -> None:
        anchor, menu = Button(theme, "More", parent=window), Menu(theme, "More actions", window)
        anchor.show()
        menu.addAction(theme.icon("trash-2"), "Delete chat")
        menu.open_below(anchor)
        assert name_of(menu) == "More actions"
        assert menu.pos().y() >= anchor.mapToGlobal(QPoint(0, anchor.height())).y()
        menu.close()


class TestRows:
    @pytest.fixture
    def rows(self, qtbot: QtBot, theme: Theme, window: QWidget) -> RowList:
        model: QStandardItemModel = gallery.row_model()
        view = RowList(theme, "Chats", model, window)
        model.setParent(view)
        view.resize(268, 300)
        view.show()
        return view

    def test_heights_follow_the_number_of_lines(self, rows: RowList) -> None:
        assert [rows.visualRect(rows.model().index(n, 0)).height() for n in range(4)] == [30, 34, 34, 50]

    def test_the_focus_starts_on_the_first_row_not_the_heading(self, qtbot: QtBot, rows: RowList) -> None:
        rows.setFocus(Qt.FocusReason.TabFocusReason)
        assert rows.currentIndex().row() == 1
        qtbot.keyClick(rows, Qt.Key.Key_Down)
        assert rows.currentIndex().row() == 2

    def test_the_ring_is_drawn_for_keys_and_not_for_the_mouse(self, qtbot: QtBot, rows: RowList) -> None:
        rows.setFocus(Qt.FocusReason.TabFocusReason)
        edge = rows.visualRect(rows.model().index(1, 0)).topLeft() + QPoint(60, 0)
        assert QColor(rows.viewport().grab().toImage().pixel(edge)).name().upper() == LIGHT.accent
        qtbot.mouseClick(rows.viewport(), LEFT, pos=edge + QPoint(0, 10))
        assert QColor(rows.viewport().grab().toImage().pixel(edge)).name().upper() == LIGHT.bg_selected

    def test_rows_are_told_by_their_accessible_text(self, rows: RowList) -> None:
        told = [accessible(rows).child(n).text(QAccessible.Text.Name) for n in range(accessible(rows).childCount())]
        assert "Release checklist 0.4" in told


class TestStates:
    def test_an_empty_state_says_one_sentence_and_offers_one_action(
        self, qtbot: QtBot, theme: Theme, window: QWidget
    ) -> None:
        empty = EmptyState(theme, "No chats yet.", icon="message-square", action="New chat", parent=window)
        empty.show()
        assert [name_of(b) for b in empty.findChildren(Button) if b.isVisible()] == ["New chat"]
        with qtbot.waitSignal(empty.action_clicked):
            qtbot.mouseClick(empty.button, LEFT)
        empty.set_sentence("Nothing found.")
        assert not empty.button.isVisible()

    def test_an_empty_state_wraps_its_sentence_where_there_is_little_room(
        self, qtbot: QtBot, theme: Theme, window: QWidget
    ) -> None:
        place = QWidget(window)
        place.setFixedSize(theme.px(260), theme.px(300))
        layout = QVBoxLayout(place)
        empty = EmptyState(theme, "Type a question, an identifier or an error message.", icon="search")
        layout.addWidget(empty)
        place.show()
        (sentence,) = empty.findChildren(Label)
        qtbot.waitUntil(lambda: sentence.height() > 1.5 * sentence.fontMetrics().height(), timeout=3000)
        assert empty.rect().contains(sentence.geometry())

    def test_a_skeleton_does_not_flash_for_what_is_quick(self, qtbot: QtBot, theme: Theme, window: QWidget) -> None:
        skeleton = Skeleton(theme, 3, parent=window)
        skeleton.show()
        assert not skeleton.due
        skeleton.hide()
        assert not skeleton.due

    def test_a_skeleton_comes_for_what_takes_longer(self, qtbot: QtBot, theme: Theme, window: QWidget) -> None:
        skeleton = Skeleton(theme, 3, delay_ms=10, parent=window)
        skeleton.show()
        qtbot.waitUntil(lambda: skeleton.due, timeout=2000)


def test_an_icon_button_in_an_overlay_has_a_ring_of_its_own_window(theme: Theme, window: QWidget) -> None:
    toast = ToastHost(theme, window).show_toast("Here")
    assert isinstance(toast.close_button, IconButton)
    toast.close_button.setFocus()
    ring = window.findChild(QWidget, "focusRing")
    assert isinstance(ring, QWidget)
    corner = toast.close_button.mapTo(window, QPoint(0, 0))
    assert ring.pos() == corner - QPoint(4, 4)
    toast.leave()
