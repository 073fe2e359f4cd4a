"""Half-typed Markdown at the end of a growing text: how much of it can be shown without flickering. Pure."""

from __future__ import annotations

import re

_LOOK_BACK = 300
_LINK = re.compile(r"\]\([^()\s]*$|\]\[[^\[\]\n]*$")
_MARKS = re.compile(r"[*_~`$\\]+$")
_LINE_START = re.compile(r"(?:#{1,6}|[-+*]|[-=_*]{1,3}|\d{1,9}[.)]?|>|`{1,2}|~{1,2}|!|\[)[ \t]*")


def held_back(text: str) -> int:
    """Length of the part of `text` to show: trailing marks that the next characters decide are left out.

    Left out are a run of emphasis or code marks, the target of an unfinished link, and a last line that holds
    nothing but what begins a heading, an item, a rule, a quote or a fence. At most the last
    300 characters are looked at.
    """
    begin = max(0, len(text) - _LOOK_BACK)
    line_start = text.rfind("\n", begin) + 1
    line = text[max(line_start, begin) :]
    if line_start or len(text) < _LOOK_BACK:
        stripped = line.lstrip(" >\t")
        if stripped and _LINE_START.fullmatch(stripped):
            return len(text) - len(stripped)
    for pattern in (_LINK, _MARKS):
        found = pattern.search(line)
        if found:
            return len(text) - len(line) + found.start()
    return len(text)
