"""Why a file is not in the index, in words."""

from __future__ import annotations

from typing import Final

from rag.types import SkipReason

_SENTENCES: Final[dict[SkipReason, str]] = {
    "ignored": "A rule leaves it out",
    "secret": "Files of this name usually hold keys or passwords",
    "generated": "It is not written by hand: vendored, built, minified, or a lock file",
    "binary": "It holds no text that can be read",
    "too_large": "It is larger than the collection reads",
    "empty": "It is empty",
    "encrypted": "It is encrypted, and its password is not known",
    "damaged": "It is damaged and cannot be read",
    "bomb": "It unpacks to far more than it is, as files made to do harm do",
    "too_deep": "It is nested more deeply than is read",
    "timeout": "Reading it took too long",
    "memory": "Reading it took too much memory",
    "crashed": "What reads such files crashed over it",
    "no_text": "Its pages are pictures, and tesseract, which could read them, is not installed",
    "not_a_file": "It is no regular file but a device, a pipe or a socket",
    "link_outside": "It is a link that leads out of the folder",
    "unreadable": "It may not be read",
    "changing": "It changed each time it was read; it will be tried again",
    "vanished": "It is gone",
    "unsupported": "Files of this kind are not read",
}


def reason_sentence(reason: SkipReason, detail: str = "") -> str:
    """A sentence for people about a file that was left out; `detail` is that of Left, or a reader's own words."""
    return f"{_SENTENCES[reason]}: {detail.rstrip('.')}." if detail else f"{_SENTENCES[reason]}."
