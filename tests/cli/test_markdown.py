"""Markdown in the terminal: the same whole however it is cut, no control characters, nothing lost."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desktop.cli.console import plain
from desktop.cli.markdown import BOLD, CODE, HEADING, ITALIC, RESET, TerminalMarkdown

STYLE = re.compile(r"\x1b\[[0-9;]*m")
markdown_text = st.text(alphabet=st.sampled_from(list("ab *`#->\n_~+.1")), max_size=200)


def rendered(*pieces: str) -> str:
    markdown = TerminalMarkdown()
    return "".join(markdown.feed(piece) for piece in pieces) + markdown.end()


@given(markdown_text, st.lists(st.integers(min_value=0, max_value=200), max_size=8))
def test_the_pieces_borders_make_no_difference(text: str, cuts: list[int]) -> None:
    borders = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    pieces = [text[start:end] for start, end in itertools.pairwise(borders)]
    assert rendered(*pieces) == rendered(text)


@given(st.text(max_size=300))
def test_only_our_own_escape_sequences_are_written(text: str) -> None:
    shown = STYLE.sub("", rendered(text))
    assert "\x1b" not in shown
    assert plain(shown) == shown


@given(st.text(alphabet=st.sampled_from(list("abc .,;\n")), max_size=200))
def test_plain_prose_is_shown_as_it_is(text: str) -> None:
    assert STYLE.sub("", rendered(text)) == text


@pytest.mark.parametrize(
    ("text", "style", "words"),
    [
        ("# Title\n", HEADING, "# Title"),
        ("a **bold** word", BOLD, "bold"),
        ("an *italic* word", ITALIC, "italic"),
        ("some `code` here", CODE, "code"),
        ("```python\nx = 1\n```\n", CODE, "x = 1"),
    ],
)
def test_styles(text: str, style: str, words: str) -> None:
    assert style + words in rendered(text)
    assert rendered(text).rstrip("\n").endswith((RESET, "word", "here"))


def test_stars_inside_code_and_between_numbers_stay_stars() -> None:
    assert STYLE.sub("", rendered("`a*b*c` and 2 * 3 * 4")) == "a*b*c and 2 * 3 * 4"


def test_a_fence_that_never_closes_shows_its_last_line() -> None:
    assert "half" in rendered("```\nhalf")


def test_bullets_become_dots() -> None:
    assert STYLE.sub("", rendered("- one\n  - two\n")) == "• one\n  • two\n"
