"""Errors in the form OpenAI's clients know: {"error": {"message", "type", "param", "code"}} and our numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from desktop.service.errors import body_of, status_of
from engine.errors import EngineError, RequestRefused

RETRY_AFTER_S = 1

TYPE_OF_STATUS = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}

# llama-server answers 500 to most requests it cannot use (a schema, a template's own refusal, a grammar that meets a
# forced token); these are the few that mean its own failure. Source: tools/server/server-context.cpp, send_error.
OWN_FAILURES = ("Compute error", "Internal Server Error", "unknown error", "Unable to")


class ApiError(Exception):
    """A refusal of a request: `message` is a sentence, `param` names the field, `code` is for programs."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str,
        param: str | None = None,
        details: Mapping[str, Any] | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.param = param
        self.details = dict(details or {})
        self.retry_after_s = RETRY_AFTER_S if retry_after_s is None and status in (429, 503) else retry_after_s

    @property
    def body(self) -> dict[str, Any]:
        """The answer's JSON."""
        kind = TYPE_OF_STATUS.get(self.status, "server_error" if self.status >= 500 else "invalid_request_error")
        error = {**self.details, "message": self.message, "type": kind, "param": self.param, "code": self.code}
        return {"error": error}

    def response(self) -> Response:
        headers = {"cache-control": "no-store"}
        if self.retry_after_s is not None:
            headers["retry-after"] = str(self.retry_after_s)
        return Response(json.dumps(self.body), self.status, headers, "application/json")

    def event(self) -> bytes:
        """The same as the terminal event of a stream."""
        return b"data: " + json.dumps(self.body).encode() + b"\n\n"


def bad_field(param: str, message: str) -> ApiError:
    """A field of the body that has the wrong type, range or meaning."""
    return ApiError(400, f"'{param}' {message}", code="invalid_value", param=param)


def api_error(error: BaseException) -> ApiError:
    """Any failure as an ApiError; one nobody foresaw is logged with its traceback and told without it."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, RequestRefused):
        return _refused(error)
    told, status = body_of(error), status_of(error)
    if isinstance(error, EngineError) and status == 500:
        status = 502
    message = f"{told.message} {told.hint}".strip()
    details = {name: value for name, value in told.details.items() if name != "log_tail"}
    retry = getattr(error, "retry_after_s", None)
    return ApiError(status, message, code=told.kind, details=details, param=_param(told.kind), retry_after_s=retry)


def _refused(error: RequestRefused) -> ApiError:
    """llama-server's no. Its 4xx keep their status; what a request can cause is the request's fault, never a 5xx."""
    if error.status == 503:
        return ApiError(503, "The model is still loading.", code="model_loading")
    if error.status in (401, 403, 404):
        return ApiError(502, f"The engine refused our request: {error.message}", code="engine_error")
    if error.status >= 500 and error.message.startswith(OWN_FAILURES):
        return ApiError(502, f"The engine failed: {error.message}", code="engine_error")
    code = error.code if error.status < 500 else ""  # a 500's own word for itself is "server_error"
    return ApiError(400, error.message, code=code or "invalid_request_error")


def _param(kind: str) -> str | None:
    params = {"context_length_exceeded": "messages", "text_too_long": "input", "bad_option": "lora"}
    return "model" if kind == "model_not_found" else params.get(kind)
