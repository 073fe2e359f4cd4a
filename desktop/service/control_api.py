"""The application of the control socket: the route table, the OpenAI dialect without a key, and errors in one form."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from desktop.service.control_route import ControlRoute, error_response, starlette_route
from desktop.service.core import Core
from desktop.service.openapi import OPENAPI_PATH, openapi_document
from desktop.service.routes import (
    adapters,
    catalogue,
    chats,
    disk,
    files,
    files_models,
    files_search,
    hub,
    model_facts,
    models,
    service,
    work,
)
from desktop.wire import ErrorBody

CONTROL_ROUTES: tuple[ControlRoute, ...] = (
    *service.ROUTES,
    *models.ROUTES,
    *model_facts.ROUTES,
    *hub.ROUTES,
    *catalogue.ROUTES,
    *disk.ROUTES,
    *adapters.ROUTES,
    *work.ROUTES,
    *chats.ROUTES,
    *files.ROUTES,
    *files_search.ROUTES,
    *files_models.ROUTES,
)


def control_app(core: Core, dialect: Sequence[BaseRoute], version: str) -> Starlette:
    """The control application; `dialect` are the OpenAI routes, served here to the owner without a key."""
    document = openapi_document(CONTROL_ROUTES, version)

    async def describe(request: Request) -> Response:
        return JSONResponse(document)

    routes: list[BaseRoute] = [starlette_route(core, route) for route in CONTROL_ROUTES]
    routes.append(Route(OPENAPI_PATH, describe, methods=["GET"]))
    return Starlette(
        routes=[*routes, *dialect],
        exception_handlers={HTTPException: _http_error, Exception: _unforeseen},
    )


async def _http_error(request: Request, error: Exception) -> Response:
    """404 and 405 of the router, in our form."""
    assert isinstance(error, HTTPException)
    body = ErrorBody(
        kind="not_found" if error.status_code == 404 else "http_error",
        message=f"{request.method} {request.url.path} is not part of the control API.",
        hint="GET /jackdaw/v1/openapi.json lists what is.",
    )
    return JSONResponse({"error": body.model_dump()}, status_code=error.status_code, headers=error.headers)


async def _unforeseen(request: Request, error: Exception) -> Response:
    return error_response(error)
