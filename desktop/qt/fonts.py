"""The bundled fonts: Inter for the interface, JetBrains Mono for code (both OFL), so text measures alike everywhere."""

from pathlib import Path

from PySide6.QtGui import QFont, QFontDatabase, QGuiApplication

from desktop.qt.tokens import TextStyle

SANS = "Inter"
MONO = "JetBrains Mono"
FONT_FOLDER = Path(__file__).parent / "assets" / "fonts"
LOADED = "bundledFonts"
FONT_FILES = (
    "Inter-Regular.otf",
    "Inter-Medium.otf",
    "Inter-SemiBold.otf",
    "Inter-Italic.otf",
    "Inter-SemiBoldItalic.otf",
    "JetBrainsMono-Regular.ttf",
    "JetBrainsMono-Medium.ttf",
    "JetBrainsMono-SemiBold.ttf",
    "JetBrainsMono-Italic.ttf",
)


class FontsMissing(RuntimeError):
    """A bundled font could not be loaded: the installation is incomplete."""


def load_fonts(app: QGuiApplication, folder: Path = FONT_FOLDER) -> None:
    """Register the bundled fonts with `app`, once; 15 ms for all. Raises FontsMissing, naming the file.

    They are loaded even where the system has fonts of these names, whose metrics may be others.
    """
    if app.property(LOADED) == str(folder):
        return
    for name in FONT_FILES:
        if QFontDatabase.addApplicationFont(str(folder / name)) < 0:
            raise FontsMissing(f"The font {folder / name} cannot be read. Install Jackdaw again.")
    app.setProperty(LOADED, str(folder))


def make_font(style: TextStyle, zoom: float, *, mono: bool = False, weight: int = 0, italic: bool = False) -> QFont:
    """A font for a text style, `zoom` as a factor (1.0 = 100 %). `weight` 0 means that of the style.

    Figures are tabular in Inter, so that numbers that change do not shake. Code has no ligatures: `<|` must
    stay two characters.
    """
    font = QFont([MONO, "monospace"] if mono else [SANS, "sans-serif"])
    font.setPixelSize(max(1, round(style.size * zoom)))
    font.setWeight(QFont.Weight(weight or style.weight))
    font.setItalic(italic)
    # Hinting moves stems to whole pixels and would make the same text wider on one system than on another.
    font.setHintingPreference(QFont.HintingPreference.PreferNoHinting)
    features = {"calt": 0, "liga": 0} if mono else {"tnum": 1}
    for tag, value in features.items():
        font.setFeature(QFont.Tag(tag), value)
    return font
