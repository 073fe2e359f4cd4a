"""Toasts: what just happened, with the way back. They go by themselves, but not while someone is at them."""

from collections.abc import Callable

from PySide6.QtCore import QEvent, QObject, QPoint, QTimer, Signal, Slot
from PySide6.QtGui import QAccessible, QAccessibleAnnouncementEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QWidget

from desktop.qt.components import paint
from desktop.qt.components.button import Button, IconButton
from desktop.qt.components.label import Label
from desktop.qt.theme import Theme
from desktop.qt.tokens import RADIUS_CARD, STATUS_BAR, TARGET_MIN

LIFE_MS = 6000
LIFE_WITH_ACTION_MS = 10_000
MOST = 3
WIDEST = 520


class Toast(QFrame):
    """One toast. `action_clicked` comes at most once; `gone` when it has left, by itself or not."""

    action_clicked = Signal()
    gone = Signal(QWidget)

    def __init__(self, theme: Theme, text: str, action: str, life_ms: int, parent: QWidget | None) -> None:
        super().__init__(parent)
        self._theme = theme
        self.setAccessibleName(text)
        self._row = QHBoxLayout(self)
        # A reason may be long: it wraps, it is never cut.
        wide = paint.text_width(text, theme.font("ui")) > theme.px(WIDEST)
        label = Label(theme, text, wrap=wide)
        if wide:
            label.setFixedWidth(theme.px(WIDEST))
        self._row.addWidget(label, 1)
        self.action = Button(theme, action, "ghost", small=True) if action else None
        if self.action is not None:
            self.action.clicked.connect(self._act)
            self._row.addWidget(self.action)
        self.close_button = IconButton(theme, "x", "Dismiss", size=TARGET_MIN, icon_size=14)
        self.close_button.clicked.connect(self.leave)
        self._row.addWidget(self.close_button)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(life_ms)
        self._timer.timeout.connect(self._time_up)
        theme.changed.connect(self.retheme)
        self.retheme()

    def start(self) -> None:
        """Show it, and tell screen readers, who may be elsewhere."""
        self.show()
        self._timer.start()
        QAccessible.updateAccessibility(QAccessibleAnnouncementEvent(self, self.accessibleName()))

    @Slot()
    def leave(self) -> None:
        """Go now."""
        self._timer.stop()
        self.hide()
        self.gone.emit(self)

    @Slot()
    def _act(self) -> None:
        self.action_clicked.emit()
        self.leave()

    @Slot()
    def _time_up(self) -> None:
        # Someone about to press Undo must not have it vanish under the pointer or the focus.
        focused = self.focusWidget()
        if self.underMouse() or (focused is not None and focused.hasFocus()):
            self._timer.start()
        else:
            self.leave()

    @Slot()
    def retheme(self) -> None:
        px = self._theme.px
        self._row.setContentsMargins(px(16), px(6), px(8), px(6))
        self._row.setSpacing(px(8))
        self.setMinimumWidth(px(240))
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = paint.antialiased(QPainter(self))
        color = self._theme.color
        paint.box(painter, self.rect(), self._theme.px(RADIUS_CARD), color("bg_raised"), color("border_control"))


class ToastHost(QObject):
    """Stacks toasts at the bottom of a window, newest lowest, three at most.

    `floor()` gives the widget of the window that they stay above, centred: it is being used while they are read.
    """

    def __init__(self, theme: Theme, window: QWidget, floor: Callable[[], QWidget | None] = lambda: None) -> None:
        super().__init__(window)
        self._theme = theme
        self._window = window
        self._floor = floor
        self._toasts: list[Toast] = []
        window.installEventFilter(self)

    @property
    def toasts(self) -> tuple[Toast, ...]:
        return tuple(self._toasts)

    def show_toast(
        self, text: str, *, undo: Callable[[], None] | None = None, action: str = "Undo", life_ms: int = 0
    ) -> Toast:
        """Show a sentence; with `undo` a button that calls it. Stays 6 s, or 10 s when there is something to press."""
        life = life_ms or (LIFE_WITH_ACTION_MS if undo else LIFE_MS)
        toast = Toast(self._theme, text, action if undo else "", life, self._window)
        if undo is not None:
            toast.action_clicked.connect(undo)
        toast.gone.connect(self._gone)
        self._toasts.append(toast)
        while len(self._toasts) > MOST:
            self._toasts[0].leave()
        toast.adjustSize()
        self._place()  # before it is shown: it must not flash elsewhere, nor count as under the pointer there
        toast.start()
        return toast

    @Slot(QWidget)
    def _gone(self, toast: QWidget) -> None:
        self._toasts = [other for other in self._toasts if other is not toast]
        toast.deleteLater()
        self._place()

    def _place(self) -> None:
        px = self._theme.px
        middle, bottom = self._window.width() // 2, self._window.height() - px(STATUS_BAR)
        if (floor := self._floor()) is not None:
            top = floor.mapTo(self._window, QPoint(floor.width() // 2, 0))
            middle, bottom = top.x(), top.y()
        bottom -= px(12)
        for toast in reversed(self._toasts):
            bottom -= toast.height()
            toast.move(QPoint(max(0, middle - toast.width() // 2), bottom))
            toast.raise_()
            bottom -= px(8)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Resize:
            self._place()
        return False
