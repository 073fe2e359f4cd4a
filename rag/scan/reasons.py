"""Why a file is not in the index, in words."""

from __future__ import annotations

from rag.types import SkipReason


def reason_sentence(reason: SkipReason, detail: str = "") -> str:
    """A sentence for people about a file that was left out; `detail` is that of Left, or a reader's own words."""
    return f"{reason}: {detail}"
