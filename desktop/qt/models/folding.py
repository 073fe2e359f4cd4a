"""What has room beside the view: list and inspector fold in a narrow window, and take turns there when asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QWidget

from desktop.qt.components.button import IconButton
from desktop.qt.theme import Theme

LIST_FROM = 1100  # widths of the window from which on they are open by themselves, as on the chat page
INSPECTOR_FROM = 1280


class FoldButtons(Protocol):
    """What stands at the head of a view: buttons that bring list and inspector back."""

    list_button: IconButton
    inspector_button: IconButton


class Folding(QObject):
    """Shows and hides both; the views' buttons for them stand there only while they are hidden."""

    def __init__(
        self, theme: Theme, page: QWidget, nav: QWidget, inspector: QWidget, views: Sequence[FoldButtons]
    ) -> None:
        super().__init__(page)
        self._theme = theme
        self._page = page
        self._nav = nav
        self._inspector = inspector
        self._views = views
        self.list_wanted = True
        self.inspector_wanted = True
        for view in views:
            view.list_button.clicked.connect(self.toggle_list)
            view.inspector_button.clicked.connect(self.toggle_inspector)

    def fold_for(self, window_width: int) -> None:
        """Fold what has no room in a window of this width."""
        zoom = self._theme.zoom / 100
        self._show(
            self.list_wanted and window_width >= LIST_FROM * zoom,
            self.inspector_wanted and window_width >= INSPECTOR_FROM * zoom,
        )

    def toggle_list(self) -> None:
        """Open or fold the list; in a narrow window it takes the inspector's place."""
        self.list_wanted = self._nav.isHidden()
        self._show(self.list_wanted, not self._inspector.isHidden() and not (self.list_wanted and self._narrow()))

    def toggle_inspector(self) -> None:
        self.inspector_wanted = self._inspector.isHidden()
        self.open_inspector(self.inspector_wanted)

    def open_inspector(self, shown: bool = True) -> None:
        """Make room for the inspector, in a narrow window instead of the list; or fold it."""
        self._show(not self._nav.isHidden() and not (shown and self._narrow()), shown)

    def _narrow(self) -> bool:
        return self._page.window().width() < LIST_FROM * self._theme.zoom / 100

    def _show(self, nav: bool, inspector: bool) -> None:
        self._nav.setVisible(nav)
        self._inspector.setVisible(inspector)
        for view in self._views:
            view.list_button.setVisible(not nav)
            view.inspector_button.setVisible(not inspector)
