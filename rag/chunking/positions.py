"""Where a chunk is: lines, pages and offsets in the file."""

from __future__ import annotations

from bisect import bisect_right

from rag.types import Document


class Positions:
    """Positions in one document, asked for in ascending order. `source` is the decoded file of one with anchors."""

    def __init__(self, document: Document, source: str = "") -> None:
        self._document = document
        self._anchors = [anchor[0] for anchor in document.anchors]
        self._pages = [page.start for page in document.pages]
        self._counted = source if self._anchors and source else document.text
        self._in_file = self._counted is source and bool(source)
        self._offset = 0
        self._line = 1

    def file(self, start: int, end: int) -> tuple[int, int]:
        """Offsets in the decoded file, -1 where there are none."""
        if self._document.exact:
            return start, end
        if not self._anchors:
            return -1, -1
        return self._mapped(start), self._mapped(end - 1) + 1

    def _mapped(self, offset: int) -> int:
        index = max(0, bisect_right(self._anchors, offset) - 1)
        text, file = self._document.anchors[index]
        following = self._document.anchors[index + 1][1] - 1 if index + 1 < len(self._anchors) else None
        there = max(0, file + offset - text)
        return there if following is None else max(file, min(there, following))

    def lines(self, start: int, end: int) -> tuple[int, int]:
        """First and last line, from 1; those of the file when its text is known."""
        if self._in_file:
            start, end = self.file(start, end)
        return self._line_at(start), self._line_at(max(start, end - 1))

    def _line_at(self, offset: int) -> int:
        if offset < self._offset:
            self._offset, self._line = 0, 1
        self._line += self._counted.count("\n", self._offset, offset)
        self._offset = offset
        return self._line

    def pages(self, start: int, end: int) -> tuple[int | None, int | None]:
        """First and last page, None where the document has none."""
        if not self._pages:
            return None, None
        return self._page_at(start), self._page_at(end - 1)

    def _page_at(self, offset: int) -> int:
        return self._document.pages[max(0, bisect_right(self._pages, offset) - 1)].number
