"""Texts as models and servers take them."""

from __future__ import annotations

from collections.abc import Sequence


def prefixed(prefix: str, texts: Sequence[str]) -> list[str]:
    """The texts behind a prefix, as valid Unicode: halves of surrogate pairs, which no tokenizer takes, become "?"."""
    return [valid(prefix + text) for text in texts]


def valid(text: str) -> str:
    """`text` without halves of surrogate pairs, of the same length."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text
