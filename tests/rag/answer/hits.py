"""Hits for tests of what happens to them."""

from __future__ import annotations

from collections.abc import Sequence

from rag.types import Highlight, Hit


def hit(
    text: str,
    path: str = "docs/install.md",
    *,
    lines: tuple[int, int] = (3, 9),
    page: int | None = None,
    header: str = "",
    place: str = "",
    sentence: tuple[int, int] | None = None,
) -> Hit:
    return Hit(
        chunk_ids=(1,),
        collection="docs",
        root="/home/ada",
        path=path,
        file=f"/home/ada/{path}",
        start_char=0,
        end_char=len(text),
        start_line=lines[0],
        end_line=lines[1],
        page=page,
        end_page=page,
        place=place,
        header=header,
        kind="prose",
        text=text,
        score=0.9,
        highlights=(Highlight(*sentence, "sentence"),) if sentence else (),
    )


async def count_words(texts: Sequence[str]) -> list[int]:
    """As a tokenizer would: a whole number per text."""
    return [len(text.split()) for text in texts]
