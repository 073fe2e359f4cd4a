"""The OpenAPI 3.1 document of the control API, made from the route table and the wire models."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from pydantic import TypeAdapter
from pydantic.json_schema import models_json_schema

from desktop.settings import Settings
from desktop.wire import ErrorBody, Wire

if TYPE_CHECKING:
    from desktop.service.control_route import ControlRoute

OPENAPI_PATH = "/jackdaw/v1/openapi.json"
REF = "#/components/schemas/{model}"


def openapi_document(routes: Sequence[ControlRoute], version: str) -> dict[str, Any]:
    """Everything another program needs to speak the control API; see docs/control-api.md for people."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(plain_path(route.path), {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Jackdaw control API",
            "version": version,
            "description": "Served on the control socket only. The OpenAI dialect of the port is served there too.",
        },
        "paths": paths,
        "components": {"schemas": _schemas(routes)},
    }


def plain_path(path: str) -> str:
    """A route's path as OpenAPI writes it: without Starlette's converters."""
    return re.sub(r"\{(\w+):\w+\}", r"{\1}", path)


def _operation(route: ControlRoute) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.handler.__name__,
        "summary": route.summary,
        "parameters": _parameters(route),
        "responses": {
            str(route.status): {"description": "Done", "content": _answer(route)},
            "default": {"description": "An error", "content": _json({"properties": {"error": _ref(ErrorBody)}})},
        },
    }
    if route.body is not None:
        operation["requestBody"] = {"content": _json(_ref(route.body))}
    return operation


def _parameters(route: ControlRoute) -> list[dict[str, Any]]:
    in_path = re.findall(r"\{(\w+)", route.path)
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in in_path] + [
        {"name": name, "in": "query", "schema": {"type": "string"}} for name in route.query
    ]


def _answer(route: ControlRoute) -> dict[str, Any]:
    if route.answer == "events":
        return {"text/event-stream": {"schema": {"type": "string"}}}
    return _json(_ref(route.answer))


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _ref(kind: type[Wire] | type[dict[str, Any]]) -> dict[str, Any]:
    # the only free-form objects of the table are the settings and the empty body of /window
    return {"$ref": REF.format(model="Settings" if kind is dict else kind.__name__)}


def _schemas(routes: Sequence[ControlRoute]) -> dict[str, Any]:
    kinds: set[type[Wire]] = {ErrorBody}
    for route in routes:
        kinds |= {kind for kind in (route.body, route.answer) if isinstance(kind, type) and issubclass(kind, Wire)}
    wanted: list[tuple[type[Wire], Literal["validation"]]] = [
        (kind, "validation") for kind in sorted(kinds, key=lambda kind: kind.__name__)
    ]
    _, found = models_json_schema(wanted, ref_template=REF)
    settings = TypeAdapter(Settings).json_schema(ref_template=REF)
    return {**found["$defs"], "Settings": settings}
