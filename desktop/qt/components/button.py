"""Buttons: primary, outline, ghost, danger, and those of an icon alone."""

from dataclasses import dataclass
from typing import Literal

from PySide6.QtCore import QEvent, QRect, QRectF, QSize, Qt, Slot
from PySide6.QtGui import QKeyEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QPushButton, QSizePolicy, QWidget

from desktop.qt.components import paint
from desktop.qt.focus_ring import give_ring
from desktop.qt.theme import Theme
from desktop.qt.tokens import BUTTON, BUTTON_SMALL, RADIUS_BUTTON

Kind = Literal["primary", "outline", "ghost", "danger"]
ICON = 16
GAP = 8


@dataclass(frozen=True, slots=True)
class Look:
    """Tokens of a button in one state; "" means nothing is drawn."""

    fill: str
    border: str
    text: str
    icon: str


def button_look(kind: Kind, *, enabled: bool, hover: bool, down: bool, checked: bool = False) -> Look:
    """What a button of a kind looks like in a state."""
    if not enabled:
        return Look(
            {"primary": "bg_chip"}.get(kind, ""),
            "border" if kind in ("outline", "danger") else "",
            "text_disabled",
            "text_disabled",
        )
    if kind == "primary":
        return Look("accent_hover" if hover or down else "accent", "", "on_accent", "on_accent")
    shade = "bg_selected" if down else "bg_hover" if hover else ""
    if kind == "ghost":
        token = "accent" if checked else "text" if hover or down else "text2"
        return Look(shade, "", token, token)
    text = "danger" if kind == "danger" else "text"
    return Look(shade or "bg_raised", "border_strong", text, "danger" if kind == "danger" else "text2")


class Button(QPushButton):
    """A button of words, with an icon before them and, for menus, one behind.

    Reached by Tab and pressed by Space or Enter. A click leaves the focus where it was, so that writing can go on.
    """

    def __init__(
        self,
        theme: Theme,
        text: str,
        kind: Kind = "outline",
        *,
        icon: str = "",
        trailing_icon: str = "",
        small: bool = False,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._theme = theme
        self._kind: Kind = kind
        self._icon_name = icon
        self._trailing = trailing_icon
        self._height = BUTTON_SMALL if small else BUTTON
        self._label = ""
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setSizePolicy(QSizePolicy.Policy.Minimum, QSizePolicy.Policy.Fixed)
        give_ring(self, RADIUS_BUTTON)
        self.set_text(text)
        theme.changed.connect(self.retheme)

    def set_text(self, text: str) -> None:
        """Change the words. An ampersand is an ampersand, no mnemonic."""
        self._label = text
        self.setText(text.replace("&", "&&"))
        self.setAccessibleName(text)
        self.updateGeometry()

    def set_icon(self, name: str) -> None:
        """Change the icon; "" shows none."""
        self._icon_name = name
        self.updateGeometry()
        self.update()

    def set_kind(self, kind: Kind) -> None:
        """Change what kind of button it is."""
        self._kind = kind
        self.update()

    @Slot()
    def retheme(self) -> None:
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        px = self._theme.px
        icons = sum(px(ICON) + px(GAP) for name in (self._icon_name, self._trailing) if name)
        words = paint.text_width(self._label, self._theme.font("label"))
        return QSize(words + icons + 2 * px(12), px(self._height))

    def minimumSizeHint(self) -> QSize:
        return self.sizeHint()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and not event.isAutoRepeat():
            self.click()
            return
        super().keyPressEvent(event)

    def look(self) -> Look:
        """What the button looks like now."""
        down = self.isDown() or (self.menu() is not None and self.menu().isVisible())
        hover = self.underMouse() and self.isEnabled()
        return button_look(self._kind, enabled=self.isEnabled(), hover=hover, down=down, checked=self.isChecked())

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = paint.antialiased(QPainter(self))
        look = self.look()
        color = self._theme.color
        paint.box(
            painter,
            self.rect(),
            self._theme.px(RADIUS_BUTTON),
            color(look.fill) if look.fill else None,
            color(look.border) if look.border else None,
        )
        self._paint_content(painter, look)

    def _paint_content(self, painter: QPainter, look: Look) -> None:
        px = self._theme.px
        font = self._theme.font("label")
        side, gap = px(ICON), px(GAP)
        words = paint.text_width(self._label, font)
        content = words + sum(side + gap for name in (self._icon_name, self._trailing) if name)
        x = max(px(8), (self.width() - content) // 2)
        top = (self.height() - side) // 2
        if self._icon_name:
            self._theme.paint_icon(painter, QRect(x, top, side, side), self._icon_name, look.icon)
            x += side + gap
        room = self.width() - x - (side + gap + px(8) if self._trailing else px(4))
        area = QRectF(x, 0, min(words, max(0, room)), self.height())
        paint.text(painter, area, self._label, font, self._theme.color(look.text))
        if self._trailing:
            spot = QRect(int(area.right()) + gap, top, side, side)
            self._theme.paint_icon(painter, spot, self._trailing, look.icon)


class IconButton(Button):
    """A square button of one icon. `name` is what a screen reader says and the tooltip shows, with `keys` behind it."""

    def __init__(
        self,
        theme: Theme,
        icon: str,
        name: str,
        kind: Kind = "ghost",
        *,
        keys: str = "",
        size: int = BUTTON,
        icon_size: int = 18,
        token: str = "",
        parent: QWidget | None = None,
    ) -> None:
        self._side = size
        self._icon_size = icon_size
        self._token = token
        super().__init__(theme, "", kind, icon=icon, parent=parent)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.set_name(name, keys)

    def set_name(self, name: str, keys: str = "") -> None:
        """Change what the button is called."""
        self.setAccessibleName(name)
        self.setToolTip(f"{name} ({keys})" if keys else name)

    def set_token(self, token: str) -> None:
        """Show the icon in this colour while nothing else asks for another; "" for the usual one."""
        self._token = token
        self.update()

    def sizeHint(self) -> QSize:
        side = self._theme.px(self._side)
        return QSize(side, side)

    def _paint_content(self, painter: QPainter, look: Look) -> None:
        side = self._theme.px(self._icon_size)
        spot = QRect((self.width() - side) // 2, (self.height() - side) // 2, side, side)
        token = self._token if self._token and self.isEnabled() else look.icon
        self._theme.paint_icon(painter, spot, self._icon_name, token)

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.HoverEnter or event.type() == QEvent.Type.HoverLeave:
            self.update()
        return super().event(event)
