"""One of a few: the segmented control, also used as tabs."""

from collections.abc import Sequence

from PySide6.QtCore import QPoint, QSize, Qt, Signal, Slot
from PySide6.QtGui import QKeyEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QButtonGroup, QHBoxLayout, QRadioButton, QSizePolicy, QWidget

from desktop.qt.components import paint
from desktop.qt.focus_ring import give_ring
from desktop.qt.theme import Theme
from desktop.qt.tokens import BUTTON_SMALL, RADIUS_BUTTON, RADIUS_CARD

MARGIN = 2


class Segment(QRadioButton):
    """One choice of a segmented control; a radio button to keyboards and screen readers."""

    def __init__(self, theme: Theme, text: str, parent: QWidget) -> None:
        super().__init__(parent)
        self._theme = theme
        self._label = text
        self.setText(text.replace("&", "&&"))
        self.setAccessibleName(text)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        give_ring(self, RADIUS_BUTTON)

    def sizeHint(self) -> QSize:
        words = paint.text_width(self._label, self._theme.font("small", weight=500))
        return QSize(words + 2 * self._theme.px(12), self._theme.px(BUTTON_SMALL) - self._theme.px(MARGIN))

    def minimumSizeHint(self) -> QSize:
        return self.sizeHint()

    def hitButton(self, pos: QPoint) -> bool:
        return self.rect().contains(pos)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = paint.antialiased(QPainter(self))
        color = self._theme.color
        radius = self._theme.px(RADIUS_BUTTON)
        if self.isChecked() and self.isEnabled():
            ground, edge = ("bg_chip", "border_strong") if self._theme.dark else ("bg_surface", "border")
            paint.box(painter, self.rect(), radius, color(ground), color(edge))
        elif self.underMouse() and self.isEnabled():
            paint.box(painter, self.rect(), radius, color("bg_selected" if self.isDown() else "bg_hover"))
        token = "text_disabled" if not self.isEnabled() else "text" if self.isChecked() else "text2"
        font = self._theme.font("small", weight=500)
        paint.text(painter, self.rect(), self._label, font, color(token), align=Qt.AlignmentFlag.AlignHCenter)


class Segmented(QWidget):
    """A row of choices, one of them taken. Tab reaches the taken one, arrow keys take another.

    `changed(index)` comes when the user or `set_index` takes another choice.
    """

    changed = Signal(int)

    def __init__(self, theme: Theme, name: str, choices: Sequence[str], index: int = 0, parent: QWidget | None = None):
        super().__init__(parent)
        self._theme = theme
        self.setAccessibleName(name)
        self.setSizePolicy(QSizePolicy.Policy.Minimum, QSizePolicy.Policy.Fixed)
        self._row = QHBoxLayout(self)
        self._row.setSpacing(0)
        self._group = QButtonGroup(self)
        for number, choice in enumerate(choices):
            segment = Segment(theme, choice, self)
            self._group.addButton(segment, number)
            self._row.addWidget(segment)
        self._group.button(index).setChecked(True)
        self._set_tab_stop()
        self._group.idToggled.connect(self._toggled)
        theme.changed.connect(self.retheme)
        self.retheme()

    @property
    def index(self) -> int:
        """Number of the taken choice, from 0."""
        return self._group.checkedId()

    def set_index(self, index: int) -> None:
        self._group.button(index).setChecked(True)

    def focus_stop(self) -> QWidget:
        """What Tab reaches: the taken choice."""
        return self._group.button(self.index)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        last = len(self._group.buttons()) - 1
        wanted = {Qt.Key.Key_Home: 0, Qt.Key.Key_End: last}.get(Qt.Key(event.key()))
        if wanted is None:
            super().keyPressEvent(event)
            return
        self.set_index(wanted)
        self._group.button(wanted).setFocus(Qt.FocusReason.TabFocusReason)

    @Slot(int, bool)
    def _toggled(self, index: int, on: bool) -> None:
        if on:
            self._set_tab_stop()
            self.changed.emit(index)

    def _set_tab_stop(self) -> None:
        # Qt does this only once the group has had the focus; before that Tab would stop at each choice.
        for segment in self._group.buttons():
            stop = Qt.FocusPolicy.StrongFocus if segment.isChecked() else Qt.FocusPolicy.ClickFocus
            segment.setFocusPolicy(stop)

    @Slot()
    def retheme(self) -> None:
        margin = self._theme.px(MARGIN)
        self._row.setContentsMargins(margin, margin, margin, margin)
        self.updateGeometry()
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = paint.antialiased(QPainter(self))
        color = self._theme.color
        ground = "bg_sunken" if self._theme.dark else "bg_chip"
        paint.box(painter, self.rect(), self._theme.px(RADIUS_CARD), color(ground), color("border"))


class Tabs(Segmented):
    """A segmented control that chooses a page; connect `changed` to `QStackedWidget.setCurrentIndex`."""
