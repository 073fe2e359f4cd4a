"""Reading the options of a job: plain JSON from a client, each value checked, unknown names refused."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from desktop.service.errors import BadRequest


class Options:
    """The options of one job; `known` are the names it understands. Every method raises BadRequest."""

    def __init__(self, options: Mapping[str, Any], *known: str) -> None:
        self._options = options
        for name in options:
            if name not in known:
                raise BadRequest("bad_option", f"There is no option {name!r} here.", hint=f"Known: {', '.join(known)}.")

    def text(self, name: str, default: str | None = "") -> str:
        """One line; `default` None means that it is needed."""
        value = self._options.get(name, default)
        if not isinstance(value, str) or len(value) > 4096 or "\x00" in value:
            raise BadRequest("bad_option", f"The option {name} must be a text.")
        return value

    def texts(self, name: str) -> list[str]:
        """A list of them, [] when it is left out."""
        values = self._options.get(name, [])
        if not isinstance(values, list) or len(values) > 1000 or not all(isinstance(value, str) for value in values):
            raise BadRequest("bad_option", f"The option {name} must be a list of texts.")
        return values

    def path(self, name: str) -> Path:
        """A whole path."""
        value = self.text(name, None)
        if not Path(value).is_absolute():
            raise BadRequest("bad_path", f"The option {name} must be an absolute path.")
        return Path(value)

    def whole(self, name: str, low: int, high: int) -> int:
        """A whole number that is needed."""
        value = self._options.get(name)
        if type(value) is not int or not low <= value <= high:
            raise BadRequest("bad_option", f"The option {name} must be a whole number from {low:,} to {high:,}.")
        return value

    def flag(self, name: str) -> bool:
        value = self._options.get(name, False)
        if not isinstance(value, bool):
            raise BadRequest("bad_option", f"The option {name} must be true or false.")
        return value
