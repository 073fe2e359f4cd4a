"""The theme of the running program: which colour scheme, which zoom, and everything made from them."""

from typing import Literal

from PySide6.QtCore import QObject, QRect, QRectF, Qt, Signal, Slot
from PySide6.QtGui import QColor, QFont, QIcon, QPainter, QPalette
from PySide6.QtWidgets import QApplication, QStyle

from desktop.qt.focus_ring import FocusRings
from desktop.qt.fonts import load_fonts, make_font
from desktop.qt.icons import IconPainter, icon
from desktop.qt.stylesheet import style_sheet
from desktop.qt.tokens import DARK, LIGHT, MOTION_MS, TEXT_STYLES, ZOOM_STEPS, Tokens

Mode = Literal["system", "light", "dark"]


def nearest_zoom(percent: float, direction: int = 0) -> int:
    """The zoom step nearest to `percent`, or the next one up (direction 1) or down (-1); stays within 80 to 160."""
    if direction > 0:
        return min((z for z in ZOOM_STEPS if z > percent), default=ZOOM_STEPS[-1])
    if direction < 0:
        return max((z for z in ZOOM_STEPS if z < percent), default=ZOOM_STEPS[0])
    return min(ZOOM_STEPS, key=lambda step: abs(step - percent))


def choose_tokens(mode: Mode, system_dark: bool, high_contrast: bool) -> Tokens:
    """The colour scheme for what the user chose and what the system says."""
    dark = system_dark if mode == "system" else mode == "dark"
    tokens = DARK if dark else LIGHT
    return tokens.with_high_contrast() if high_contrast else tokens


class Theme(QObject):
    """Colours, fonts, lengths and icons in force; `changed` is emitted after each switch of scheme or zoom.

    Made once, after the QApplication and before the first window (20 ms: fonts, palette, style sheet), and handed
    to every widget as its argument `theme`. Widgets read it while painting and repaint on `changed`.
    """

    changed = Signal()

    def __init__(
        self, app: QApplication, mode: Mode = "system", zoom: int = 100, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        load_fonts(app)
        self._app = app
        self._mode: Mode = mode
        self._zoom = nearest_zoom(zoom)
        self._fonts: dict[tuple[str, bool, int, bool], QFont] = {}
        self.icon_painter = IconPainter()
        self._hints = app.styleHints()
        self._accessibility = self._hints.accessibility()
        app.setStyle("Fusion")
        app.setCursorFlashTime(0)
        self._reduced_motion = app.style().styleHint(QStyle.StyleHint.SH_Widget_Animation_Duration) == 0
        self._tell_system()
        self.tokens = self._choose()
        self._apply()
        self._rings = FocusRings(self, app)
        self._hints.colorSchemeChanged.connect(self._system_changed)
        self._accessibility.contrastPreferenceChanged.connect(self._system_changed)

    # What the user sets

    @property
    def mode(self) -> Mode:
        return self._mode

    def set_mode(self, mode: Mode) -> None:
        """Follow the system, or stay light or dark. Native dialogs and window frames go along where they can."""
        if mode == self._mode:
            return
        self._mode = mode
        self._tell_system()
        self._refresh()

    @property
    def zoom(self) -> int:
        """Zoom in percent, one of ZOOM_STEPS."""
        return self._zoom

    def set_zoom(self, percent: int) -> None:
        """Set the zoom to the step nearest to `percent` (80 to 160)."""
        zoom = nearest_zoom(percent)
        if zoom != self._zoom:
            self._zoom = zoom
            self._fonts.clear()
            self._apply()
            self.changed.emit()

    def step_zoom(self, direction: int) -> None:
        """One step larger (1), smaller (-1), or back to 100 % (0)."""
        self.set_zoom(nearest_zoom(self._zoom, direction) if direction else 100)

    @property
    def motion_ms(self) -> int:
        """How long folding and fading take: 120 ms, or 0 when motion is to be reduced."""
        return 0 if self._reduced_motion else MOTION_MS

    def set_reduced_motion(self, reduced: bool) -> None:
        self._reduced_motion = reduced

    # What widgets read

    @property
    def dark(self) -> bool:
        return self.tokens.dark

    def px(self, length: float) -> int:
        """A length at 100 % in pixels at the zoom in force; at least 1 for anything above 0."""
        scaled = round(length * self._zoom / 100)
        return max(1, scaled) if length > 0 else scaled

    def color(self, token: str) -> QColor:
        """A colour by the name of its token. Raises KeyError when there is none of that name."""
        return QColor(self.tokens.color(token))

    def font(self, style: str = "ui", *, mono: bool = False, weight: int = 0, italic: bool = False) -> QFont:
        """A font by the name of its text style (TEXT_STYLES); `weight` 400, 500 or 600, 0 for that of the style.

        "code" is always monospaced. The font is a copy: change it freely.
        """
        key = (style, mono or style == "code", weight, italic)
        if key not in self._fonts:
            self._fonts[key] = make_font(
                TEXT_STYLES[style], self._zoom / 100, mono=key[1], weight=weight, italic=italic
            )
        return QFont(self._fonts[key])

    def line_height(self, style: str = "ui") -> int:
        """Line height of a text style in pixels at the zoom in force."""
        return self.px(TEXT_STYLES[style].line)

    def icon(self, name: str, token: str = "text2") -> QIcon:
        """A Lucide icon in a token's colour, at any size; it follows the theme by itself."""
        return icon(self, name, token)

    def paint_icon(self, painter: QPainter, rect: QRectF | QRect, name: str, token: str = "text2") -> None:
        """Draw a Lucide icon into `rect`."""
        self.icon_painter.paint(painter, rect, name, self.tokens.color(token))

    # How it comes about

    def _choose(self) -> Tokens:
        return choose_tokens(
            self._mode,
            self._hints.colorScheme() == Qt.ColorScheme.Dark,
            self._accessibility.contrastPreference() == Qt.ContrastPreference.HighContrast,
        )

    def _tell_system(self) -> None:
        if self._mode == "system":
            self._hints.unsetColorScheme()
        else:
            self._hints.setColorScheme(Qt.ColorScheme.Dark if self._mode == "dark" else Qt.ColorScheme.Light)

    @Slot()
    def _system_changed(self) -> None:
        self._refresh()

    def _refresh(self) -> None:
        tokens = self._choose()
        if tokens != self.tokens:
            self.tokens = tokens
            self._apply()
            self.changed.emit()

    def _apply(self) -> None:
        self._app.setPalette(make_palette(self.tokens))
        self._app.setFont(self.font())
        self._app.setStyleSheet(style_sheet(self.tokens, self.px))


def make_palette(tokens: Tokens) -> QPalette:
    """The QPalette of a colour scheme, for what Qt draws without the style sheet."""
    role, group = QPalette.ColorRole, QPalette.ColorGroup
    colors = {
        role.Window: tokens.bg_surface,
        role.WindowText: tokens.text,
        role.Base: tokens.bg_surface,
        role.AlternateBase: tokens.bg_sunken,
        role.Text: tokens.text,
        role.PlaceholderText: tokens.text3,
        role.Button: tokens.bg_raised,
        role.ButtonText: tokens.text,
        role.BrightText: tokens.danger,
        role.Highlight: tokens.selection,
        role.HighlightedText: tokens.text,
        role.Accent: tokens.accent,
        role.Link: tokens.link,
        role.LinkVisited: tokens.link,
        role.ToolTipBase: tokens.bg_raised,
        role.ToolTipText: tokens.text,
        role.Light: tokens.bg_raised,
        role.Midlight: tokens.border,
        role.Mid: tokens.border_strong,
        role.Dark: tokens.border_control,
        role.Shadow: tokens.border_strong,
    }
    palette = QPalette()
    for name, value in colors.items():
        palette.setColor(name, QColor(value))
    for name in (role.WindowText, role.Text, role.ButtonText):
        palette.setColor(group.Disabled, name, QColor(tokens.text_disabled))
    return palette
