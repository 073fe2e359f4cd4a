"""Checks chat messages, tools and tool_choice, and brings them into the form llama-server takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from desktop.service.api_errors import ApiError, bad_field
from desktop.service.checks import json_object, text

MAX_MESSAGES = 4096
MAX_TOOLS = 256
ROLES = ("system", "developer", "user", "assistant", "tool", "function")
IMAGE_TYPES = ("data:image/png;base64,", "data:image/jpeg;base64,", "data:image/webp;base64,", "data:image/gif;base64,")
NAME_BYTES = 256

_string = text(32 * 1024 * 1024)
_name = text(NAME_BYTES)


def messages(value: Any, name: str) -> list[dict[str, Any]]:
    """The conversation; only known fields of each message are kept. Developer messages become system messages."""
    if not isinstance(value, list) or not value or len(value) > MAX_MESSAGES:
        raise bad_field(name, f"must be a list of 1 to {MAX_MESSAGES} messages.")
    return [_message(item, f"{name}[{index}]") for index, item in enumerate(value)]


def has_images(checked: list[dict[str, Any]]) -> bool:
    """Whether any message carries an image, for which bodies may be larger."""
    return any(
        isinstance(message["content"], list) and any(part["type"] == "image_url" for part in message["content"])
        for message in checked
    )


def tools(value: Any, name: str) -> list[dict[str, Any]]:
    """Function tools in OpenAI's form."""
    if not isinstance(value, list) or len(value) > MAX_TOOLS:
        raise bad_field(name, f"must be a list of at most {MAX_TOOLS} tools.")
    return [_tool(item, f"{name}[{index}]") for index, item in enumerate(value)]


def apply_tool_choice(payload: dict[str, Any], choice: Any) -> None:
    """Put tool_choice into the payload.

    llama-server knows "auto", "none" and "required" and silently reads anything else as "auto"; a named function is
    therefore "required" with that function as the only tool.
    """
    if choice is None:
        return
    offered = payload.get("tools", [])
    if isinstance(choice, str):
        if choice not in ("auto", "none", "required"):
            raise bad_field("tool_choice", "must be auto, none, required, or name a function.")
        if choice == "required" and not offered:
            raise bad_field("tool_choice", "is 'required', but there are no tools.")
        payload["tool_choice"] = choice
        return
    function = choice.get("function") if isinstance(choice, dict) else None
    wanted = function.get("name") if isinstance(function, dict) else None
    named = [tool for tool in offered if wanted is not None and tool["function"]["name"] == wanted]
    if not named:
        raise bad_field("tool_choice", "names a function that is not among the tools.")
    payload["tools"] = named
    payload["tool_choice"] = "required"


def response_format(value: Any, name: str) -> dict[str, Any]:
    """text, json_object (with llama-server's optional schema), or json_schema."""
    kind = value.get("type") if isinstance(value, dict) else None
    if kind == "text":
        return {"type": "text"}
    if kind == "json_object":
        schema = value.get("schema")
        return {"type": kind} if schema is None else {"type": kind, "schema": json_object(schema, f"{name}.schema")}
    if kind != "json_schema":
        raise bad_field(f"{name}.type", "must be text, json_object or json_schema.")
    wrapper = value.get("json_schema")
    if not isinstance(wrapper, dict) or not isinstance(wrapper.get("schema"), dict):
        raise bad_field(f"{name}.json_schema", "must be an object with a schema.")
    schema = json_object(wrapper["schema"], f"{name}.json_schema.schema")
    return {"type": kind, "json_schema": {"name": str(wrapper.get("name", ""))[:NAME_BYTES], "schema": schema}}


def _message(item: Any, where: str) -> dict[str, Any]:
    if not isinstance(item, dict):
        raise bad_field(where, "must be an object.")
    role = item.get("role")
    if not isinstance(role, str) or role not in ROLES:
        raise bad_field(f"{where}.role", f"must be one of {', '.join(ROLES)}.")
    kept: dict[str, Any] = {"role": "system" if role == "developer" else role}
    kept["content"] = _content(item.get("content"), f"{where}.content")
    calls = item.get("tool_calls")
    if calls:
        kept["tool_calls"] = _tool_calls(calls, f"{where}.tool_calls")
    if kept["content"] is None and (role != "assistant" or not calls):
        raise bad_field(f"{where}.content", "must be a string or a list of parts.")
    for field in ("name", "tool_call_id"):
        if item.get(field) is not None:
            kept[field] = _name(item[field], f"{where}.{field}")
    reasoning = item.get("reasoning_content")
    if reasoning is not None and role == "assistant":
        kept["reasoning_content"] = _string(reasoning, f"{where}.reasoning_content")
    return kept


def _content(value: Any, where: str) -> Any:
    if value is None:
        return None
    if isinstance(value, str):
        return _string(value, where)
    if not isinstance(value, list) or len(value) > MAX_MESSAGES:
        raise bad_field(where, "must be a string or a list of parts.")
    parts = [_part(part, f"{where}[{index}]") for index, part in enumerate(value)]
    if all(part["type"] == "text" for part in parts) and len(parts) == 1:
        return parts[0]["text"]  # the same to a model, and templates that know strings only take it
    return parts


def _part(part: Any, where: str) -> dict[str, Any]:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind in ("text", "refusal"):
        return {"type": "text", "text": _string(part.get(kind), f"{where}.{kind}")}
    if kind == "image_url":
        image = part.get("image_url")
        url = image.get("url") if isinstance(image, dict) else image
        return {"type": "image_url", "image_url": {"url": _image(url, f"{where}.image_url")}}
    raise bad_field(f"{where}.type", "must be text or image_url.")


def _image(url: Any, where: str) -> str:
    """Only images inside the request: we fetch nothing for a caller, from the network or from the disk."""
    if not isinstance(url, str) or not url.startswith(IMAGE_TYPES):
        raise ApiError(
            400,
            f"'{where}' must be a data: URL of a PNG, JPEG, WebP or GIF image; addresses and files are never fetched.",
            code="invalid_image_url",
            param=where,
        )
    return url


def _tool(item: Any, where: str) -> dict[str, Any]:
    function = item.get("function") if isinstance(item, dict) and item.get("type", "function") == "function" else None
    if not isinstance(function, dict):
        raise bad_field(where, "must be a tool of type function.")
    kept: dict[str, Any] = {"name": _name(function.get("name"), f"{where}.function.name")}
    if function.get("description") is not None:
        kept["description"] = text(64 * 1024)(function["description"], f"{where}.function.description")
    parameters = function.get("parameters")
    kept["parameters"] = (
        {"type": "object", "properties": {}}
        if parameters is None
        else json_object(parameters, f"{where}.function.parameters")
    )
    return {"type": "function", "function": kept}


def _tool_calls(value: Any, where: str) -> list[dict[str, Any]]:
    if not isinstance(value, list) or len(value) > MAX_TOOLS:
        raise bad_field(where, "must be a list of calls.")
    return [_tool_call(item, f"{where}[{index}]") for index, item in enumerate(value)]


def _tool_call(item: Any, where: str) -> dict[str, Any]:
    function: Any = item.get("function") if isinstance(item, Mapping) else None
    if not isinstance(function, dict):
        raise bad_field(where, "must be a call of a function.")
    arguments = function.get("arguments", "{}")
    return {
        "id": _name(item.get("id", ""), f"{where}.id"),
        "type": "function",
        "function": {
            "name": _name(function.get("name"), f"{where}.function.name"),
            "arguments": _string(arguments, f"{where}.function.arguments"),
        },
    }
