"""What holds for the chunks of any document."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.chunking import ChunkRules, Sizes, chunk
from rag.chunking.headers import LONGEST
from rag.types import Block, Document, DocumentKind
from tests.rag.chunking.documents import KINDS, documents

_SMALL = Sizes(target=60, limit=90, join=40, small=12)
RULES = ChunkRules(prose=_SMALL, paged=_SMALL, code=_SMALL, data=_SMALL)


@settings(max_examples=300)
@given(documents())
def test_each_character_that_is_not_blank_is_in_exactly_one_chunk(document: Document) -> None:
    chunks = chunk(document, RULES)

    end = 0
    for one in chunks:
        assert one.start >= end
        assert not document.text[end : one.start].strip()
        end = one.end
    assert not document.text[end:].strip()


@settings(max_examples=300)
@given(documents())
def test_positions_are_those_of_the_text(document: Document) -> None:
    for ordinal, one in enumerate(chunk(document, RULES)):
        assert one.ordinal == ordinal
        assert one.text == document.text[one.start : one.end]
        assert (one.file_start, one.file_end) == (one.start, one.end)
        assert one.start_line == document.text.count("\n", 0, one.start) + 1
        assert one.end_line == document.text.count("\n", 0, one.end) + 1
        assert one.kind == document.kind


@settings(max_examples=300)
@given(documents())
def test_chunks_are_neither_blank_nor_too_large(document: Document) -> None:
    for one in chunk(document, RULES):
        assert one.text.strip()
        assert one.text == one.text.rstrip()
        assert "\n" not in one.text[: len(one.text) - len(one.text.lstrip())]
        assert len(one.text.strip()) <= _SMALL.limit + _SMALL.small
        assert len(one.header.split("\n")[0]) <= LONGEST


@settings(max_examples=200)
@given(documents())
def test_a_chunk_lies_on_one_page(document: Document) -> None:
    for one in chunk(document, RULES):
        if document.pages:
            first = one.start + len(one.text) - len(one.text.lstrip())
            page = next(page for page in reversed(document.pages) if page.start <= first)
            assert one.page == one.end_page == page.number
            assert one.end <= page.end
        else:
            assert one.page is one.end_page is None


@settings(max_examples=50)
@given(documents())
def test_the_same_document_gives_the_same_chunks(document: Document) -> None:
    assert chunk(document, RULES) == chunk(document, RULES)


@settings(max_examples=100)
@given(st.text("ab \n.", max_size=80), st.sampled_from(KINDS))
def test_a_small_file_is_whole(text: str, kind: DocumentKind) -> None:
    chunks = chunk(Document(kind, text))

    assert [one.text.strip() for one in chunks] == ([text.strip()] if text.strip() else [])


@pytest.mark.parametrize("kind", ["prose", "code", "log"])
@pytest.mark.parametrize(
    "piece", ["word and word. ", "x", "line of a log\n", "\n", " ", "a:\n\n", "(", "    nested line\n", ".\"')", "。"]
)
def test_time_grows_with_the_text_and_no_faster(kind: DocumentKind, piece: str) -> None:
    small, large = piece * (40_000 // len(piece)), piece * (320_000 // len(piece))
    blocks = tuple(Block("paragraph", at, at + 20) for at in range(0, 320_000, 20))

    base = min(_seconds(Document(kind, small, blocks=blocks[: len(blocks) // 8])) for _ in range(2))

    assert _seconds(Document(kind, large, blocks=blocks)) < 30 * base + 0.3


def _seconds(document: Document) -> float:
    began = time.process_time()
    chunk(document)
    return time.process_time() - began


def test_sizes_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match=re.escape("small <= join")):
        Sizes(target=100, limit=90, join=10, small=5)
