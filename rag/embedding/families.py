"""What well-known embedding models expect before their texts: data in families.json, found by a model's name.

Each entry has its source: the model's own page. `checked` says that the words were compared with that page.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Family:
    """Prefixes and habits of the models whose names hold all of `match`, compared in lower case with "_" as "-"."""

    match: tuple[str, ...] = ()
    query_prefix: str = ""
    passage_prefix: str = ""
    pooling: str = ""
    multilingual: bool = False
    source: str = ""
    checked: bool = False


def family_of(name: str) -> Family:
    """The first family that fits a model's name; one without any prefixes when none does."""
    plain = name.lower().replace("_", "-").replace(" ", "-")
    return next((family for family in families() if all(part in plain for part in family.match)), Family())


@cache
def families() -> tuple[Family, ...]:
    """All entries of families.json, in its order: the narrower ones come first."""
    text = files("rag.embedding").joinpath("families.json").read_text(encoding="utf-8")
    return tuple(Family(**{**row, "match": tuple(row["match"])}) for row in json.loads(text))
