"""The navigation rail: one button per page that exists, settings at the foot."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QEnterEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QAbstractButton, QButtonGroup, QWidget

from desktop.qt.focus_ring import give_ring
from desktop.qt.surface import Pane, column
from desktop.qt.theme import Theme
from desktop.qt.tokens import RADIUS_CARD, RAIL


class RailButton(QAbstractButton):
    """An icon above its word; the page that is shown is marked by colour and weight, running work by a dot."""

    def __init__(self, theme: Theme, icon: str, text: str, *, checkable: bool = True) -> None:
        super().__init__()
        self._theme = theme
        self._icon_name = icon
        self._dot = False
        self.setText(text)
        self.setCheckable(checkable)
        self.setAccessibleName(text)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        give_ring(self, RADIUS_CARD)
        theme.changed.connect(self.updateGeometry)
        theme.changed.connect(self.update)

    def set_dot(self, shown: bool) -> None:
        """Mark that something is running on this page."""
        if shown != self._dot:
            self._dot = shown
            self.setAccessibleDescription("Work is running" if shown else "")
            self.update()

    def sizeHint(self) -> QSize:
        return QSize(self._theme.px(RAIL), self._theme.px(56))

    def enterEvent(self, event: QEnterEvent) -> None:
        super().enterEvent(event)
        self.update()

    def leaveEvent(self, event: QEvent) -> None:
        super().leaveEvent(event)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        px, theme = self._theme.px, self._theme
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        pill = QRectF((self.width() - px(36)) / 2, px(4), px(36), px(28))
        active = self.isChecked()
        if active or self.underMouse() or self.isDown():
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(theme.color("accent_subtle" if active else "bg_selected" if self.isDown() else "bg_hover"))
            painter.drawRoundedRect(pill, px(RADIUS_CARD), px(RADIUS_CARD))
        icon = QRectF(0, 0, px(20), px(20))
        icon.moveCenter(pill.center())
        theme.paint_icon(painter, icon, self._icon_name, "accent" if active else "text2")
        if self._dot:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(theme.color("accent"))
            painter.drawEllipse(QRectF(pill.right() - px(8), pill.top(), px(8), px(8)))
        painter.setFont(theme.font("meta", weight=600 if active else 500))
        painter.setPen(theme.color("accent" if active else "text2"))
        words = QRect(0, px(34), self.width(), px(18))
        painter.drawText(words, Qt.AlignmentFlag.AlignCenter, self.text())


class Mark(QWidget):
    """The program's mark: a prompt on a rounded square."""

    def __init__(self, theme: Theme, side: int = 30) -> None:
        super().__init__()
        self._theme = theme
        self._side = side
        theme.changed.connect(self._resized)
        self._resized()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        paint_mark(painter, QRectF(self.rect()), self._theme)

    def _resized(self) -> None:
        self.setFixedSize(self._theme.px(self._side), self._theme.px(self._side))
        self.update()


def paint_mark(painter: QPainter, box: QRectF, theme: Theme) -> None:
    """Draw the mark into a square."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(theme.color("accent"))
    radius = box.width() * 0.24
    painter.drawRoundedRect(box, radius, radius)
    inset = box.width() * 0.2
    theme.paint_icon(painter, box.adjusted(inset, inset, -inset, -inset), "terminal", "on_accent")


class Rail(Pane):
    """`page_asked(id)` when the user chooses a page; `settings_asked` at the foot."""

    page_asked = Signal(str)
    settings_asked = Signal()

    def __init__(self, theme: Theme) -> None:
        super().__init__(theme, "bg_app")
        self.setAccessibleName("Navigation")
        self._buttons: dict[str, RailButton] = {}
        self._group = QButtonGroup(self)
        self._layout = column(self, margins=(0, 12, 0, 8), gap=4)
        self._layout.addWidget(Mark(theme), 0, Qt.AlignmentFlag.AlignHCenter)
        self._layout.addSpacing(12)
        self._layout.addStretch(1)
        self.settings = RailButton(theme, "settings", "Settings", checkable=False)
        self.settings.clicked.connect(self.settings_asked)
        self._layout.addWidget(self.settings)
        theme.changed.connect(self._resized)
        self._resized()

    def add_page(self, page_id: str, icon: str, text: str, keys: str) -> None:
        button = RailButton(self.theme, icon, text)
        button.setToolTip(f"{text} ({keys})")
        button.clicked.connect(lambda: self.page_asked.emit(page_id))
        self._group.addButton(button)
        self._layout.insertWidget(2 + len(self._buttons), button)
        self._buttons[page_id] = button
        QWidget.setTabOrder(button, self.settings)

    def show_page(self, page_id: str) -> None:
        self._buttons[page_id].setChecked(True)

    def set_dot(self, page_id: str, shown: bool) -> None:
        self._buttons[page_id].set_dot(shown)

    def first_focus(self) -> QWidget:
        checked = self._group.checkedButton()
        return checked if checked is not None else self.settings

    def _resized(self) -> None:
        self.setFixedWidth(self.theme.px(RAIL))
