"""Errors of the service, and the one table that turns every error into a status and a body.

ServiceError
├── BadRequest       the request was not understood; nothing was changed
├── NotFound         no such chat, message, key, job or route
├── Conflict         the thing exists already, or is busy
└── NotAvailable     something this needs is missing (an engine, a model)
"""

from __future__ import annotations

import dataclasses
import errno
import logging
from typing import Any

from pydantic import ValidationError

from desktop.settings import SettingsError
from desktop.wire import ErrorBody
from engine.errors import EngineError
from models.errors import ModelsError
from rag.errors import RagError

log = logging.getLogger(__name__)

Known = ModelsError | EngineError | RagError | SettingsError
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


class ServiceError(Exception):
    """A failure the user can act on: the message is a sentence, `hint` the next step."""

    status = 500

    def __init__(self, kind: str, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.hint = hint


class BadRequest(ServiceError):
    """The request was not understood; nothing was changed."""

    status = 400


class NotFound(ServiceError):
    """No such thing."""

    status = 404


class Conflict(ServiceError):
    """The thing exists already, or is busy."""

    status = 409


class NotAvailable(ServiceError):
    """Something this needs is missing."""

    status = 503


# By kind, so that a subclass without an entry falls back to its root's status below.
STATUS_OF_KIND = {
    "bad_setting": 400,
    "bad_option": 400,
    "bad_gguf": 422,
    "model_not_found": 404,
    "model_exists": 409,
    "disk_full": 507,
    "database_busy": 503,
    "network_error": 502,
    "air_gapped": 503,
    "offline": 503,
    "redirect_refused": 502,
    "too_large_answer": 502,
    # What the Hub answered, as its own status; these never mean our own keys and paths.
    "hub_error": 502,
    "hub_login_needed": 401,
    "hub_licence_needed": 403,
    "hub_not_found": 404,
    "hub_rate_limited": 429,
    "hub_trouble": 502,
    "hash_mismatch": 502,
    "commit_changed": 409,
    "unsafe_name": 400,
    "convert_refused": 422,
    "tool_failed": 502,
    "convert_failed": 502,
    "quantize_failed": 502,
    "measure_failed": 502,
    "keyring_missing": 409,
    "merge_refused": 409,
    "engine_missing": 503,
    "engine_busy": 503,
    "engine_crash_loop": 503,
    "engine_unproven": 503,
    "engine_stopped": 502,
    "load_failed": 502,
    "out_of_memory": 507,
    "request_refused": 400,
    "bad_answer": 502,
    "context_length_exceeded": 400,
    "text_too_long": 400,
    "files_error": 500,
    "collection_not_found": 404,
    "collection_exists": 409,
    "bad_collection": 400,
    "root_not_found": 404,
    "parse_failed": 422,
    "embedder_missing": 503,
    "embedder_failed": 502,
    "embedding_mismatch": 409,
    "reranker_failed": 502,
    "vectors_broken": 503,
    "bad_query": 400,
    "check_not_found": 404,
    "index_too_new": 409,
}


def status_of(error: BaseException) -> int:
    """The HTTP status of an error; 500 for one that nobody foresaw."""
    if isinstance(error, ServiceError):
        return error.status
    if isinstance(error, Known):
        return STATUS_OF_KIND.get(error.kind, 500)
    if isinstance(error, OSError) and error.errno in NO_ROOM:
        return STATUS_OF_KIND["disk_full"]
    return 500


def body_of(error: BaseException) -> ErrorBody:
    """What the user is told. An unforeseen error keeps its text to itself: it goes to the log with its traceback."""
    if isinstance(error, ServiceError | Known):
        return ErrorBody(kind=error.kind, message=error.message, hint=error.hint, details=_details(error))
    if isinstance(error, OSError) and error.errno in NO_ROOM:
        where = f" with {error.filename}" if error.filename else ""
        return ErrorBody(
            kind="disk_full",
            message=f"The disk{where} is full. What was saved before is intact.",
            hint="Make room on that disk, then try again.",
        )
    log.error("Unforeseen error", exc_info=error)
    if isinstance(error, OSError) and error.errno and error.strerror:
        where = f" ({error.filename})" if error.filename else ""
        return ErrorBody(
            kind="os_error",
            message=f"The system refused: {error.strerror}{where}.",
            hint="Check the permissions and the disk of the data folder; the service's log has the details.",
        )
    return ErrorBody(
        kind="internal_error",
        message=f"Jackdaw made a mistake ({type(error).__name__}).",
        hint="The details are in the service's log.",
    )


def in_words(error: ValidationError) -> str:
    """The first things that are wrong, by name; never the values, which may be what somebody wrote to a model."""
    faults = []
    for fault in error.errors(include_input=False, include_url=False)[:3]:
        place = ".".join(str(part) for part in fault["loc"])
        faults.append(f"{place}: {fault['msg']}" if place else fault["msg"])
    return "The request was not understood: " + "; ".join(faults) + "."


def _details(error: ServiceError | Known) -> dict[str, Any]:
    """The numbers and names an error carries beside its sentence."""
    fields = {name: value for name, value in vars(error).items() if name not in ("kind", "message", "hint")}
    return {name: _plain(value) for name, value in fields.items() if not name.startswith("_")}


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, (str, int, float, bool, type(None))):
        return value
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return str(value)
