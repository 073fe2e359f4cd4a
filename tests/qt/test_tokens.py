"""The promises of the tokens: contrast on every surface, complete schemes, sizes that can be hit."""

from __future__ import annotations

import re
from dataclasses import fields

import pytest

from desktop.qt import tokens as t
from desktop.qt.tokens import DARK, LIGHT, Tokens, contrast

SCHEMES = (LIGHT, DARK, LIGHT.with_high_contrast(), DARK.with_high_contrast())
SURFACES = ("bg_app", "bg_list", "bg_surface", "bg_raised", "bg_sunken", "bg_input", "bg_bubble")
GROUNDS = (*SURFACES, "bg_hover", "bg_selected", "bg_chip")
TEXTS = ("text", "text2", "text3", "accent", "cloud", "success", "warning", "danger", "link")
TONES = ("accent", "cloud", "success", "warning", "danger")
CODE = tuple(f.name for f in fields(Tokens) if f.name.startswith("code_"))


@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda scheme: scheme.name)
class TestContrast:
    @pytest.mark.parametrize("text", TEXTS)
    @pytest.mark.parametrize("ground", GROUNDS)
    def test_text_reads_on_every_ground(self, scheme: Tokens, text: str, ground: str) -> None:
        assert contrast(scheme.color(text), scheme.color(ground)) >= 4.5

    @pytest.mark.parametrize("tone", TONES)
    def test_tones_and_text_read_on_their_subtle_ground(self, scheme: Tokens, tone: str) -> None:
        ground = scheme.color(f"{tone}_subtle")
        assert contrast(scheme.color(tone), ground) >= 4.5
        assert contrast(scheme.text, ground) >= 4.5

    def test_words_on_the_primary_button_and_in_a_selection_read(self, scheme: Tokens) -> None:
        assert contrast(scheme.on_accent, scheme.accent) >= 4.5
        assert contrast(scheme.on_accent, scheme.accent_hover) >= 4.5
        assert contrast(scheme.text, scheme.selection) >= 4.5

    @pytest.mark.parametrize("code", CODE)
    def test_code_reads_on_its_ground(self, scheme: Tokens, code: str) -> None:
        assert contrast(scheme.color(code), scheme.bg_sunken) >= 4.5

    @pytest.mark.parametrize("line", ("border_control", "accent", "cloud", "danger"))
    @pytest.mark.parametrize("ground", SURFACES)
    def test_outlines_and_focus_ring_are_seen(self, scheme: Tokens, line: str, ground: str) -> None:
        assert contrast(scheme.color(line), scheme.color(ground)) >= 3.0


@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda scheme: scheme.name)
def test_every_colour_is_six_hexadecimal_digits(scheme: Tokens) -> None:
    values = [getattr(scheme, f.name) for f in fields(scheme) if f.name not in ("name", "dark")]
    assert len(values) == 39
    assert all(re.fullmatch(r"#[0-9A-F]{6}", value) for value in values)


def test_high_contrast_makes_lines_as_strong_as_outlines() -> None:
    strong = LIGHT.with_high_contrast()
    assert strong.border == strong.border_strong == LIGHT.border_control
    assert contrast(strong.text3, strong.bg_app) > contrast(LIGHT.text3, LIGHT.bg_app)


def test_a_token_that_does_not_exist_is_refused() -> None:
    for name in ("accnet", "dark", "name"):
        with pytest.raises(KeyError, match=name):
            LIGHT.color(name)


@pytest.mark.parametrize(("one", "other", "ratio"), [("#000000", "#FFFFFF", 21.0), ("#777777", "#FFFFFF", 4.48)])
def test_contrast_agrees_with_known_pairs(one: str, other: str, ratio: float) -> None:
    # 4.48 for #777 on white is the pair that every description of WCAG names as just failing.
    assert contrast(one, other) == contrast(other, one) == pytest.approx(ratio, abs=0.01)


def test_everything_to_be_pressed_can_be_hit_at_full_size() -> None:
    assert min(t.ROW, t.BUTTON, t.BUTTON_SMALL, t.FIELD, t.TARGET_MIN) >= 24
