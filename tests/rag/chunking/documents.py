"""Documents with structure for the tests of chunking: hypothesis strategies and a few by hand."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from rag.types import Block, BlockKind, Document, DocumentKind, Page

KINDS: tuple[DocumentKind, ...] = ("prose", "code", "table", "data", "log", "notebook", "mail", "slides")
BLOCKS: tuple[BlockKind, ...] = ("heading", "paragraph", "list", "table", "code", "quote", "row", "meta", "symbol")

_WORDS = st.sampled_from(
    [
        "word ",
        "Sentence ends. ",
        "a:",
        "\n",
        "\n\n",
        "    ",
        "  \t",
        "|a|b|\n",
        "- item\n",
        "def f(x):\n",
        "x" * 90,
        "é😀",
    ]
)
_TEXTS = st.lists(_WORDS, max_size=120).map("".join) | st.text(max_size=60)


@st.composite
def documents(draw: st.DrawFn) -> Document:
    """Any text with any blocks in order, any pages, of any kind."""
    text = draw(_TEXTS)
    borders = sorted(draw(st.sets(st.integers(0, len(text)), max_size=16)))
    blocks = tuple(
        Block(
            draw(st.sampled_from(BLOCKS)),
            start,
            end,
            headings=tuple(draw(st.lists(st.sampled_from(["One", "Two", "class Cache"]), max_size=3))),
            place=draw(st.sampled_from(["", "cell 1", "cell 2"])),
            name=draw(st.sampled_from(["", "def f(x)"])),
        )
        for start, end in zip(borders[::2], borders[1::2], strict=False)
    )
    document = Document(draw(st.sampled_from(KINDS)), text, blocks=blocks)
    if draw(st.booleans()):
        starts = [0, *sorted(draw(st.sets(st.integers(1, max(1, len(text))), max_size=4)))]
        ends = [*starts[1:], len(text)]
        document = replace(
            document, pages=tuple(Page(n, *at) for n, at in enumerate(zip(starts, ends, strict=True), 1))
        )
    return document


def blocks_of(text: str, *parts: tuple[BlockKind, str, tuple[str, ...]]) -> tuple[Block, ...]:
    """Blocks where these pieces of the text stand, one after the other."""
    found: list[Block] = []
    for kind, piece, headings in parts:
        start = text.index(piece, found[-1].end if found else 0)
        found.append(Block(kind, start, start + len(piece), headings=headings))
    return tuple(found)
