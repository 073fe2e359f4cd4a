"""Errors of the models package: the world said no.

ModelsError
├── BadGguf          the file is not a GGUF file we would hand to an engine
├── ModelNotFound    no such model in the library
├── ModelExists      the same file is in the library already
├── DiskFull         not enough room; needed_bytes and free_bytes say how much
├── NetworkError
│   ├── AirGapped        the switch that keeps everything on this machine is on
│   ├── Offline          the host did not answer; `host` names it
│   ├── RedirectRefused  an answer pointed somewhere we do not go
│   └── TooLarge         an answer was longer than its kind may be
├── HubError
│   ├── LoginNeeded      no token, or one the Hub does not accept
│   ├── LicenceNeeded    the token's owner has not accepted the terms; `url` is where
│   ├── RepoNotFound     no such repository or file, or a private one
│   ├── RateLimited      too many requests; retry_after_s says how long to wait
│   ├── HubTrouble       the Hub failed; `status` is its HTTP status
│   ├── HashMismatch     the bytes are not the ones the Hub promised
│   └── CommitChanged    the repository changed since it was pinned
├── UnsafeName       a repository or file name that could leave its folder
├── ConvertRefused   the checkpoint holds something that is never converted
├── ToolFailed       a llama.cpp tool ended badly; log_tail has its last lines
│   ├── ConvertFailed    the conversion
│   ├── QuantizeFailed   llama-quantize, -imatrix or -gguf-split
│   └── MeasureFailed    llama-perplexity or -bench, or it said something we cannot read
├── KeyringMissing   no place to keep a secret; keeping it for the session needs consent
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


class NetworkError(ModelsError):
    """A request to the outside was not made or not finished."""

    kind = "network_error"


class AirGapped(NetworkError):
    """Refused before a byte left: the air gap is on."""

    kind = "air_gapped"


class Offline(NetworkError):
    """No answer from `host`: no network, no name, no route, or silence for longer than we wait."""

    kind = "offline"

    def __init__(self, message: str, *, host: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.host = host


class RedirectRefused(NetworkError):
    """An address was refused: plain http to another machine, too many hops, or no address at all."""

    kind = "redirect_refused"


class TooLarge(NetworkError):
    """An answer went past the cap of its kind, unpacked; reading stopped there."""

    kind = "too_large_answer"


class HubError(ModelsError):
    """The Hub said no."""

    kind = "hub_error"


class LoginNeeded(HubError):
    """The repository asks for a token, or the one we sent is not accepted."""

    kind = "hub_login_needed"


class LicenceNeeded(HubError):
    """The token is good; its owner has yet to accept the terms at `url`."""

    kind = "hub_licence_needed"

    def __init__(self, message: str, *, url: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.url = url


class RepoNotFound(HubError):
    """No such repository, revision or file, or one that is private."""

    kind = "hub_not_found"


class RateLimited(HubError):
    """The Hub asks to wait `retry_after_s` seconds; nothing is sent meanwhile."""

    kind = "hub_rate_limited"

    def __init__(self, message: str, *, retry_after_s: float = 0.0, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.retry_after_s = retry_after_s


class HubTrouble(HubError):
    """The Hub answered with a failure of its own, or with something that is not an answer (`status` 200)."""

    kind = "hub_trouble"

    def __init__(self, message: str, *, status: int = 0, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.status = status


class HashMismatch(HubError):
    """`host` sent bytes whose sha256 is `found` where the Hub promised `expected`; they were deleted."""

    kind = "hash_mismatch"

    def __init__(self, message: str, *, host: str = "", expected: str = "", found: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.host = host
        self.expected = expected
        self.found = found


class CommitChanged(HubError):
    """What the Hub serves is another commit than the one that was pinned; going on needs consent."""

    kind = "commit_changed"


class UnsafeName(ModelsError):
    """A name from elsewhere that could write, read or delete outside its folder on some system."""

    kind = "unsafe_name"


class ConvertRefused(ModelsError):
    """The checkpoint was refused before any of its bytes were run or parsed; the message says why."""

    kind = "convert_refused"


class ToolFailed(ModelsError):
    """A llama.cpp tool ended badly; `log_tail` holds the last lines it wrote."""

    kind = "tool_failed"

    def __init__(self, message: str, *, log_tail: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.log_tail = log_tail


class ConvertFailed(ToolFailed):
    """The conversion ended badly; nothing of it is left."""

    kind = "convert_failed"


class QuantizeFailed(ToolFailed):
    """Quantizing, its importance matrix, a split or a merge ended badly; nothing of it is left."""

    kind = "quantize_failed"


class MeasureFailed(ToolFailed):
    """A measurement ended badly; the ones before it are stored."""

    kind = "measure_failed"


class KeyringMissing(ModelsError):
    """This system offers no place to keep a secret; the session can keep it after consent."""

    kind = "keyring_missing"


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
