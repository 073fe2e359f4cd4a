"""The theme as widgets meet it: scheme, zoom, fonts, icons, and how fast it is made."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PySide6.QtCore import QSize
from PySide6.QtGui import QColor, QFont, QFontInfo, QFontMetricsF, QIcon, QImage, QPixmap
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from desktop.qt.fonts import FontsMissing, load_fonts
from desktop.qt.icons import icon_names
from desktop.qt.theme import Theme, choose_tokens, nearest_zoom
from desktop.qt.tokens import DARK, LIGHT, ZOOM_STEPS


def strongest(pixmap: QPixmap) -> str:
    """The colour of the most opaque pixel."""
    image = pixmap.toImage().convertToFormat(QImage.Format.Format_ARGB32)
    spots = ((image.pixelColor(x, y)) for x in range(image.width()) for y in range(image.height()))
    return QColor(max(spots, key=QColor.alpha).rgb()).name().upper()


@pytest.mark.parametrize(
    ("mode", "system_dark", "expected"),
    [("system", False, LIGHT), ("system", True, DARK), ("light", True, LIGHT), ("dark", False, DARK)],
)
def test_the_user_goes_before_the_system(mode: str, system_dark: bool, expected: object) -> None:
    assert choose_tokens(mode, system_dark, high_contrast=False) is expected  # type: ignore[arg-type]


def test_a_system_that_asks_for_contrast_gets_it() -> None:
    assert choose_tokens("dark", system_dark=False, high_contrast=True) == DARK.with_high_contrast()


@pytest.mark.parametrize(
    ("percent", "direction", "expected"),
    [(5, 0, 80), (104, 0, 100), (999, 0, 160), (100, 1, 110), (80, -1, 80), (160, 1, 160)],
)
def test_zoom_goes_by_steps_within_limits(percent: int, direction: int, expected: int) -> None:
    assert nearest_zoom(percent, direction) == expected


def test_a_switch_tells_widgets_once_and_changes_the_palette(qtbot: QtBot, theme: Theme) -> None:
    told: list[str] = []
    theme.changed.connect(lambda: told.append(theme.tokens.name))
    theme.set_mode("dark")
    theme.set_mode("dark")
    assert told == ["dark"]
    assert QApplication.palette().window().color().name().upper() == DARK.bg_surface


def test_zoom_scales_lengths_and_fonts(theme: Theme) -> None:
    theme.set_zoom(160)
    assert theme.px(34) == 54
    assert theme.font("ui").pixelSize() == 21
    theme.step_zoom(0)
    assert (theme.zoom, theme.font("ui").pixelSize()) == (100, 13)


def test_no_length_above_zero_vanishes_at_the_smallest_zoom(theme: Theme) -> None:
    theme.set_zoom(ZOOM_STEPS[0])
    assert (theme.px(0.5), theme.px(0)) == (1, 0)


def test_the_bundled_fonts_are_used_in_all_weights(theme: Theme) -> None:
    for weight in (400, 500, 600):
        info = QFontInfo(theme.font("ui", weight=weight))
        assert (info.family(), info.weight()) == ("Inter", weight)
    code = QFontInfo(theme.font("code"))
    assert (code.family(), code.fixedPitch()) == ("JetBrains Mono", True)


def test_figures_are_tabular_and_code_has_no_ligatures(theme: Theme) -> None:
    interface = QFontMetricsF(theme.font("ui"))
    assert interface.horizontalAdvance("1111") == pytest.approx(interface.horizontalAdvance("0808"))
    code = theme.font("code")
    for feature in ("calt", "liga"):
        tag = QFont.Tag(feature)
        assert code.isFeatureSet(tag)
        assert code.featureValue(tag) == 0


def test_a_missing_font_is_named(qapp: QApplication, tmp_path: Path) -> None:
    with pytest.raises(FontsMissing, match=r"Inter-Regular\.otf"):
        load_fonts(qapp, tmp_path)


def test_icons_take_their_colour_from_the_theme_in_force(theme: Theme) -> None:
    icon = theme.icon("lock", "accent")
    assert strongest(icon.pixmap(QSize(24, 24))) == LIGHT.accent
    theme.set_mode("dark")
    assert strongest(icon.pixmap(QSize(24, 24))) == DARK.accent
    assert strongest(icon.pixmap(QSize(24, 24), QIcon.Mode.Disabled)) == DARK.text_disabled


SCALED = """
from PySide6.QtCore import QSize
from PySide6.QtWidgets import QApplication
app = QApplication([])
from desktop.qt.theme import Theme
pixmap = Theme(app).icon("settings").pixmap(QSize(18, 18), app.devicePixelRatio())
print(pixmap.width(), pixmap.devicePixelRatio(), pixmap.deviceIndependentSize().width())
"""


@pytest.mark.parametrize(("scale", "seen"), [("1", "18 1.0 18.0"), ("2", "36 2.0 18.0")])
def test_icons_are_rendered_for_the_scale_of_the_screen(scale: str, seen: str) -> None:
    # In a process of its own: the scale of a screen is fixed when the program starts.
    environ = {**os.environ, "QT_SCALE_FACTOR": scale}
    done = subprocess.run([sys.executable, "-c", SCALED], env=environ, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == seen, done.stderr


def test_a_wrong_name_of_icon_or_colour_fails_where_it_is_written(theme: Theme) -> None:
    with pytest.raises(KeyError, match="no-such"):
        theme.icon("no-such")
    with pytest.raises(KeyError, match="no_such"):
        theme.icon("lock", "no_such")


@pytest.mark.parametrize("name", icon_names())
def test_every_icon_of_the_package_can_be_drawn(theme: Theme, name: str) -> None:
    # Drawn large: strokes of a small icon may lie between pixels, and half-covered ones round their colour.
    assert strongest(theme.icon(name, "text").pixmap(QSize(96, 96))) == LIGHT.text


def test_making_a_theme_is_a_small_part_of_opening_the_window(qapp: QApplication, qtbot: QtBot) -> None:
    # 15 ms here; the window has 500 ms in all. The work of this thread counts: other programs run beside the tests.
    start = time.thread_time()
    theme = Theme(qapp, "light")
    assert time.thread_time() - start < 0.25
    theme.deleteLater()
