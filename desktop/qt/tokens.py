"""Design tokens: every colour, size and text style of the interface. Pure Python, so tests can reckon with it.

Colours are "#RRGGBB". Lengths are device-independent pixels at zoom 100 %; `Theme.px` scales them.
"""

from dataclasses import dataclass, replace
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Tokens:
    """One colour scheme. The comment after each group says where it is used; nothing else may be used there."""

    name: str
    dark: bool
    # Surfaces: rail and status bar; list and inspector; content.
    bg_app: str
    bg_list: str
    bg_surface: str
    # Cards and menus; code; fields.
    bg_raised: str
    bg_sunken: str
    bg_input: str
    # Rows.
    bg_hover: str
    bg_selected: str
    # Own message; chips and inline code.
    bg_bubble: str
    bg_chip: str
    # Lines; stronger lines; the outline of what can be operated (3:1 on every surface).
    border: str
    border_strong: str
    border_control: str
    # Text: primary, secondary, meta (4.5:1 on every surface), disabled.
    text: str
    text2: str
    text3: str
    text_disabled: str
    # Primary action, focus ring, "local".
    accent: str
    accent_hover: str
    on_accent: str
    accent_subtle: str
    selection: str
    # Only where data leaves this computer.
    cloud: str
    cloud_subtle: str
    # States; always beside an icon or a word.
    success: str
    success_subtle: str
    warning: str
    warning_subtle: str
    danger: str
    danger_subtle: str
    link: str
    # Code.
    code_text: str
    code_keyword: str
    code_string: str
    code_comment: str
    code_number: str
    code_function: str
    code_class: str
    code_operator: str

    def color(self, token: str) -> str:
        """The colour of a token by its name. Raises KeyError for a name that is no colour token."""
        value = getattr(self, token, None)
        if not isinstance(value, str) or not value.startswith("#"):
            raise KeyError(f"No colour token is called {token!r}.")
        return value

    def with_high_contrast(self) -> "Tokens":
        """The same scheme for people who ask their system for more contrast: lines as strong as control outlines."""
        return replace(
            self,
            name=f"{self.name}-contrast",
            border=self.border_control,
            border_strong=self.border_control,
            text2=self.text,
            text3=self.text2,
        )


LIGHT = Tokens(
    name="light",
    dark=False,
    bg_app="#ECEDEA",
    bg_list="#F5F5F3",
    bg_surface="#FFFFFF",
    bg_raised="#FFFFFF",
    bg_sunken="#F6F6F4",
    bg_input="#FFFFFF",
    bg_hover="#E9E9E6",
    bg_selected="#E1E3DF",
    bg_bubble="#F0F1EE",
    bg_chip="#EBECE8",
    border="#E3E4E0",
    border_strong="#C9CBC5",
    border_control="#82867E",
    text="#1B1D1A",
    text2="#52564F",
    text3="#5D615A",
    text_disabled="#A3A69F",
    accent="#0A6C5B",
    accent_hover="#085748",
    on_accent="#FFFFFF",
    accent_subtle="#E0F1EC",
    selection="#BFE3D9",
    cloud="#A1460B",
    cloud_subtle="#FCEBDD",
    success="#176E35",
    success_subtle="#E2F3E6",
    warning="#8A5300",
    warning_subtle="#FBF0DA",
    danger="#B3261E",
    danger_subtle="#FBE7E4",
    link="#0A6583",
    code_text="#24292A",
    code_keyword="#7A3E9D",
    code_string="#1A6E3A",
    code_comment="#696E67",
    code_number="#9A4B00",
    code_function="#0A5C9E",
    code_class="#0A6A74",
    code_operator="#4B5250",
)

DARK = Tokens(
    name="dark",
    dark=True,
    bg_app="#111311",
    bg_list="#171917",
    bg_surface="#1C1E1C",
    bg_raised="#242724",
    bg_sunken="#151715",
    bg_input="#212421",
    bg_hover="#262926",
    bg_selected="#2E322E",
    bg_bubble="#272B28",
    bg_chip="#313530",
    border="#2C302C",
    border_strong="#434843",
    border_control="#757B73",
    text="#ECEEEA",
    text2="#B0B5AE",
    text3="#979D95",
    text_disabled="#5C615B",
    accent="#4CC9AE",
    accent_hover="#6BD9C1",
    on_accent="#05211B",
    accent_subtle="#17322C",
    selection="#24584C",
    cloud="#F0A163",
    cloud_subtle="#38230F",
    success="#63C77F",
    success_subtle="#18301F",
    warning="#E3AB52",
    warning_subtle="#342813",
    danger="#F28B82",
    danger_subtle="#3A1E1B",
    link="#6CC3E0",
    code_text="#DDE1DB",
    code_keyword="#C99BE8",
    code_string="#8CCF9A",
    code_comment="#858C83",
    code_number="#E8AE6B",
    code_function="#7CBEF0",
    code_class="#6FD0D6",
    code_operator="#AEB5AD",
)


@dataclass(frozen=True, slots=True)
class TextStyle:
    """A text size: glyph size and line height in pixels at zoom 100 %, and the CSS weight (400, 500 or 600)."""

    size: int
    line: int
    weight: int = 400


TEXT_STYLES = MappingProxyType(
    {
        "meta": TextStyle(11, 16),
        "small": TextStyle(12, 18),
        "ui": TextStyle(13, 20),
        "label": TextStyle(13, 20, 500),
        "reading": TextStyle(15, 24),
        "title": TextStyle(15, 24, 600),
        "heading": TextStyle(18, 26, 600),
        "display": TextStyle(24, 32, 600),
        "code": TextStyle(13, 20),
    }
)

SPACES = (2, 4, 8, 12, 16, 24, 32, 48)

RADIUS_CHIP = 4
RADIUS_BUTTON = 6
RADIUS_CARD = 8
RADIUS_COMPOSER = 12
RADIUS_BUBBLE = 14

ROW = 34
ROW_TWO_LINES = 50
BUTTON = 32
BUTTON_SMALL = 28
FIELD = 32
TARGET_MIN = 24  # WCAG 2.2, 2.5.8: the least size of anything to be pointed at
HEADER = 52
STATUS_BAR = 28
RAIL = 68
LIST = 268
READING = 744
INSPECTOR = 324

RING_WIDTH = 2
RING_GAP = 2

MOTION_MS = 120
ZOOM_STEPS = (80, 90, 100, 110, 125, 140, 160)
ICON_STROKE = 1.75


def luminance(color: str) -> float:
    """Relative luminance, 0 to 1, of "#RRGGBB". Source: WCAG 2.2, definition of relative luminance."""
    channels = (int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two colours, 1 to 21. Source: WCAG 2.2, definition of contrast ratio."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)
