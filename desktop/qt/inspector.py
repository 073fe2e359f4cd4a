"""The inspector beside a chat: sources of an answer, what led to it, parameters, and the speed of writing below."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QStackedWidget, QWidget

from desktop.qt.adapters.chat_box import ChatAdapters
from desktop.qt.bridge import Bridge
from desktop.qt.components.gauges import Sparkline
from desktop.qt.components.label import Label
from desktop.qt.components.segmented import Tabs
from desktop.qt.details_tab import DetailsTab
from desktop.qt.figures import in_rate
from desktop.qt.files.evidence import Evidence
from desktop.qt.files.sources_tab import SourcesTab
from desktop.qt.files.why_tab import WhyTab
from desktop.qt.parameters_tab import ParametersTab
from desktop.qt.surface import Line, Pane, column, row
from desktop.qt.theme import Theme
from desktop.qt.tokens import INSPECTOR

TABS = ("sources", "why", "parameters")


class Inspector(Pane):
    """`tab_changed(name)` when another tab is chosen; names are those of TABS."""

    tab_changed = Signal(str)

    def __init__(self, theme: Theme, bridge: Bridge) -> None:
        super().__init__(theme, "bg_list", ("left",))
        self.setAccessibleName("Inspector")
        self.tabs = Tabs(theme, "Inspector", ["Sources", "Why", "Parameters"])
        self.evidence = Evidence(bridge)
        self.sources = SourcesTab(theme, self.evidence)
        self.details = DetailsTab(theme)
        self.why = WhyTab(theme, self.evidence, self.details)
        self.parameters = ParametersTab(theme, ChatAdapters(theme, bridge))
        self._speed = Label(theme, "–", "label")
        self.sparkline = Sparkline(theme, "Tokens per second")
        self._pages = QStackedWidget()
        for page in (self.sources, self.why, self.parameters):
            self._pages.addWidget(page)
        self._lay_out()
        self.tabs.changed.connect(self._pages.setCurrentIndex)
        self.tabs.changed.connect(lambda index: self.tab_changed.emit(TABS[index]))

    @property
    def tab(self) -> str:
        """Name of the tab in view."""
        return TABS[self.tabs.index]

    def show_tab(self, name: str) -> None:
        """Show a tab by name; an unknown one is left as it is (an old state file may name it)."""
        if name in TABS:
            self.tabs.set_index(TABS.index(name))

    def add_speed(self, tokens_per_s: float | None) -> None:
        """Take a measurement of the writing speed; None while nothing is written leaves the last one standing."""
        if tokens_per_s is not None:
            self._speed.setText(in_rate(tokens_per_s))
            self.sparkline.add(tokens_per_s)

    def first_focus(self) -> QWidget:
        inside = {"sources": self.sources.first_focus, "why": self.why.first_focus}.get(self.tab)
        if inside is None:
            return self.parameters.system_prompt
        return inside() or self.tabs.focus_stop()

    def _lay_out(self) -> None:
        layout = column(self, margins=(1, 0, 0, 0))
        head = row(margins=(14, 12, 14, 12))
        head.addWidget(self.tabs, 1)
        layout.addLayout(head)
        layout.addWidget(self._pages, 1)
        layout.addWidget(Line(self.theme))
        foot = column(margins=(14, 8, 14, 10), gap=4)
        words = row()
        words.addWidget(Label(self.theme, "Tokens per second", "small", "text2"), 1)
        words.addWidget(self._speed)
        foot.addLayout(words)
        foot.addWidget(self.sparkline)
        layout.addLayout(foot)
        self.theme.changed.connect(self._resized)
        self._resized()

    def _resized(self) -> None:
        self.setFixedWidth(self.theme.px(INSPECTOR))
