"""The frame of one view of the page: its title, what stands beside it, notices, and a list of cards or what is said
while there are none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QBoxLayout, QHBoxLayout, QSizePolicy, QStackedWidget, QWidget

from desktop.qt.components.button import Button, IconButton
from desktop.qt.components.label import Label
from desktop.qt.components.menu import Menu
from desktop.qt.components.states import EmptyState, Skeleton
from desktop.qt.models.card_view import CardView
from desktop.qt.models.cards import Card
from desktop.qt.surface import Pane, column, row
from desktop.qt.theme import Theme

EDGE = 20
HEAD = 66


class PageView(Pane):
    """`chosen(key)` and `acted(key, act)` are the list's; `empty_acted` is the action of the empty state."""

    chosen = Signal(str)
    acted = Signal(str, str)
    empty_acted = Signal()

    def __init__(self, theme: Theme, title: str, icon: str) -> None:
        super().__init__(theme, "bg_surface")
        self.setAccessibleName(title)
        self.title = Label(theme, title, "display")
        self.note = Label(theme, "", "small", "text2")
        self.list = CardView(theme, title)
        self.empty = EmptyState(theme, "", icon=icon)
        self._skeleton = Skeleton(theme, rows=8)
        self._stack = QStackedWidget()
        self.list_button = IconButton(theme, "panel-left", "Show the list", keys="Ctrl+B")
        self.inspector_button = IconButton(theme, "panel-right", "Show the inspector", keys="Ctrl+I")
        self.head = row(gap=12)
        self.tools = row(gap=8)
        self.above = column(gap=8)
        self._lay_out()
        self.list.chosen.connect(self.chosen)
        self.list.acted.connect(self.acted)
        self.empty.action_clicked.connect(self.empty_acted)

    def show_cards(self, cards: Sequence[Card], follow: Mapping[str, str] | None = None) -> None:
        self.list.show_cards(cards, follow)
        self._stack.setCurrentWidget(self.list)

    def show_empty(self, sentence: str, action: str = "") -> None:
        """Nothing to list: say so, with one action."""
        self.list.show_cards([])
        self.empty.set_sentence(sentence, action)
        self._stack.setCurrentWidget(self.empty)

    def show_loading(self) -> None:
        self.list.show_cards([])
        self._stack.setCurrentWidget(self._skeleton)

    @property
    def is_empty(self) -> bool:
        return self._stack.currentWidget() is self.empty

    def first_focus(self) -> QWidget:
        """What gets the focus when the view is entered."""
        if self._stack.currentWidget() is self.list:
            return self.list
        return self.empty.button if self.empty.button.isVisibleTo(self.empty) else self

    def enter(self) -> None:
        """Put the focus where the view begins."""
        target = self.first_focus()
        if target is self.list:
            self.list.choose_first()
        else:
            target.setFocus(Qt.FocusReason.TabFocusReason)

    def make_choice(self, name: str, choices: Sequence[str], index: int = 0) -> ChoiceButton:
        """A button with a menu of a few choices, added to the tools."""
        button = ChoiceButton(self.theme, name, choices, index)
        self.tools.addWidget(button)
        return button

    def _lay_out(self) -> None:
        layout = column(self, margins=(EDGE, 0, 0, 0))
        head = QWidget()
        line = _with_end(self.head)
        line.setSpacing(self.theme.px(12))
        line.insertWidget(0, self.list_button)
        line.addWidget(self.inspector_button)
        head.setLayout(line)
        head.setFixedHeight(HEAD)
        self.head.addWidget(self.title)
        self.head.addWidget(self.note, 1, Qt.AlignmentFlag.AlignVCenter)
        layout.addWidget(head)
        layout.addLayout(_with_end(self.tools))
        layout.addSpacing(8)
        layout.addLayout(_with_end(self.above))
        for page in (self.list, self.empty, self._skeleton):
            self._stack.addWidget(page)
        # The list reaches to the edge, so that its scroll bar stands there and not within the cards.
        layout.addWidget(self._stack, 1)


def _with_end(inside: QBoxLayout) -> QHBoxLayout:
    end = row(margins=(0, 0, EDGE, 0))
    end.addLayout(inside, 1)
    return end


class ChoiceButton(Button):
    """A button that shows the choice taken and opens a menu of all. `changed(index)`."""

    changed = Signal(int)

    def __init__(self, theme: Theme, name: str, choices: Sequence[str], index: int = 0) -> None:
        super().__init__(theme, choices[index], "outline", trailing_icon="chevron-down")
        self._name = name
        self._choices: list[str] = []
        self.index = index
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.set_choices(choices, index)
        self.clicked.connect(self._open)

    @property
    def choices(self) -> list[str]:
        return list(self._choices)

    def set_choices(self, choices: Sequence[str], index: int = 0) -> None:
        """Offer other choices; tells nobody."""
        self._choices, self.index = list(choices), index
        self._show_choice()

    def choose(self, index: int) -> None:
        if index != self.index:
            self.index = index
            self._show_choice()
            self.changed.emit(index)

    def _show_choice(self) -> None:
        self.set_text(self._choices[self.index])
        self.setAccessibleName(f"{self._name}: {self._choices[self.index]}")

    def _open(self) -> None:
        menu = Menu(self._theme, self._name, self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        for number, choice in enumerate(self._choices):
            action = menu.addAction(choice, partial(self.choose, number))
            action.setCheckable(True)
            action.setChecked(number == self.index)
        menu.open_below(self)
