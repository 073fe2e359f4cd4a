"""What the lexical index reads of a text: the text itself, then the parts of its identifiers.

"getHTTPReply2 of user_name" also gives "get HTTP Reply 2 user name". The parts stand behind the text, so that its own
phrases stay phrases; those of one identifier stay together in order. Scripts written without spaces (Chinese, Japanese,
Thai …) give pairs of neighbouring characters, since the tokenizer takes a whole run of them for one word.
Queries go through the same function.
"""

from __future__ import annotations

import re

VERSION = 1  # of what this gives: an index made by another version is made again

_WORD = re.compile(r"\w{3,128}")
_PARTS = re.compile(r"[A-ZÀ-ÖØ-Þ]+(?![a-zß-öø-ÿ])|[A-ZÀ-ÖØ-Þ]?[a-zß-öø-ÿ]+|\d+|[^\W\d_]+")
_UNSPACED = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]{2,}"
)


def lexical_text(text: str) -> str:
    """`text` followed by the parts of its identifiers, each identifier's once; `text` itself when there are none."""
    words = dict.fromkeys(_WORD.findall(text))
    # Most words are small letters throughout, with one capital at most: they are told apart without the pattern.
    marked = [word for word in words if not (word.isalpha() and (word.islower() or word[1:].islower()))]
    added = [" ".join(parts) for word in marked if (parts := identifier_parts(word))]
    if not text.isascii():
        for run in dict.fromkeys(_UNSPACED.findall(text)):
            added.append(" ".join(run[at : at + 2] for at in range(len(run) - 1)))
    return f"{text}\n{' '.join(added)}" if added else text


def identifier_parts(word: str) -> list[str]:
    """The parts of an identifier at case, underscores and digits; [] when that is the word itself."""
    parts = _PARTS.findall(word)
    return parts if parts != [word] else []
