"""What becomes of a file in the index, given what reading it gave."""

from __future__ import annotations

from rag.errors import ParseFailed
from rag.indexing.plan import FoundFile, stat_of, variant
from rag.reading.types import Parsed
from rag.reading.version import PARSER_VERSION
from rag.store.rows import FileChange, FileStat, Indexed, Kept, NewDocument, Removed, Skipped

# Reasons that say something of the moment or of a fault, not of what the file is: what was read of it before still
# tells more than nothing.
FAULTS = frozenset(
    {"damaged", "bomb", "too_deep", "timeout", "memory", "crashed", "changing", "unreadable", "no_text", "encrypted"}
)
FAILED = FAULTS - {"no_text", "encrypted"}  # the others are what the file is


def outcome(one: FoundFile, name: str, result: Parsed | ParseFailed) -> FileChange:
    """The change to make for a file that was read, or could not be. `name` is the file's own name.

    A file that fails keeps what was read of it before, and is told of as failed.
    """
    root, path = one.root_id, one.file.path
    if isinstance(result, Parsed):
        stat = FileStat(result.size, result.mtime_ns, result.inode, one.file.device)
        return Indexed(root, path, stat, _document(result, name))
    if result.reason == "vanished":
        return Removed(root, path)
    if result.reason in FAULTS and one.known is not None and one.known.document_id is not None:
        return Kept(root, path, stat_of(one.file), result.reason, result.message)
    return Skipped(root, path, stat_of(one.file), result.reason, result.message, failed=result.reason in FAILED)


def _document(parsed: Parsed, name: str) -> NewDocument:
    return NewDocument(
        sha256=bytes.fromhex(parsed.sha256),
        variant=variant(name),
        parser_version=PARSER_VERSION,
        kind=parsed.kind,
        chunks=parsed.chunks,
        language=parsed.language,
        title=parsed.title,
        pages=parsed.pages or None,
        encoding=parsed.encoding,
        lossy=parsed.lossy,
        warnings=parsed.warnings,
        size=parsed.size,
        chars=parsed.characters,
    )
