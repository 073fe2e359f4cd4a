"""The application behind the port: the guard, then inference and nothing else. It can manage nothing."""

from __future__ import annotations

from typing import Protocol

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, Router

from desktop.service.api_errors import ApiError
from desktop.service.guard import App, Guard, KeyRing, Receive, Rules, Scope, Send
from desktop.service.listeners import Listeners
from desktop.service.openai_api import InferenceCore, openai_routes
from desktop.wire import Health


class PortCore(InferenceCore, Protocol):
    """What the port needs of the service. `listeners` is None until they exist; no request comes before that."""

    @property
    def keys(self) -> KeyRing: ...
    @property
    def listeners(self) -> Listeners | None: ...
    def health(self) -> Health:
        """The state of the service; shown without a key."""


def port_app(core: PortCore) -> App:
    """The ASGI application of the port."""

    def rules() -> Rules:
        return Rules(hosts=core.listeners.hosts if core.listeners is not None else frozenset())

    router = Router(port_routes(core), redirect_slashes=False)
    return Guard(_in_openai_form(router), core.keys, rules)


def port_routes(core: PortCore) -> list[Route]:
    """Everything the port answers."""

    async def health(_request: Request) -> Response:
        return JSONResponse(core.health().model_dump())

    return [Route("/health", health, methods=["GET"]), *openai_routes(core)]


def _in_openai_form(router: Router) -> App:
    """Unknown paths and methods answered in the dialect's own form."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = app  # Starlette raises instead of answering in its own words when this is set
        try:
            await router(scope, receive, send)
        except HTTPException as error:
            text = "There is no such route." if error.status_code == 404 else f"{error.detail}."
            refusal = ApiError(error.status_code, text, code="not_found" if error.status_code == 404 else "bad_method")
            response = refusal.response()
            response.headers["connection"] = "close"
            await response(scope, receive, send)

    return app
