"""Source code: functions, classes and what contains them, found by tree-sitter.

Only the top of the tree and the bodies of containers are walked, never every node: Python is slow at that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from rag.reading.formats.symbols import SymbolWalk
from rag.reading.types import Limits
from rag.types import Block, Document

if TYPE_CHECKING:
    from tree_sitter_language_pack import SupportedLanguage


def read(text: str, language: str, limits: Limits) -> Document:
    """A document with a block per symbol; with no blocks when there is no grammar, or it is too large for one."""
    known = language and len(text) <= limits.code_bytes
    return Document("code", text, language=language, blocks=symbols(text, language) if known else ())


def symbols(text: str, language: str) -> tuple[Block, ...]:
    """The blocks of a program; they hold all of its text."""
    from tree_sitter_language_pack import get_parser

    data = text.encode("utf-8", "replace")  # a half of a surrogate pair becomes one byte, a question mark
    tree = get_parser(cast("SupportedLanguage", language)).parse(data)
    return SymbolWalk(text, data, language).run(tree.root_node)
