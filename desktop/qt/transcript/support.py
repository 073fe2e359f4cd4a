"""Where sentences of an answer stand in its pieces, so that those without support can be marked. Pure.

A sentence is known by its place in the Markdown, a piece by the text it shows. What both have in common are letters and
digits in their order, so those are compared; a sentence that holds a link or a formula is not found, and not marked.
"""

from __future__ import annotations

from collections.abc import Sequence

from desktop.qt.transcript.pieces import utf16_length

SHORTEST = 8  # letters and digits: less than that stands in a text more than once


def skeleton(text: str) -> tuple[str, list[int]]:
    """Letters and digits of a text, and where each of them stands in it, in UTF-16 units."""
    letters, places, at = [], [], 0
    for char in text:
        if char.isalnum():
            letters.append(char)
            places.append(at)
        at += 1 if ord(char) < 0x10000 else 2
    return "".join(letters), places


def places_of(sentences: Sequence[str], piece: str) -> list[tuple[int, int]]:
    """Ranges of `piece`, UTF-16 units, that show one of the sentences; those that are not in it are left out."""
    letters, places = skeleton(piece)
    found = []
    for sentence in sentences:
        wanted, _places = skeleton(sentence)
        start = letters.find(wanted) if len(wanted) >= SHORTEST else -1
        if start >= 0:
            last = places[start + len(wanted) - 1]
            found.append((places[start], last + _width(piece, last)))
    return found


def _width(piece: str, at: int) -> int:
    """How many UTF-16 units the character at a place takes, with the full stop behind it."""
    rest = piece.encode("utf-16-le")[2 * at : 2 * at + 8].decode("utf-16-le", "ignore")
    width = utf16_length(rest[:1])
    return width + 1 if rest[1:2] in (".", "!", "?") else width
