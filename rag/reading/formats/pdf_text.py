"""The text of a PDF page, as PDFium gives it, in paragraphs."""

from __future__ import annotations

import re

# PDFium marks a hyphen at the end of a line, which may be one of the word's own or not, with U+FFFE, U+0002 or U+00AD.
_HYPHENATED = re.compile("(?<=[^\\W\\d_])[\ufffe\x02\xad]\\s*\\n?(?=[a-zß-öø-ÿ])")
_OTHER_HYPHEN = re.compile("[\ufffe\x02\xad]")
_CONTROLS = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f\ufeff\uffff]")
_BLANK = re.compile(r"\n[^\S\n]*(?:\n[^\S\n]*)+")
_LIGATURES = str.maketrans({"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"})
_SENTENCE_END = re.compile(r"[.!?:;)\]\"”»]$")
_NEW = re.compile(r"(?:[•▪‣◦●○■–—*-]|\(?\d{1,3}(?:\.\d{1,3})*[.)]?|[A-Z]\.)\s")
_SHORT = 0.7  # of the page's usual line: shorter ones that end a sentence end a paragraph


def paragraphs(text: str) -> list[str]:
    """The paragraphs of a page, lines kept: tables are told by them."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").translate(_LIGATURES)
    text = _OTHER_HYPHEN.sub("-", _HYPHENATED.sub("", text))
    text = _CONTROLS.sub("", text)
    found = []
    for group in _BLANK.split(text):
        found += _split([line.strip() for line in group.split("\n") if line.strip()])
    return found


def _split(lines: list[str]) -> list[str]:
    """PDFium gives no blank lines, so a paragraph ends with a sentence that ends on a short line."""
    if not lines:
        return []
    usual = sorted(map(len, lines))[len(lines) * 3 // 4]
    found, start = list[str](), 0
    for index in range(len(lines) - 1):
        ended = len(lines[index]) < _SHORT * usual and _SENTENCE_END.search(lines[index])
        if ended and (lines[index + 1][0].isupper() or _NEW.match(lines[index + 1])):
            found.append("\n".join(lines[start : index + 1]))
            start = index + 1
    return [*found, "\n".join(lines[start:])]
