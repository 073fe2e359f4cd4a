"""Small changes to the unpacked llama.cpp before it is compiled, each with the fault it mends.

A mend is a search and a replacement that must fit exactly once. Where it does not fit (another release), the engine is
built as it is, and its record says so. The list is a part of the cache key.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple


class Mend(NamedTuple):
    """`edits` are (regular expression, replacement) for `path` below llama.cpp; all fit or none is made."""

    name: str
    path: str
    edits: tuple[tuple[str, str], ...]


# llama-perplexity and llama-imatrix print in a thread and end without waiting for it: now and then the last lines,
# which are the result, were lost, and the exit code was 0.
_END = r"(    llama_backend_free\(\);\n)(\n    return 0;\n\}\s*)$"
_WAIT = r"\1    common_log_pause(common_log_main());\n\2"

MENDS = (
    Mend("llama-perplexity says all before it ends", "tools/perplexity/perplexity.cpp", ((_END, _WAIT),)),
    Mend("llama-imatrix says all before it ends", "tools/imatrix/imatrix.cpp", ((_END, _WAIT),)),
    # A request that waits for its first token looks every second whether its client is still there. That second began
    # anew with each result for anybody else, so beside a running stream a client that had left kept its slot until its
    # whole prompt was read, and its place in the queue until a slot was free. With a fixed deadline the look is taken.
    Mend(
        "clients that left are noticed beside running streams",
        "tools/server/server-queue.cpp",
        (
            (
                r"(::recv_with_timeout\([^)]*\bint timeout\) \{\n)",
                r"\1    const auto look_at = std::chrono::steady_clock::now() + std::chrono::seconds(timeout);\n",
            ),
            (r"\.wait_for\(lock, std::chrono::seconds\(timeout\)\)", ".wait_until(lock, look_at)"),
        ),
    ),
)


def apply_mends(llama_cpp: Path, mends: tuple[Mend, ...] = MENDS) -> dict[str, str]:
    """Make every mend that fits; returns for each name "made" or why it was not. Making them twice changes nothing."""
    return {mend.name: _apply(llama_cpp / mend.path, mend) for mend in mends}


def mend_key(mends: tuple[Mend, ...] = MENDS) -> str:
    """Everything the mends change, as one text for the cache key."""
    return repr(mends)


def _apply(path: Path, mend: Mend) -> str:
    mark = f"// mended: {mend.name}\n"
    try:
        text = path.read_text(encoding="utf-8")
    except OSError:
        return f"{mend.path} is not there"
    if text.startswith(mark):
        return "made"
    for pattern, replacement in mend.edits:
        text, count = re.subn(pattern, replacement, text)
        if count != 1:
            return f"{mend.path} reads otherwise in this release"
    path.write_text(mark + text, encoding="utf-8")
    return "made"
