"""Splitting a text that grows must equal a parse of the whole text."""

from __future__ import annotations

import copy
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it.token import Token

from desktop.qt.transcript.blocks import PLAIN_LIMIT, SLICE, TAIL_LIMIT, BlockSplitter
from desktop.qt.transcript.markdown import make_parser, parse_blocks

PARSER = make_parser()

SNIPPETS = [
    "A paragraph with *emphasis* and `code`.",
    "lazy continuation",
    "# Heading",
    "Setext",
    "===",
    "---",
    "- item",
    "  - nested item",
    "    deeper",
    "* other list",
    "1. one",
    "2. two",
    "   in the item",
    "10) ten",
    "> quote",
    "> > deep quote",
    ">     code in quote",
    "```python",
    "```",
    "~~~",
    "````",
    "  ```",
    "    indented code",
    "| a | b |",
    "|---|--:|",
    "| 1 | 2 |",
    "a | b",
    "--- | ---",
    "<div>",
    "</div>",
    "<!-- comment",
    "-->",
    "<custom-tag>",
    "<script>",
    "</script>",
    "[foo]: /url 'title'",
    "[foo]:",
    "/url",
    "'title",
    "see [foo] and [bar][foo]",
    "[bar]: <b c>",
    "$$",
    "$$x^2$$",
    "\\[ y",
    "\\]",
    "***",
    "\t- tab",
    "#",
    "-",
    "",
    "",
    "",
]
documents = st.lists(
    st.tuples(st.sampled_from(SNIPPETS), st.sampled_from(["\n", "\n", "\n\n", "\r\n", " ", ""])), max_size=14
).map(lambda parts: "".join(text + end for text, end in parts))


def whole(text: str) -> list[Token]:
    return parse_blocks(PARSER, text.replace("\r\n", "\n").replace("\r", "\n"), {})


def without_place(tokens: list[Token]) -> list[Token]:
    """Tokens without line numbers: blocks count theirs from their own first line."""
    found = [copy.copy(token) for token in tokens]
    for token in found:
        token.map = None
    return found


def split(chunks: list[str]) -> BlockSplitter:
    splitter = BlockSplitter(PARSER)
    for chunk in chunks:
        splitter.feed(chunk)
        while splitter.advance():
            pass
    splitter.end()
    while splitter.advance():
        pass
    assert splitter.done
    return splitter


def flat(splitter: BlockSplitter) -> list[Token]:
    return without_place([token for block in splitter.blocks for token in block.tokens])


@st.composite
def chunked(draw: st.DrawFn) -> list[str]:
    text = draw(documents)
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=12)))
    edges = [0, *cuts, len(text)]
    return [text[a:b] for a, b in pairwise(edges)]


FENCES = st.lists(
    st.sampled_from(
        ["```", "~~~", "````", "```py a.py", "`", "~", " ", "    ", "\t", "\n", "\n", "\n\n", "x", "```\n"]
    ),
    max_size=24,
).map("".join)


@settings(max_examples=1500, deadline=None)
@given(FENCES, st.integers(1, 9))
def test_fences_are_read_as_markdown_it_reads_them(text: str, size: int) -> None:
    chunks = [text[at : at + size] for at in range(0, len(text), size)]
    assert flat(split(chunks)) == without_place(whole(text))


@settings(max_examples=1500, deadline=None)
@given(chunked())
def test_splitting_equals_a_parse_of_the_whole(chunks: list[str]) -> None:
    assert flat(split(chunks)) == without_place(whole("".join(chunks)))


@settings(max_examples=300, deadline=None)
@given(documents)
def test_one_character_at_a_time_equals_a_parse_of_the_whole(text: str) -> None:
    assert flat(split(list(text))) == without_place(whole(text))


@settings(max_examples=500, deadline=None)
@given(chunked())
def test_closed_blocks_stay_as_they_are_until_definitions_are_resolved(chunks: list[str]) -> None:
    splitter = BlockSplitter(PARSER)
    seen: list[object] = []
    for chunk in chunks:
        splitter.feed(chunk)
        while splitter.advance():
            pass
        assert [id(block) for block in splitter.closed[: len(seen)]] == [id(block) for block in seen]
        seen = list(splitter.closed)
        assert splitter.generation == 0


def test_a_definition_at_the_end_reaches_back_to_the_first_block() -> None:
    splitter = split(["see [foo]\n\nmore\n\n", "[foo]: https://example.com\n"])
    assert splitter.references["FOO"]["href"] == "https://example.com"
    assert splitter.generation == 1
    assert [block.source for block in splitter.blocks] == ["see [foo]", "more"]


def test_a_definition_that_is_not_finished_is_not_kept() -> None:
    splitter = split(["[foo]: /half", "-way\n\n[foo]\n"])
    assert splitter.references["FOO"]["href"] == "/half-way"


@pytest.mark.parametrize(
    "line", ["|x|y|\n", "- item\n", "> quote\n", "word " * 20 + "\n", "word ", "<b>\n", "    code\n"], ids=repr
)
def test_a_block_without_end_is_cut_and_keeps_every_character(line: str) -> None:
    head = "|a|b|\n|-|-|\n" if line.startswith("|") else ""
    text = head + line * (100_000 // len(line))
    splitter = split([text[i : i + 5000] for i in range(0, len(text), 5000)])
    assert max(len(block.source) for block in splitter.blocks) <= max(TAIL_LIMIT, PLAIN_LIMIT) + SLICE
    assert sum(block.source.count(line.strip()) for block in splitter.blocks) == text.count(line.strip())


def test_a_long_table_goes_on_with_its_head() -> None:
    splitter = split(["| a | b |\n|---|---|\n" + "| 1 | 2 |\n" * 450 + "\nafter\n"])
    assert [block.kind for block in splitter.blocks] == ["table", "table", "table", "paragraph"]
    assert [block.source.count("| 1 | 2 |") for block in splitter.blocks] == [200, 200, 50, 0]
    assert splitter.blocks[1].source.startswith("| a | b |\n|---|---|\n")


def test_a_long_list_is_cut_between_items() -> None:
    splitter = split(["1. item\n" * 3000 + "\n# Heading\n"])
    assert {block.kind for block in splitter.blocks[:-1]} == {"ordered_list"}
    assert splitter.blocks[-1].kind == "heading"


def test_after_html_without_end_the_next_paragraph_is_markdown_again() -> None:
    splitter = split(["<table><tr>\n" * 2000, "\n\n# Heading\n"])
    assert "plain" in {block.kind for block in splitter.blocks}
    assert splitter.blocks[-1].kind == "heading"


def test_a_fence_of_a_megabyte_stays_one_block() -> None:
    splitter = split(["```\n" + "code\n" * 200_000 + "```\nafter\n"])
    assert [block.kind for block in splitter.blocks] == ["fence", "paragraph"]
    assert len(splitter.blocks[0].tokens[0].content) == 1_000_000


def test_what_follows_the_greatest_amount_of_formatted_text_is_plain() -> None:
    splitter = split(["# a\n" * 6000])
    assert len(splitter.blocks) < 4100
    assert splitter.blocks[-1].kind == "plain"


def test_an_open_fence_shows_what_is_there_and_hides_its_half_typed_end() -> None:
    splitter = BlockSplitter(PARSER)
    splitter.feed("```python\nx = 1\n``")
    while splitter.advance():
        pass
    assert splitter.open[0].tokens[0].content == "x = 1\n"
    assert splitter.open[0].tokens[0].info == "python"


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("some **", "some "),
        ("some `", "some "),
        ("see [text](http", "see [text"),
        ("para\n-", "para\n"),
        ("para\n\n```", "para\n\n"),
        ("5 * 3", "5 * 3"),
        ("para\n1", "para\n"),
        ("year 1", "year 1"),
    ],
)
def test_half_typed_marks_are_held_back(typed: str, shown: str) -> None:
    from desktop.qt.transcript.held import held_back

    assert typed[: held_back(typed)] == shown
