"""PDF: the text of each page by PDFium, the outline as headings, and pictures of pages through tesseract."""

from __future__ import annotations

import re
import time
from bisect import bisect_right
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from rag.errors import ParseFailed
from rag.reading.builder import TextBuilder, one_line
from rag.reading.document import Tools
from rag.reading.formats.pdf_text import paragraphs
from rag.reading.ocr import read_picture
from rag.types import BlockKind, Document

if TYPE_CHECKING:
    import pypdfium2

_FPDF_ERR_PASSWORD = 4  # fpdfview.h
_ENCRYPT = b"Encrypt"
_OUTLINE_DEPTH = 6
_MOST_HEADINGS = 5000
_MOST_PAGES = 20_000
_LITTLE = 16  # characters from which on a page counts as text
_OCR_SHARE = 0.75  # of the time a file has
_DPI = 300
_LONGEST_TITLE = 200
_NUMBERING = 12  # characters that a title has in the text and not in the outline: "Chapter 12"

# Page number from 0, level from 1, title.
Entry = tuple[int, int, str]


def read(data: bytes, tools: Tools) -> Document:
    """A document with its pages. Raises ParseFailed: encrypted, damaged, no_text, too_large."""
    pdf = _opened(data)
    try:
        return _read(pdf, tools)
    finally:
        pdf.close()


def _opened(data: bytes) -> pypdfium2.PdfDocument:
    import pypdfium2

    try:
        return pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        # PDFium leaves the code of an earlier failure where it sets none.
        if getattr(error, "err_code", None) == _FPDF_ERR_PASSWORD and _ENCRYPT in data:
            raise ParseFailed("This PDF is protected with a password.", reason="encrypted") from None
        raise ParseFailed("This PDF is damaged: PDFium cannot load it.", reason="damaged") from None


def _read(pdf: pypdfium2.PdfDocument, tools: Tools) -> Document:
    if len(pdf) > _MOST_PAGES:
        raise ParseFailed(f"This PDF claims {len(pdf):,} pages.", reason="too_large")
    builder = TextBuilder(tools.limits)
    outline = _Headings(_outline(pdf))
    pages = _Pages(pdf, tools)
    for number in range(len(pdf)):
        first = len(builder.blocks)
        for text in paragraphs(pages.text(number)):
            for kind, level, above, piece in outline.pieces(number, text):
                builder.add(kind, piece, level=level, headings=above)
        builder.page(number + 1, first)
    if not builder.text.strip():
        raise _no_text(pages, tools)
    return Document(
        "prose",
        builder.text,
        title=_title(pdf, builder),
        exact=False,
        blocks=tuple(builder.blocks),
        pages=tuple(builder.pages),
        warnings=pages.warnings(),
    )


class _Pages:
    """The text of pages: their own, or what tesseract sees while there is time."""

    def __init__(self, pdf: pypdfium2.PdfDocument, tools: Tools) -> None:
        self._pdf = pdf
        self._tesseract = tools.tesseract
        self._until = time.monotonic() + tools.limits.seconds * _OCR_SHARE
        self.pictures = 0
        self._damaged = 0
        self._left = 0

    def text(self, number: int) -> str:
        """The text of a page, "" for one that has none or is damaged."""
        import pypdfium2

        try:
            page = self._pdf[number]
        except pypdfium2.PdfiumError:
            self._damaged += 1
            return ""
        try:
            textpage = page.get_textpage()
            text: str = textpage.get_text_range()
            textpage.close()
            return text if len(text.strip()) >= _LITTLE or not _has_picture(page) else self._seen(page) or text
        finally:
            page.close()

    def _seen(self, page: pypdfium2.PdfPage) -> str:
        self.pictures += 1
        left = self._until - time.monotonic()
        if not self._tesseract or left < 1:
            self._left += 1
            return ""
        bitmap = page.render(scale=_DPI / 72, grayscale=True)
        try:
            return read_picture(self._tesseract, bitmap.to_numpy(), timeout_s=left)
        finally:
            bitmap.close()

    def warnings(self) -> tuple[str, ...]:
        """What the user should know of the pages."""
        found = []
        if self._left and not self._tesseract:
            found.append(f"Pages without text: {self._left}. They are pictures; install tesseract to have them read.")
        elif self._left:
            found.append(f"Pages that are pictures and were left out, as reading all took too long: {self._left}.")
        if self._damaged:
            found.append(f"Damaged pages that were left out: {self._damaged}.")
        return tuple(found)


def _no_text(pages: _Pages, tools: Tools) -> ParseFailed:
    if pages.pictures and not tools.tesseract:
        return ParseFailed(
            "The pages of this PDF are pictures, and tesseract, which could read them, is not installed.",
            reason="no_text",
            hint="Install tesseract and index this file again.",
        )
    what = "tesseract found no text in the pictures of its pages" if pages.pictures else "its pages have no text"
    return ParseFailed(f"Nothing to read in this PDF: {what}.", reason="no_text")


def _has_picture(page: pypdfium2.PdfPage) -> bool:
    from pypdfium2.raw import FPDF_PAGEOBJ_FORM, FPDF_PAGEOBJ_IMAGE

    return next(page.get_objects(filter=[FPDF_PAGEOBJ_IMAGE, FPDF_PAGEOBJ_FORM], max_depth=2), None) is not None


def _outline(pdf: pypdfium2.PdfDocument) -> list[Entry]:
    """The outline's entries by page."""
    return sorted(_entries(pdf), key=lambda entry: entry[0])


def _entries(pdf: pypdfium2.PdfDocument) -> Iterator[Entry]:
    import pypdfium2

    try:
        for index, bookmark in enumerate(pdf.get_toc(max_depth=_OUTLINE_DEPTH)):
            target = bookmark.get_dest()
            page = target.get_index() if target is not None else None
            title = one_line(bookmark.get_title() or "", 120)
            if page is not None and title:
                yield page, bookmark.level + 1, title
            if index >= _MOST_HEADINGS:
                return
    except (pypdfium2.PdfiumError, UnicodeError):
        return


class _Headings:
    """Where the outline's entries stand in the text; asked for in the order of the text."""

    def __init__(self, entries: list[Entry]) -> None:
        self._entries = entries
        self._pages = [page for page, _, _ in entries]
        self._keys = [_key(title) for _, _, title in entries]
        self._passed = 0

    def pieces(self, page: int, text: str) -> Iterator[tuple[BlockKind, int, tuple[str, ...], str]]:
        """A paragraph of a page (from 0), with the lines that are titles of entries apart.

        Gives kind, level, the headings above, and text. Entries whose title is not found count from their page on.
        """
        self._passed = max(self._passed, bisect_right(self._pages, page - 1))
        high = bisect_right(self._pages, page)
        rest: list[str] = []
        for line in text.split("\n"):
            entry = self._entry(line, high) if self._passed < high and len(line) < _LONGEST_TITLE else None
            if entry is None:
                rest.append(line)
                continue
            if rest:
                yield "paragraph", 0, self._path(self._passed), "\n".join(rest)
                rest = []
            self._passed = entry + 1
            yield "heading", self._entries[entry][1], self._path(self._passed)[:-1], line
        if rest:
            yield "paragraph", 0, self._path(self._passed), "\n".join(rest)

    def _entry(self, line: str, high: int) -> int | None:
        """The next entry of the page whose title a line is, but for its number."""
        key = _key(line)
        for index in range(self._passed, high):
            title = self._keys[index]
            if title and key.endswith(title) and len(key) <= len(title) + _NUMBERING:
                return index
        return None

    def _path(self, count: int) -> tuple[str, ...]:
        path: list[tuple[int, str]] = []
        for _, level, title in reversed(self._entries[max(0, count - 200) : count]):
            if not path or level < path[-1][0]:
                path.append((level, title))
        return tuple(title for _, title in reversed(path))


def _key(text: str) -> str:
    return re.sub(r"\W+", "", text).casefold()


def _title(pdf: pypdfium2.PdfDocument, builder: TextBuilder) -> str:
    """What its author called it, unless that is the name of a file; else its first line."""
    facts: dict[str, Any] = pdf.get_metadata_dict(skip_empty=True)
    title = one_line(str(facts.get("Title", "")))
    if len(title) > 3 and not re.search(
        r"untitled|\.(?:docx?|tex|dvi|indd|qxd|pptx?|pdf)$|^microsoft word", title, re.I
    ):
        return title
    return one_line(builder.text.split("\n", 1)[0], 120)
