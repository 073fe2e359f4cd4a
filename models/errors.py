"""Errors of the models package: the world said no.

ModelsError
├── BadGguf          the file is not a GGUF file we would hand to an engine
├── ModelNotFound    no such model in the library
├── ModelExists      the same file is in the library already
├── DiskFull         not enough room; needed_bytes and free_bytes say how much
├── DatabaseError
│   ├── DatabaseBusy     another process holds the database
│   ├── DatabaseCorrupt  the file did not pass its integrity check
│   └── DatabaseTooNew   written by a newer Jackdaw; it is left alone
└── BinaryMissing    no engine is built here
Cancelled            a state, not an error: the user asked to stop
"""

from __future__ import annotations

from pathlib import Path


class ModelsError(Exception):
    """A failure the user can act on: the message is a sentence, `hint` the next step."""

    kind = "models_error"

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class BadGguf(ModelsError):
    """The file was refused before any engine saw it; the message names the reason."""

    kind = "bad_gguf"


class ModelNotFound(ModelsError):
    """No model of that id is in the library."""

    kind = "model_not_found"


class ModelExists(ModelsError):
    """The same file is in the library already; `model_id` names it."""

    kind = "model_exists"

    def __init__(self, message: str, *, model_id: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.model_id = model_id


class DiskFull(ModelsError):
    """Writing stopped for want of room; old data is intact."""

    kind = "disk_full"

    def __init__(self, message: str, *, needed_bytes: int = 0, free_bytes: int = 0, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.needed_bytes = needed_bytes
        self.free_bytes = free_bytes


class DatabaseError(ModelsError):
    """jackdaw.db could not be used."""

    kind = "database_error"


class DatabaseBusy(DatabaseError):
    """Another process held the database for longer than we wait."""

    kind = "database_busy"


class DatabaseCorrupt(DatabaseError):
    """The file did not pass SQLite's check; nothing was deleted.

    `corrupt_copy` is where it was set aside, `backup` the newest backup that passes its check.
    """

    kind = "database_corrupt"

    def __init__(
        self, message: str, *, hint: str = "", corrupt_copy: Path | None = None, backup: Path | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.corrupt_copy = corrupt_copy
        self.backup = backup


class DatabaseTooNew(DatabaseError):
    """The schema was written by a newer version; it is left as it is."""

    kind = "database_too_new"


class BinaryMissing(ModelsError):
    """No llama.cpp build was found."""

    kind = "engine_missing"


class Cancelled(Exception):
    """Raised by Cancel.check(): a state the job ends in, never shown as an error."""
