"""Blocks of source code from its syntax tree: every symbol one, and what lies between them in pieces."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

from rag.reading.builder import one_line
from rag.reading.formats import grammars
from rag.types import Block

if TYPE_CHECKING:
    from tree_sitter import Node

_LARGE = 1000  # characters from which on functions and calls are searched for definitions of their own
_PIECE = 900  # characters after which what lies between symbols goes to another block
_CLOSING = 16  # characters that close a container ("end module", "};") and go to its last member
_SIGNATURE = 200
_DEPTH = 8
_LOOKED_AT = 60  # nodes looked at to find a body
_MODIFIERS = re.compile(r"[\w\s]*")
_NAME = re.compile(r"[\w']+")
_ANNOTATIONS = re.compile(r"(?:@[\w.:]+(?:\([^()]*(?:\([^()]*\)[^()]*)*\))?\s+|\[[^\[\]]*\]\s*\n\s*)+(?=\S)")
_COMMENT_LINE = re.compile(r"\n\s*(?:#|//|/\*|--|;)")
_TAIL = re.compile(r"\s*(?:[{=:(;]|=>|->|\bdo|\bis|\bbegin|\bwhere|\bas)\s*$", re.IGNORECASE)
_BLANK_LINE = re.compile(r"\n[^\S\n]*\n")
_DEFINE = re.compile(r"\(\s*(?:[\w.-]+/)?def")


class SymbolWalk:
    """Turns the tree of one text into blocks that together hold all of it.

    `_at` is the end of the last block. `_head` is the container whose first lines the next block is; `_before` is where
    the comments and decorators start that stand right before what comes next, `_before_end` where they end.
    """

    def __init__(self, text: str, data: bytes, language: str) -> None:
        self.blocks: list[Block] = []
        self._text = text
        self._data = data
        self._language = language
        self._ascii = len(data) == len(text)
        self._counted = (0, 0)
        self._at = 0
        self._head: tuple[str, tuple[str, ...]] | None = None
        self._before = self._before_end = -1

    def run(self, root: Node) -> tuple[Block, ...]:
        """The blocks of a tree, in order. `data`, the text in UTF-8, is what the tree was made of."""
        self._walk(root.children, (), 0)
        self._flush(len(self._text), ())
        return tuple(self.blocks)

    def _walk(self, nodes: Iterable[Node], headings: tuple[str, ...], depth: int) -> None:
        for node in nodes:
            meaning = self._meaning(node)
            if meaning == "before":
                self._keep(node)
            elif meaning == "wrapper" and depth < _DEPTH and self._holds(node):
                self._walk(node.children, headings, depth + 1)
            elif meaning in ("", "wrapper"):
                self._other(node, headings)
            else:
                self._symbol(node, meaning, headings, depth)

    def _symbol(self, node: Node, meaning: str, headings: tuple[str, ...], depth: int) -> None:
        inner = self._inner(node) if meaning == "envelope" else node
        if inner is None:
            self._other(node, headings)
            return
        start, end = self._line_start(self._offset(node.start_byte)), self._end_of(node)
        if self._goes_on(inner, end):
            return
        first = self._first(start)
        self._flush(first, headings)
        decorated = node.type == "decorated_definition"
        name = self._signature(inner, self._offset(inner.start_byte) if decorated else start, end)
        meaning = self._meaning(inner) if inner is not node else meaning
        if depth < _DEPTH and (
            meaning == "container" or (meaning in ("function", "envelope") and end - start > _LARGE)
        ):
            members = (self._body(inner) or inner).children
            if any(self._is_member(member) for member in members):
                self._take_apart(members, end, name, headings, depth)
                return
        self._add(first, end, headings, name)

    def _take_apart(self, members: list[Node], end: int, name: str, above: tuple[str, ...], depth: int) -> None:
        headings = (*above, name) if name else above
        self._head = (name, above)
        self._walk(members, headings, depth + 1)
        if len(self._text[self._at : end].strip()) <= _CLOSING and self._head is None:
            self._extend(end)
        else:
            self._flush(end, headings)

    def _other(self, node: Node, headings: tuple[str, ...]) -> None:
        """What is no symbol stays with its neighbours, until they are enough for a block."""
        start, end = self._offset(node.start_byte), self._end_of(node)
        if node.type == "function_body" and self._at_symbol(start):
            self._extend(end)  # of Dart, where it stands beside the signature
            return
        if end - self._at > _PIECE:
            self._flush(self._first(self._line_start(start)), headings)
        self._before = self._before_end = -1

    def _keep(self, node: Node) -> None:
        """A comment or decorator belongs to what follows, unless it stands behind something on its line."""
        start, end = self._offset(node.start_byte), self._end_of(node)
        line = self._text.rfind("\n", 0, start) + 1
        if self._text[line:start].strip():
            if self.blocks and self._at >= line and not self._text[self._at : start].strip():
                self._extend(end)
            return
        if self._before < self._at or _BLANK_LINE.search(self._text, self._before_end, start):
            self._before = max(line, self._at)
        self._before_end = end

    def _first(self, start: int) -> int:
        """Where something starts with the comments and decorators before it."""
        before = self._before
        near = self._at <= before <= start and not _BLANK_LINE.search(self._text, self._before_end, start)
        return before if near else max(start, self._at)

    def _flush(self, until: int, headings: tuple[str, ...]) -> None:
        """Add what was met since the last block."""
        if self._text[self._at : until].strip():
            if self._head is not None:
                name, above = self._head
                self.blocks.append(Block("symbol", self._at, until, headings=above, name=name))
            else:
                self.blocks.append(Block("code", self._at, until, headings=headings))
            self._head = None
            self._at = until
        self._before = self._before_end = -1

    def _add(self, start: int, end: int, headings: tuple[str, ...], name: str) -> None:
        self.blocks.append(Block("symbol", start, end, headings=headings, name=name))
        self._at = end

    def _extend(self, end: int) -> None:
        last = self.blocks[-1]
        self.blocks[-1] = Block(last.kind, last.start, max(end, last.end), headings=last.headings, name=last.name)
        self._at = self.blocks[-1].end

    def _at_symbol(self, start: int) -> bool:
        """Whether a symbol ends right before `start`."""
        return bool(self.blocks) and self.blocks[-1].kind == "symbol" and not self._text[self._at : start].strip()

    def _goes_on(self, node: Node, end: int) -> bool:
        """Whether it is another part of the symbol before, which then reaches up to its end."""
        parts = grammars.IN_PARTS.get(self._language)
        if parts is None or node.type not in parts or not self._at_symbol(self._offset(node.start_byte)):
            return False
        if self._first_word(self.blocks[-1].name) != self._first_word(self._bytes(node)):
            return False
        self._extend(end)
        return True

    def _first_word(self, text: str) -> str:
        found = _NAME.match(text)
        return found[0] if found else ""

    # What nodes are.

    def _meaning(self, node: Node) -> str:
        kind, language = node.type, self._language
        meaning = _means(kind, language)
        if language in grammars.SCRIPTS:
            return self._script_meaning(node, meaning)
        if meaning or language not in grammars.OWN_RULES or kind not in grammars.OWN_RULES[language]:
            return meaning
        return self._own_rule(node)

    def _own_rule(self, node: Node) -> str:
        """Languages whose definitions are no nodes of their own type."""
        language = self._language
        if language == "elixir":
            return "container" if self._first_word(self._bytes(node)) in grammars.ELIXIR_WORDS else ""
        if language == "r":
            value = node.child_by_field_name("rhs")
            return "function" if value is not None and value.type == "function_definition" else ""
        if language == "zig":
            whole = _many_lines(node) or any(child.type == "Block" for child in node.children)
            return "container" if whole else ""
        if language == "groovy":
            return "container" if _many_lines(node) and any(child.type == "block" for child in node.children) else ""
        if language == "sql":
            return "leaf" if node.named_children and node.named_children[0].type.startswith("create") else ""
        return "leaf" if _DEFINE.match(self._bytes(node)) else ""

    def _script_meaning(self, node: Node, meaning: str) -> str:
        """JavaScript's functions are often values: of variables, of assignments, of the arguments of calls."""
        if meaning or node.type not in grammars.ASSIGNED:
            return meaning
        if node.type == "expression_statement" and self._holds(node):
            return "wrapper"
        return "function" if _many_lines(node) and self._function_inside(node) else ""

    def _function_inside(self, node: Node) -> bool:
        return any(found.type in grammars.FUNCTION_VALUES for found in _nearest(node, 5))

    def _is_member(self, node: Node) -> bool:
        meaning = self._meaning(node)
        return meaning not in ("", "before", "wrapper") or (meaning == "wrapper" and self._holds(node))

    def _holds(self, node: Node) -> bool:
        """Whether a wrapper holds any symbol, so that it is worth looking into."""
        return any(self._is_member(child) for child in node.children)

    def _inner(self, node: Node) -> Node | None:
        """The definition in a decorated, exported or template one."""
        for child in node.named_children:
            meaning = self._meaning(child)
            if meaning in ("container", "function", "leaf"):
                return child
            if meaning == "envelope":
                return self._inner(child)
        return node if _many_lines(node) else None

    def _body(self, node: Node) -> Node | None:
        body = node.child_by_field_name("body")
        if body is not None and body.type in grammars.BODIES:
            return body
        if _means(node.type, self._language) == "container" and any(map(self._is_member, node.named_children)):
            return node
        return next((found for found in _nearest(node, 6) if found.type in grammars.BODIES), None)

    # Their text.

    def _signature(self, node: Node, start: int, end: int) -> str:
        """The declaration on one line, without comments and annotations, and without its body."""
        text = self._text
        start = next((at for at in range(start, end) if not text[at].isspace()), start)
        if self._language in grammars.ANNOTATED and (found := _ANNOTATIONS.match(text, start, end)) is not None:
            start = found.end()
        body = None if self._language == "groovy" else self._value(node) or self._body(node)
        if body == node:
            body = next((child for child in node.named_children if self._is_member(child)), None)
        stop = self._offset(body.start_byte) if body is not None else end
        if stop <= start or stop - start > 4 * _SIGNATURE or stop == end:
            line = text.find("\n", start, end)
            brace = text.find("{", start, end)
            stop = min((at for at in (line, brace, end) if at > start), default=end)
        name = text[start:stop]
        if name.count("{") > name.count("}"):  # the body begins further outside than it was looked for
            name = name[: name.index("{")]
        return _TAIL.sub("", one_line(_COMMENT_LINE.split(name, maxsplit=1)[0], _SIGNATURE))

    def _value(self, node: Node) -> Node | None:
        """What the grammar itself calls the body."""
        body = node.child_by_field_name("body")
        for child in node.named_children if body is None else ():
            body = child.child_by_field_name("body")
            if body is not None:
                break
        return body

    def _bytes(self, node: Node) -> str:
        return self._data[node.start_byte : min(node.end_byte, node.start_byte + 80)].decode("utf-8", "replace")

    def _line_start(self, start: int) -> int:
        """Back to the beginning of the line over indentation and modifiers that are no nodes ("pub")."""
        line = self._text.rfind("\n", 0, start) + 1
        return line if start - line < 200 and _MODIFIERS.fullmatch(self._text, line, start) else start

    def _end_of(self, node: Node) -> int:
        """The end without blanks, with a semicolon right behind."""
        end, text = self._offset(node.end_byte), self._text
        while end > 0 and text[end - 1] in "\r\n\t ":
            end -= 1
        return end + 1 if text[end : end + 1] == ";" else end

    def _offset(self, byte: int) -> int:
        """The character at a byte; asked for in ascending order mostly, so it is counted from the last one."""
        if self._ascii:
            return byte
        last_byte, last = self._counted
        if byte >= last_byte:
            offset = last + len(self._data[last_byte:byte].decode("utf-8", "replace"))
        else:
            offset = last - len(self._data[byte:last_byte].decode("utf-8", "replace"))
        self._counted = (byte, offset)
        return offset


@lru_cache(maxsize=4096)
def _means(node_type: str, language: str) -> str:
    return grammars.means(node_type, language)


def _many_lines(node: Node) -> bool:
    return node.end_point.row > node.start_point.row


def _nearest(node: Node, depth: int) -> Iterator[Node]:
    """The nodes below, nearest first; not more than _LOOKED_AT."""
    seen, level = 0, node.named_children
    for _ in range(depth):
        for found in level:
            yield found
            seen += 1
            if seen > _LOOKED_AT:
                return
        level = [child for parent in level for child in parent.named_children]
