"""PPTX: slides as pages, with their titles, text, tables and notes. Read with python-pptx."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

from rag.reading.archives import open_zip
from rag.reading.builder import TextBuilder, one_line
from rag.reading.document import Tools
from rag.types import Document

_DEFAULT_TITLES = ("", "PowerPoint Presentation")
_DEEPEST = 8  # groups in groups


def read(data: bytes, tools: Tools) -> Document:
    """A document of slides. Raises ParseFailed: damaged, encrypted, bomb, too_large."""
    open_zip(data, tools.limits).close()
    import pptx

    deck = pptx.Presentation(io.BytesIO(data))
    builder = TextBuilder(tools.limits)
    titles = list[str]()
    for number, slide in enumerate(deck.slides, 1):
        first = len(builder.blocks)
        titles.append(_add_slide(builder, slide))
        builder.page(number, first)
    title = one_line(deck.core_properties.title or "")
    return Document(
        "slides",
        builder.text,
        title=next(filter(None, titles), "") if title in _DEFAULT_TITLES else title,
        exact=False,
        blocks=tuple(builder.blocks),
        pages=tuple(builder.pages),
    )


def _add_slide(builder: TextBuilder, slide: Any) -> str:
    """Add what is on a slide; returns its title."""
    title_shape = slide.shapes.title
    title = one_line(title_shape.text_frame.text) if title_shape is not None else ""
    builder.outline.leave()
    builder.heading(1, title)
    # What is further up is read first, whatever the order in which it was drawn.
    shapes = sorted(_shapes(slide.shapes, 0), key=lambda shape: (shape.top or 0, shape.left or 0))
    for shape in shapes:
        if title_shape is not None and shape.shape_id == title_shape.shape_id:
            continue
        if getattr(shape, "has_table", False):
            builder.add("table", "\n".join(_rows(shape.table)))
        elif shape.has_text_frame:
            _add_text(builder, shape.text_frame)
    if slide.has_notes_slide and slide.notes_slide.notes_text_frame is not None:
        builder.add("quote", slide.notes_slide.notes_text_frame.text.strip(), place="notes")
    return title


def _shapes(shapes: Any, depth: int) -> Iterator[Any]:
    """The shapes of a slide, those in groups too."""
    for shape in shapes:
        if hasattr(shape, "shapes"):
            if depth < _DEEPEST:
                yield from _shapes(shape.shapes, depth + 1)
        else:
            yield shape


def _add_text(builder: TextBuilder, frame: Any) -> None:
    paragraphs = [(paragraph.level, paragraph.text.replace("\v", " ").strip()) for paragraph in frame.paragraphs]
    found = [(level, text) for level, text in paragraphs if text]
    if len(found) == 1:
        builder.add("paragraph", found[0][1])
        return
    for level, text in found:
        builder.add("list", f"{'  ' * level}- {text}")


def _rows(table: Any) -> Iterator[str]:
    for row in table.rows:
        yield " | ".join(one_line(cell.text, 10_000) for cell in row.cells)
