"""Checkers of single values from a request body: each returns the value to send on, or raises ApiError with `param`.

Numbers are checked against ranges because llama-server has had memory errors on numbers it did not expect
(CVE-2026-21869: a negative count); what is not finite never gets there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from desktop.service.api_errors import bad_field

Checker = Callable[[Any, str], Any]

MAX_DEPTH = 64  # of schemas, tool definitions and template arguments: llama.cpp walks them recursively
MAX_SCHEMA_BYTES = 256 * 1024
MAX_ADAPTERS = 8
INT32_MAX = 2**31 - 1


def number(low: float, high: float) -> Checker:
    """A finite number in low..high."""

    def check(value: Any, name: str) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise bad_field(name, "must be a number.")
        if not low <= value <= high:  # compared as it is: a whole number may be too large for a float
            raise bad_field(name, f"must be between {low:g} and {high:g}, not {str(value)[:24]}.")
        return value

    return check


def integer(low: int, high: int = INT32_MAX) -> Checker:
    """A whole number in low..high; 3.0 counts as 3, as JavaScript clients send it."""

    def check(value: Any, name: str) -> int:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise bad_field(name, "must be a whole number.")
        if not low <= value <= high:
            raise bad_field(name, f"must be between {low} and {high}, not {str(value)[:24]}.")
        return value

    return check


def boolean(value: Any, name: str) -> bool:
    if not isinstance(value, bool):
        raise bad_field(name, "must be true or false.")
    return value


def text(max_bytes: int = 8 * 1024 * 1024) -> Checker:
    """A string of at most `max_bytes` in UTF-8."""

    def check(value: Any, name: str) -> str:
        if not isinstance(value, str):
            raise bad_field(name, "must be a string.")
        try:
            size = len(value.encode("utf-8"))
        except UnicodeEncodeError:
            raise bad_field(name, "holds half of a surrogate pair, which is no text.") from None
        if size > max_bytes:
            raise bad_field(name, f"must be at most {max_bytes} bytes long.")
        return value

    return check


def one_of(*allowed: str) -> Checker:
    def check(value: Any, name: str) -> str:
        if not isinstance(value, str) or value not in allowed:
            raise bad_field(name, f"must be one of {', '.join(allowed)}.")
        return value

    return check


def stop(value: Any, name: str) -> list[str]:
    """One stop string or several."""
    words = [value] if isinstance(value, str) else value
    if not isinstance(words, list) or len(words) > 16:
        raise bad_field(name, "must be a string or a list of at most 16 strings.")
    check = text(1024)
    return [check(word, name) for word in words if word != ""]


def logit_bias(value: Any, name: str) -> list[list[Any]]:
    """Token id → bias in -100..100, as an object or as llama-server's list of pairs."""
    pairs = list(value.items()) if isinstance(value, dict) else value
    if not isinstance(pairs, list) or len(pairs) > 4096:
        raise bad_field(name, "must be an object of token ids and biases.")
    return [_bias(pair, name) for pair in pairs]


def _bias(pair: Any, name: str) -> list[Any]:
    if not isinstance(pair, (list, tuple)) or len(pair) != 2:
        raise bad_field(name, "must be an object of token ids and biases.")
    token, bias = pair
    if isinstance(token, str) and token.isascii() and token.isdigit() and len(token) < 11:
        token = int(token)
    token = integer(0)(token, name)
    return [token, bias if bias is False else number(-100, 100)(bias, name)]


def shallow(value: Any, name: str, max_bytes: int = MAX_SCHEMA_BYTES) -> Any:
    """Any JSON of bounded size and depth."""
    if _depth(value) > MAX_DEPTH:
        raise bad_field(name, f"is nested more than {MAX_DEPTH} deep.")
    try:
        size = len(json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8"))
    except (ValueError, UnicodeEncodeError):
        raise bad_field(name, "holds something that is no JSON.") from None
    if size > max_bytes:
        raise bad_field(name, f"must be at most {max_bytes} bytes long.")
    return value


def json_object(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise bad_field(name, "must be an object.")
    shallow(value, name)
    return value


def texts_or_tokens(max_items: int) -> Checker:
    """A string, a list of token ids, or a list of either: what OpenAI calls prompt and input."""
    token = integer(0)
    string = text()

    def one(value: Any, name: str) -> Any:
        if isinstance(value, list):
            if not value:
                raise bad_field(name, "holds an empty list of tokens.")
            return [token(item, name) for item in value]
        return string(value, name)

    def check(value: Any, name: str) -> Any:
        if not isinstance(value, list):
            return one(value, name)
        if not value or (len(value) > max_items and not isinstance(value[0], int)):
            raise bad_field(name, f"must hold 1 to {max_items} entries.")
        if all(isinstance(item, int) for item in value):
            return one(value, name)
        return [one(item, name) for item in value]

    return check


def texts(max_items: int) -> Checker:
    """A list of strings."""
    string = text()

    def check(value: Any, name: str) -> list[str]:
        if not isinstance(value, list) or not 1 <= len(value) <= max_items:
            raise bad_field(name, f"must be a list of 1 to {max_items} strings.")
        return [string(item, name) for item in value]

    return check


def _depth(value: Any, limit: int = MAX_DEPTH) -> int:
    """Nesting of lists and objects, counted no further than one above the limit."""
    depth, level = 0, [value]
    while level and depth <= limit:
        inner: list[Any] = []
        for item in level:
            inner.extend(_children(item))
        level = inner
        depth += 1
    return depth


def _children(item: Any) -> Sequence[Any]:
    if isinstance(item, dict):
        return list(item.values())
    return item if isinstance(item, list) else ()


def adapters(value: Any, name: str) -> list[dict[str, Any]]:
    """LoRA adapters by their ids with their scales: [{"id": "poems", "scale": 0.5}], the scale 1 unless given."""
    if not isinstance(value, list) or len(value) > MAX_ADAPTERS:
        raise bad_field(name, f"must be a list of at most {MAX_ADAPTERS} adapters.")
    chosen: dict[str, float] = {}
    for number_, one in enumerate(value):
        where = f"{name}[{number_}]"
        if not isinstance(one, dict) or not isinstance(one.get("id"), str) or not one["id"]:
            raise bad_field(where, 'must name an adapter by its id: {"id": "poems", "scale": 0.5}.')
        chosen[one["id"]] = number(-10, 10)(one.get("scale", 1.0), f"{where}.scale")
    return [{"id": adapter_id, "scale": scale} for adapter_id, scale in chosen.items()]
