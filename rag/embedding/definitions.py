"""The embedders and rerankers the user added, in one small JSON file each; a broken file is put aside, not lost."""

from __future__ import annotations

import dataclasses
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rag.embedding.choices import Definition

_NOT_IN_ID = re.compile(r"[^A-Za-z0-9._:@-]+")


def id_of(definition: Definition) -> str:
    """ "ollama:nomic-embed-text", with the server's host where that is not the usual one."""
    name = Path(definition.name).name if definition.kind == "sentence-transformers" else definition.name
    host = definition.url.partition("://")[2].partition("/")[0]
    return f"{definition.kind}:{_NOT_IN_ID.sub('-', name)}" + (f"@{_NOT_IN_ID.sub('-', host)}" if host else "")


class Definitions:
    """The file with what was added, by id. Every method blocks for a moment; OSError when it cannot be written."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> dict[str, Definition]:
        """All of them, by id, in the order they came."""
        try:
            rows = json.loads(self._path.read_text(encoding="utf-8"))
            return {row.pop("id"): Definition(**row) for row in rows}
        except FileNotFoundError:
            return {}
        except (ValueError, TypeError, KeyError, AttributeError):
            self._path.replace(self._path.with_name(self._path.name + ".broken"))
            return {}

    def key_for(self, definition: Definition) -> str:
        """The id it has, or would get. The same name at another place gets an id of its own."""
        kept, base = self.read(), id_of(definition)
        names = (base if number == 1 else f"{base}-{number}" for number in range(1, len(kept) + 2))
        return next(name for name in names if name not in kept or _same(kept[name], definition))

    def put(self, definition: Definition) -> str:
        """Keep one, and say its id."""
        key = self.key_for(definition)
        self._write({**self.read(), key: definition})
        return key

    def drop(self, definition_id: str) -> None:
        """Forget one; unknown ids are fine."""
        kept = self.read()
        if kept.pop(definition_id, None) is not None:
            self._write(kept)

    def _write(self, kept: Mapping[str, Definition]) -> None:
        rows: list[dict[str, Any]] = [{"id": key, **dataclasses.asdict(one)} for key, one in kept.items()]
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = self._path.with_name(f"{self._path.name}.part")
        with part.open("w", encoding="utf-8") as file:
            json.dump(rows, file, indent=1, ensure_ascii=False)
            file.flush()
            os.fsync(file.fileno())
        part.replace(self._path)


def _same(one: Definition, other: Definition) -> bool:
    return (one.kind, one.name, one.url) == (other.kind, other.name, other.url)
