"""JSON with the place of each value: what the standard library's parser does not tell. Never recursive."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from rag.errors import ParseFailed

_TOKEN = re.compile(
    r'\s*(?:("(?:[^"\\]|\\.)*+")|([{}\[\]:,])|(//[^\n]*|/\*(?:[^*]|\*(?!/))*+\*/)|([^\s{}\[\]:,"]+))', re.DOTALL
)


@dataclass(slots=True)
class Value:
    """[start, end) of the text. `key` is its name in an object; objects and arrays have `items`."""

    start: int
    end: int = -1
    key: str | None = None
    key_start: int = -1
    kind: str = "plain"  # or "string", "object", "array"
    items: list[Value] = field(default_factory=list)

    @property
    def whole_start(self) -> int:
        """Where it starts with its key."""
        return self.start if self.key_start < 0 else self.key_start

    def get(self, key: str) -> Value | None:
        """The value of a key of an object."""
        return next((item for item in self.items if item.key == key), None)

    def strings(self) -> Iterator[Value]:
        """Itself when it is a string, or the strings of an array."""
        return (value for value in (self, *self.items) if value.kind == "string")


def parse_json(text: str, depth: int, deepest: int) -> Value | None:
    """The first value of a text. Values nested deeper than `depth` are taken as plain, without what is in them.

    None when it is no JSON; comments and commas at the end are passed over. Raises ParseFailed (too_deep) for what is
    nested deeper than `deepest`.
    """
    top = Value(0, kind="array")
    stack, level = [top], 0  # level is how deep we are, also below what is kept
    key: tuple[str, int] | None = None
    string: tuple[int, int] | None = None
    for token in _TOKEN.finditer(text):
        start, end = token.span(token.lastindex or 0)
        mark = token[2]
        if token[3] or (level >= depth and (mark is None or mark in ":,")):
            continue
        if mark == ":":
            if string is not None and stack[-1].items and stack[-1].items[-1].start == string[0]:
                stack[-1].items.pop()
                key = (text[slice(*string)], string[0])
        elif mark is not None and mark in "{[":
            level += 1
            if level > deepest:
                raise ParseFailed(f"It is nested deeper than {deepest:,} levels.", reason="too_deep")
            if level <= depth:
                value = _named(Value(start, kind="object" if mark == "{" else "array"), key)
                stack[-1].items.append(value)
                stack.append(value)
                key = None
        elif mark is not None and mark in "}]":
            if level == 0 or (level <= depth and (stack[-1].kind == "object") != (mark == "}")):
                return None
            if level <= depth:
                stack.pop().end = end
            level -= 1
        elif mark is None:
            string = (start, end) if token[1] else None
            stack[-1].items.append(_named(Value(start, end, kind="string" if token[1] else "plain"), key))
            key = None
    return top.items[0] if level == 0 and top.items else None


def _named(value: Value, key: tuple[str, int] | None) -> Value:
    if key is not None:
        value.key, value.key_start = unquoted(key[0]), key[1]
    return value


def unquoted(text: str) -> str:
    """The string that a string of JSON stands for; as it stands when it is none."""
    try:
        found = json.loads(text, strict=False)
    except ValueError:
        return text.strip('"')
    return found if isinstance(found, str) else text
