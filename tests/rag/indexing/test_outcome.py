"""What becomes of a file, given what reading it gave."""

from __future__ import annotations

import pytest

from rag.errors import ParseFailed
from rag.indexing.outcome import outcome
from rag.indexing.plan import FoundFile
from rag.reading.types import Parsed
from rag.reading.version import PARSER_VERSION
from rag.scan.rules import Found
from rag.store.rows import FileStat, Indexed, Kept, KnownFile, NewDocument, Removed, Skipped
from rag.types import SkipReason

STAT = FileStat(10, 5, 3, 7)
FILE = Found("sub/a.MD", 10, 5, 3, 7)
KNOWN = KnownFile("sub/a.MD", STAT, "indexed", "", b"x", 4)


def test_a_file_that_was_read_is_known_as_the_bytes_that_were_read() -> None:
    parsed = Parsed("ab" * 32, 11, 6, 3, "prose", "A", "", "utf-8", False, 0, 11, ("lossy",), (), 0.1)
    made = outcome(FoundFile(2, FILE), "a.MD", parsed)
    assert isinstance(made, Indexed)
    assert (made.root_id, made.path, made.stat) == (2, "sub/a.MD", FileStat(11, 6, 3, 7))
    assert isinstance(made.document, NewDocument)
    assert (made.document.variant, made.document.parser_version) == (".md", PARSER_VERSION)
    assert (made.document.pages, made.document.warnings) == (None, ("lossy",))


@pytest.mark.parametrize(
    ("reason", "before", "expected"),
    [
        ("vanished", KNOWN, Removed(2, "sub/a.MD")),
        ("damaged", None, Skipped(2, "sub/a.MD", STAT, "damaged", "It is broken.", failed=True)),
        ("damaged", KNOWN, Kept(2, "sub/a.MD", STAT, "damaged", "It is broken.")),
        ("changing", KNOWN, Kept(2, "sub/a.MD", STAT, "changing", "It is broken.")),
        ("encrypted", None, Skipped(2, "sub/a.MD", STAT, "encrypted", "It is broken.")),
        ("encrypted", KNOWN, Kept(2, "sub/a.MD", STAT, "encrypted", "It is broken.")),
        ("binary", KNOWN, Skipped(2, "sub/a.MD", STAT, "binary", "It is broken.")),  # it is another file now
        ("empty", KNOWN, Skipped(2, "sub/a.MD", STAT, "empty", "It is broken.")),
    ],
)
def test_a_file_that_failed_keeps_what_it_had_and_one_that_is_something_else_does_not(
    reason: SkipReason, before: KnownFile | None, expected: object
) -> None:
    assert outcome(FoundFile(2, FILE, before), "a.MD", ParseFailed("It is broken.", reason=reason)) == expected


def test_a_file_that_never_was_in_the_index_has_nothing_to_keep() -> None:
    before = KnownFile("sub/a.MD", STAT, "waiting")
    made = outcome(FoundFile(2, FILE, before), "a.MD", ParseFailed("It hangs.", reason="timeout"))
    assert made == Skipped(2, "sub/a.MD", STAT, "timeout", "It hangs.", failed=True)
