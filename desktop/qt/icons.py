"""Lucide icons (ISC), coloured from the theme's tokens and rendered for the scale of the screen they appear on."""

from functools import cache
from pathlib import Path
from typing import Protocol

from PySide6.QtCore import QByteArray, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QIcon, QIconEngine, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer

from desktop.qt.tokens import ICON_STROKE, Tokens

ICON_FOLDER = Path(__file__).parent / "assets" / "icons"


class IconTheme(Protocol):
    """What an icon needs of a theme: the scheme in force at the moment of painting, and the painter."""

    @property
    def tokens(self) -> Tokens: ...

    @property
    def icon_painter(self) -> "IconPainter": ...


def icon_names() -> list[str]:
    """Names of all icons in the package, sorted."""
    return sorted(path.stem for path in ICON_FOLDER.glob("*.svg"))


@cache
def svg_source(name: str) -> str:
    """The SVG text of an icon with our stroke width. Raises KeyError for a name that is not in the package."""
    try:
        source = (ICON_FOLDER / f"{name}.svg").read_text(encoding="utf-8")
    except FileNotFoundError:
        raise KeyError(f"No icon is called {name!r}; the names are the files in {ICON_FOLDER}.") from None
    return source.replace('stroke-width="2"', f'stroke-width="{ICON_STROKE}"')


class IconPainter:
    """Draws icons and keeps what it parsed: parsing one costs 0.2 ms, keeping it 3 kB. Owned by the theme."""

    def __init__(self) -> None:
        self._renderers: dict[tuple[str, str], QSvgRenderer] = {}

    def paint(self, painter: QPainter, rect: QRectF | QRect, name: str, color: str) -> None:
        """Draw an icon in "#RRGGBB" into the largest square centred in `rect`."""
        box = QRectF(rect)
        side = min(box.width(), box.height())
        square = QRectF(0, 0, side, side)
        square.moveCenter(box.center())
        self._renderer(name, color).render(painter, square)

    def _renderer(self, name: str, color: str) -> QSvgRenderer:
        key = (name, color)
        if key not in self._renderers:
            source = svg_source(name).replace("currentColor", color)
            self._renderers[key] = QSvgRenderer(QByteArray(source.encode()))
        return self._renderers[key]


class LucideEngine(QIconEngine):
    """Paints one icon; asks the theme for the colour each time, so a change of theme needs no new icon."""

    def __init__(self, theme: IconTheme, name: str, token: str) -> None:
        super().__init__()
        svg_source(name)  # a wrong name fails here, not later inside a paint event
        theme.tokens.color(token)
        self._theme = theme
        self._name = name
        self._token = token

    def paint(self, painter: QPainter, rect: QRect, mode: QIcon.Mode, state: QIcon.State) -> None:
        token = "text_disabled" if mode == QIcon.Mode.Disabled else self._token
        self._theme.icon_painter.paint(painter, rect, self._name, self._theme.tokens.color(token))

    def pixmap(self, size: QSize, mode: QIcon.Mode, state: QIcon.State) -> QPixmap:
        pixmap = QPixmap(size)  # in pixels of the screen: QIcon has multiplied by its scale
        pixmap.fill(Qt.GlobalColor.transparent)
        painter = QPainter(pixmap)
        self.paint(painter, pixmap.rect(), mode, state)
        painter.end()
        return pixmap

    def actualSize(self, size: QSize, mode: QIcon.Mode, state: QIcon.State) -> QSize:
        return size

    def isNull(self) -> bool:
        return False

    def key(self) -> str:
        return "lucide"

    def clone(self) -> QIconEngine:
        return LucideEngine(self._theme, self._name, self._token)


def icon(theme: IconTheme, name: str, token: str = "text2") -> QIcon:
    """A QIcon in a token's colour at any size; disabled widgets show it in `text_disabled`.

    Raises KeyError when there is no such icon or token.
    """
    return QIcon(LucideEngine(theme, name, token))
