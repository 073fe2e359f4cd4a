"""Who may speak to the port: checked on the headers alone, in this order, before any byte of a body is read.

Host (against DNS rebinding), Origin (against pages in the user's browser), key, content type, size. A refusal closes
the connection, so that the body of a refused request is never taken in.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any, Protocol

from starlette.responses import Response

from desktop.service.api_errors import ApiError

MAX_BODY_BYTES = 8 * 1024 * 1024
MAX_IMAGE_BODY_BYTES = 32 * 1024 * 1024
IMAGE_ROUTES = frozenset({"/v1/chat/completions"})
OPEN_ROUTES = frozenset({"/health"})
BODY_METHODS = frozenset({"POST", "PUT", "PATCH"})
KEY_NAME = "key_name"

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class KeyRing(Protocol):
    """Where client keys are known."""

    def verify(self, secret: bytes) -> str | None:
        """The name of the key with this secret, or None."""


@dataclass(frozen=True, slots=True)
class Rules:
    """`hosts`: the whole values of the Host header that are ours, in lower case. `origins`: pages of other programs the
    user named, each scheme, host and port exactly; empty by default. `require_key`: on by default."""

    hosts: frozenset[bytes]
    origins: frozenset[bytes] = frozenset()
    require_key: bool = True


class Guard:
    """ASGI middleware. `rules` is asked for each request, so that a changed port or setting counts at once."""

    def __init__(self, app: App, keys: KeyRing, rules: Callable[[], Rules]) -> None:
        self._app = app
        self._keys = keys
        self._rules = rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError(f"The port takes HTTP only, not {scope['type']}.")
        rules = self._rules()
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        try:
            check_host(headers, rules.hosts)
            origin = check_origin(headers, rules.origins)
            if origin is not None and is_preflight(scope["method"], headers):
                await _answer(_preflight(origin), scope, receive, send)
                return
            if rules.require_key and scope["path"] not in OPEN_ROUTES:
                scope.setdefault("state", {})[KEY_NAME] = check_key(headers, self._keys)
            if scope["method"] in BODY_METHODS:
                check_content_type(headers)
            check_size(headers, max_body_bytes(scope["path"]))
        except ApiError as refusal:
            await _answer(refusal.response(), scope, receive, send)
            return
        await self._app(scope, receive, send if origin is None else _naming(origin, send))


def check_host(headers: list[tuple[bytes, bytes]], hosts: frozenset[bytes]) -> None:
    """Exactly one Host header, exactly one of ours."""
    found = values(headers, b"host")
    if len(found) != 1:
        raise ApiError(400, "A request needs exactly one Host header.", code="bad_host")
    if found[0].strip(b" \t").lower() not in hosts:
        raise ApiError(403, "This Host is not one of this port's names.", code="bad_host")


def check_origin(headers: list[tuple[bytes, bytes]], origins: frozenset[bytes]) -> bytes | None:
    """None without an Origin header (not a browser), else the origin when the user allowed exactly that one."""
    found = values(headers, b"origin")
    if not found:
        return None
    if len(found) != 1 or found[0] not in origins:
        raise ApiError(403, "Web pages may not use this port. The user can allow one by its origin.", code="bad_origin")
    return found[0]


def check_key(headers: list[tuple[bytes, bytes]], keys: KeyRing) -> str:
    """The name of the key. Every credential that is presented must be right, whichever header it came in."""
    secrets = [_bearer(value) for value in values(headers, b"authorization")] + values(headers, b"x-api-key")
    names = [keys.verify(secret) for secret in secrets] if len(secrets) <= 2 else []
    first = names[0] if names else None
    if first is None or any(name != first for name in names):
        raise ApiError(
            401,
            "This needs a client key: send it as 'Authorization: Bearer KEY'. Make one with 'jackdaw key new NAME'.",
            code="invalid_api_key",
        )
    return first


def check_content_type(headers: list[tuple[bytes, bytes]]) -> None:
    """JSON and nothing else: a web page cannot send that without asking first."""
    found = values(headers, b"content-type")
    if len(found) != 1 or found[0].split(b";")[0].strip().lower() != b"application/json":
        raise ApiError(415, "The body must be sent as 'Content-Type: application/json'.", code="unsupported_media_type")
    if values(headers, b"content-encoding") not in ([], [b"identity"]) or any(
        value.strip().lower() != b"chunked" for value in values(headers, b"transfer-encoding")
    ):
        raise ApiError(415, "Compressed bodies are not taken.", code="unsupported_media_type")


def check_size(headers: list[tuple[bytes, bytes]], most: int) -> None:
    """The announced size; a body of unknown length is counted while it comes."""
    for value in values(headers, b"content-length"):
        if not value.isdigit() or int(value[:20]) > most:
            raise too_large(most)


def too_large(most: int) -> ApiError:
    return ApiError(413, f"The body is larger than {most // (1024 * 1024)} MiB.", code="body_too_large")


def max_body_bytes(path: str) -> int:
    """How large a body of this route may be in the best case; chat bodies without images get less, see read_json."""
    return MAX_IMAGE_BODY_BYTES if path in IMAGE_ROUTES else MAX_BODY_BYTES


def is_preflight(method: str, headers: list[tuple[bytes, bytes]]) -> bool:
    return method == "OPTIONS" and bool(values(headers, b"access-control-request-method"))


def values(headers: list[tuple[bytes, bytes]], name: bytes) -> list[bytes]:
    """All values of a header; ASGI gives names in lower case."""
    return [value for key, value in headers if key == name]


def _bearer(value: bytes) -> bytes:
    scheme, _, secret = value.partition(b" ")
    return secret.strip(b" \t") if scheme.lower() == b"bearer" else b""


def _preflight(origin: bytes) -> Response:
    """For an allowed page only. Never credentials: the page must hold a key of its own."""
    return Response(
        None,
        204,
        {
            "access-control-allow-origin": origin.decode("latin-1"),
            "access-control-allow-methods": "GET, POST",
            "access-control-allow-headers": "authorization, content-type, x-api-key",
            "access-control-max-age": "600",
            "vary": "Origin",
        },
    )


def _naming(origin: bytes, send: Send) -> Send:
    async def send_named(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            cors = [(b"access-control-allow-origin", origin), (b"vary", b"Origin")]
            message = {**message, "headers": [*message.get("headers", []), *cors]}
        await send(message)

    return send_named


async def _answer(response: Response, scope: Scope, receive: Receive, send: Send) -> None:
    if response.status_code >= 400:
        response.headers["connection"] = "close"
    await response(scope, receive, send)
