"""The base of everything that crosses the control socket."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Wire(BaseModel):
    """Base of all: unknown fields of a request are an error, so that a typing mistake never passes silently."""

    # Most programs use few of the types: each is made ready when it is first used.
    model_config = ConfigDict(extra="forbid", protected_namespaces=(), defer_build=True)
