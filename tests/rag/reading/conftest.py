"""What the tests of reading read with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePath

import pytest

from rag.reading.document import Tools, parse
from rag.reading.types import Limits
from rag.types import Document

Parse = Callable[[str, bytes | str], Document]


@pytest.fixture
def parsed() -> Parse:
    """Returns `parse(name, contents)`, which also checks what holds for every document."""

    def read(name: str, contents: bytes | str) -> Document:
        data = contents.encode() if isinstance(contents, str) else contents
        document = parse(PurePath(name), data, Tools(Limits()))
        check(document, data)
        return document

    return read


def check(document: Document, data: bytes) -> None:
    """Blocks and pages are in order and within the text, anchors ascend, an exact text is the file's own."""
    end = 0
    for block in document.blocks:
        assert end <= block.start < block.end <= len(document.text), block
        end = block.end
    end = 0
    for page in document.pages:
        assert end <= page.start < page.end <= len(document.text), page
        assert document.text[page.start : page.end] == document.text[page.start : page.end].strip("\n")
        end = page.end
    assert list(document.anchors) == sorted(document.anchors)
    if document.exact:
        assert document.text == data.decode(document.encoding, "replace")
