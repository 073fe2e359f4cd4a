"""What stands where there is nothing yet: an empty state, or a skeleton while something loads."""

from PySide6.QtCore import QRect, QRectF, QSize, Qt, QTimer, Signal, Slot
from PySide6.QtGui import QFontMetrics, QHideEvent, QPainter, QPaintEvent, QResizeEvent, QShowEvent
from PySide6.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from desktop.qt.components import paint
from desktop.qt.components.button import Button
from desktop.qt.components.label import Label
from desktop.qt.theme import Theme

SKELETON_DELAY_MS = 150
LEAST_SENTENCE = 160  # pixels that a sentence is given however narrow its place is


class IconSpot(QWidget):
    """An icon to look at, not to press; hidden from screen readers by having neither name nor role of its own."""

    def __init__(self, theme: Theme, name: str, token: str = "text3", size: int = 32, parent: QWidget | None = None):
        super().__init__(parent)
        self._theme = theme
        self._name = name
        self._token = token
        self._size = size
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        theme.changed.connect(self.retheme)

    @Slot()
    def retheme(self) -> None:
        self.updateGeometry()
        self.update()

    def set_icon(self, name: str, token: str) -> None:
        self._name, self._token = name, token
        self.update()

    def sizeHint(self) -> QSize:
        side = self._theme.px(self._size)
        return QSize(side, side)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = paint.antialiased(QPainter(self))
        self._theme.paint_icon(painter, self.rect(), self._name, self._token)


class EmptyState(QWidget):
    """One sentence and at most one action, in the middle of the empty area."""

    action_clicked = Signal()

    def __init__(
        self, theme: Theme, sentence: str, *, icon: str = "", action: str = "", parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._theme = theme
        self._column = QVBoxLayout(self)
        self._column.setAlignment(Qt.AlignmentFlag.AlignCenter)
        middle = Qt.AlignmentFlag.AlignHCenter
        if icon:
            self._column.addWidget(IconSpot(theme, icon), 0, middle)
        self._sentence = Label(theme, sentence, "ui", "text2", wrap=True)
        self._sentence.setAlignment(middle)
        self._column.addWidget(self._sentence)
        self.button = Button(theme, action, "primary")
        self.button.setVisible(bool(action))
        self.button.clicked.connect(self.action_clicked)
        self._column.addWidget(self.button, 0, middle)
        self.setAccessibleName(sentence)
        theme.changed.connect(self.retheme)
        self.retheme()

    def set_sentence(self, sentence: str, action: str = "") -> None:
        """Say something else, with another action or none."""
        self._sentence.setText(sentence)
        self._fit_sentence()
        self.setAccessibleName(sentence)
        self.button.set_text(action)
        self.button.setVisible(bool(action))

    @Slot()
    def retheme(self) -> None:
        px = self._theme.px
        self._column.setContentsMargins(px(24), px(24), px(24), px(24))
        self._column.setSpacing(px(12))
        self._fit_sentence()

    def _fit_sentence(self) -> None:
        # A fixed size: a label that wraps in an aligned layout is given too little height otherwise.
        words = paint.text_width(self._sentence.text(), self._theme.font())
        room = max(self._theme.px(LEAST_SENTENCE), self.width() - 2 * self._theme.px(24))
        width = min(self._theme.px(420), room, words + 1)
        wrapped = QFontMetrics(self._theme.font()).boundingRect(
            QRect(0, 0, width, 1000), Qt.TextFlag.TextWordWrap, self._sentence.text()
        )
        self._sentence.setFixedSize(width, wrapped.height())

    def minimumSizeHint(self) -> QSize:
        # The sentence follows the width, so it must not decide on it.
        least = super().minimumSizeHint()
        return QSize(min(least.width(), self._theme.px(LEAST_SENTENCE + 48)), least.height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        self._fit_sentence()
        super().resizeEvent(event)


class Skeleton(QWidget):
    """Grey bars in the place of rows that load. They come only after 150 ms, so that what is quick does not flash."""

    def __init__(
        self, theme: Theme, rows: int = 5, *, delay_ms: int = SKELETON_DELAY_MS, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._theme = theme
        self._rows = rows
        self._due = False
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(delay_ms)
        self._timer.timeout.connect(self._appear)
        self.setAccessibleName("Loading")
        theme.changed.connect(self.retheme)

    @property
    def due(self) -> bool:
        """Whether the bars are shown by now."""
        return self._due

    @Slot()
    def retheme(self) -> None:
        self.updateGeometry()
        self.update()

    @Slot()
    def _appear(self) -> None:
        self._due = True
        self.update()

    def showEvent(self, event: QShowEvent) -> None:
        self._due = False
        self._timer.start()

    def hideEvent(self, event: QHideEvent) -> None:
        self._timer.stop()

    def sizeHint(self) -> QSize:
        return QSize(self._theme.px(200), self._rows * self._theme.px(34))

    def paintEvent(self, event: QPaintEvent) -> None:
        if not self._due:
            return
        painter = paint.antialiased(QPainter(self))
        px = self._theme.px
        for row in range(self._rows):
            share = (0.86, 0.64, 0.78, 0.52)[row % 4]
            bar = QRectF(px(8), row * px(34) + px(11), (self.width() - px(16)) * share, px(12))
            paint.box(painter, bar, px(4), self._theme.color("bg_selected"))
