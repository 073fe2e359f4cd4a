"""Pieces of the status bar: an item of words, and a meter of a small bar with words on either side."""

from PySide6.QtCore import QRect, QRectF, QSize, Qt, Slot
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QProgressBar, QPushButton, QSizePolicy, QWidget

from desktop.qt.components import paint
from desktop.qt.components.label import plain_tooltip
from desktop.qt.focus_ring import give_ring
from desktop.qt.theme import Theme
from desktop.qt.tokens import RADIUS_CHIP, TARGET_MIN

ICON = 14
DOT = 7
BAR = 64
GAP = 8


class StatusItem(QPushButton):
    """Words with an icon or a dot in front. With `pressable` it opens something; otherwise it is only read."""

    def __init__(
        self,
        theme: Theme,
        name: str,
        *,
        icon: str = "",
        dot: str = "",
        token: str = "text2",
        pressable: bool = False,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._theme = theme
        self._name = name
        self._icon, self._dot, self._token = icon, dot, token
        self._words = ""
        self._pressable = pressable
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus if pressable else Qt.FocusPolicy.NoFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents, not pressable)
        self.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        give_ring(self, RADIUS_CHIP)
        self.set_words("")
        theme.changed.connect(self.retheme)

    @property
    def words(self) -> str:
        return self._words

    def set_words(self, words: str, *, token: str = "", dot: str = "", icon: str = "", tooltip: str = "") -> None:
        """Show words; a token, dot (a token too) or icon stays as it was when not given."""
        changed = (words, token or self._token, dot or self._dot, icon or self._icon)
        if changed != (self._words, self._token, self._dot, self._icon):
            self._words, self._token, self._dot, self._icon = changed
            self.retheme()
        self.setAccessibleName(f"{self._name}: {words}" if words else self._name)
        self.setToolTip(plain_tooltip(tooltip))

    @Slot()
    def retheme(self) -> None:
        self.updateGeometry()
        self.update()

    def _mark(self) -> int:
        return ICON if self._icon else DOT if self._dot else 0

    def _weight(self) -> int:
        return 500 if self._dot or self._token in ("accent", "cloud") else 400

    def sizeHint(self) -> QSize:
        px = self._theme.px
        mark = px(self._mark()) + px(6) if self._mark() else 0
        words = paint.text_width(self._words, self._theme.font("small", weight=self._weight()))
        return QSize(px(6) + mark + words + px(6), px(TARGET_MIN))

    def minimumSizeHint(self) -> QSize:
        return QSize(self._theme.px(TARGET_MIN), self._theme.px(TARGET_MIN))

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = paint.antialiased(QPainter(self))
        px, color = self._theme.px, self._theme.color
        if self._pressable and (self.isDown() or self.underMouse()):
            paint.box(painter, self.rect(), px(RADIUS_CHIP), color("bg_selected" if self.isDown() else "bg_hover"))
        x, middle = px(6), self.height() / 2
        if self._icon:
            side = px(ICON)
            self._theme.paint_icon(painter, QRect(x, round(middle - side / 2), side, side), self._icon, self._token)
        elif self._dot:
            paint.disc(painter, x + px(DOT) / 2, middle, px(DOT) / 2, color(self._dot))
        if self._mark():
            x += px(self._mark()) + px(6)
        font = self._theme.font("small", weight=self._weight())
        area = QRectF(x, 0, self.width() - x - px(2), self.height())
        paint.text(painter, area, self._words, font, color(self._token))


class Meter(QProgressBar):
    """A named share with its figures: "RAM ▬▬ 5.4 of 16 GB". From 90 % the bar turns to warning."""

    def __init__(self, theme: Theme, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._name = name
        self._words = ""
        self.setRange(0, 1000)
        self.setTextVisible(False)
        self.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        self.set_share(0.0, "")
        theme.changed.connect(self.retheme)

    def set_share(self, fraction: float, words: str, tooltip: str = "") -> None:
        """Show a share of 0 to 1 and the figures behind the bar."""
        self.setValue(round(1000 * min(1.0, max(0.0, fraction))))
        if words != self._words:
            self._words = words
            self.updateGeometry()
        self.setAccessibleName(f"{self._name}: {words}" if words else self._name)
        self.setToolTip(plain_tooltip(tooltip))
        self.update()

    @property
    def words(self) -> str:
        return self._words

    @Slot()
    def retheme(self) -> None:
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        px, font = self._theme.px, self._theme.font("small")
        words = paint.text_width(self._words, font) + px(GAP) if self._words else 0
        return QSize(paint.text_width(self._name, font) + px(GAP) + px(BAR) + words + px(2), px(TARGET_MIN))

    def minimumSizeHint(self) -> QSize:
        return self.sizeHint()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = paint.antialiased(QPainter(self))
        px, color, font = self._theme.px, self._theme.color, self._theme.font("small")
        name = paint.text_width(self._name, font)
        paint.text(painter, QRectF(0, 0, name, self.height()), self._name, font, color("text2"))
        line = QRectF(name + px(GAP), self.height() / 2 - px(2), px(BAR), px(4))
        share = self.value() / 1000
        paint.bar(painter, line, share, color("warning" if share >= 0.9 else "accent"), color("border_strong"))
        x = line.right() + px(GAP)
        paint.text(painter, QRectF(x, 0, self.width() - x, self.height()), self._words, font, color("text2"))
