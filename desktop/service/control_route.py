"""The form of one control route, and how a request becomes a call of its handler.

One table of these makes the Starlette routes, the OpenAPI document and the list in docs/control-api.md.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from pydantic import ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from desktop.service.core import Core
from desktop.service.errors import BadRequest, body_of, in_words, status_of
from desktop.wire import Wire

Body = TypeVar("Body", bound=Wire)
Method = Literal["GET", "POST", "PATCH", "DELETE"]


@dataclass(frozen=True, slots=True)
class Call:
    """One request: parameters of the path and the query, and the body as its type in the table says."""

    path: Mapping[str, str]
    query: Mapping[str, str]
    raw_body: Any

    def body(self, kind: type[Body]) -> Body:
        assert isinstance(self.raw_body, kind)
        return self.raw_body


Events = AsyncIterator[bytes]
Handler = Callable[[Core, Call], Awaitable[Wire | Mapping[str, Any] | Events]]


@dataclass(frozen=True, slots=True)
class ControlRoute:
    """`body` None: no body is read; dict: any JSON object. `answer` "events": a stream of server-sent events."""

    method: Method
    path: str
    summary: str
    handler: Handler
    body: type[Wire] | type[dict[str, Any]] | None = None
    answer: type[Wire] | type[dict[str, Any]] | Literal["events"] = dict
    query: tuple[str, ...] = ()
    status: int = 200


def starlette_route(core: Core, route: ControlRoute) -> Route:
    """The route with its body checked, its answer encoded and its errors mapped."""

    async def endpoint(request: Request) -> Response:
        try:
            call = Call(request.path_params, request.query_params, await _read_body(request, route))
            answer = await route.handler(core, call)
        except ClientDisconnect:
            return Response(status_code=400)
        except Exception as error:  # the edge of the request handler: every failure gets a status and a body
            return error_response(error)
        if isinstance(answer, Wire):
            return Response(answer.model_dump_json(), status_code=route.status, media_type="application/json")
        if isinstance(answer, Mapping):
            return JSONResponse(dict(answer), status_code=route.status)
        return StreamingResponse(answer, media_type="text/event-stream", headers={"cache-control": "no-store"})

    return Route(route.path, endpoint, methods=[route.method])


def error_response(error: BaseException) -> JSONResponse:
    """The one form of an error on the control API."""
    return JSONResponse({"error": body_of(error).model_dump()}, status_code=status_of(error))


async def _read_body(request: Request, route: ControlRoute) -> Any:
    if route.body is None:
        return None
    content = await request.body()
    if route.body is dict:
        return _json_object(content)
    assert issubclass(route.body, Wire)
    try:
        return route.body.model_validate_json(content or b"{}")
    except ValidationError as error:
        raise BadRequest("bad_request", in_words(error), hint="GET /jackdaw/v1/openapi.json describes it.") from None


def _json_object(content: bytes) -> dict[str, Any]:
    try:
        value = json.loads(content or b"{}")
    except (ValueError, RecursionError) as error:
        raise BadRequest("bad_request", "The body is not JSON.") from error
    if not isinstance(value, dict):
        raise BadRequest("bad_request", "The body must be a JSON object.")
    return value
