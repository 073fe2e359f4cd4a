"""What can be chosen to embed with, what a user may add, and what was measured. Plain values, as the wire has them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

EmbedderKind = Literal["package", "sentence-transformers", "gguf", "ollama", "openai"]

BUILT_IN = "package:all-MiniLM-L6-v2"


@dataclass(frozen=True, slots=True)
class Choice:
    """One embedder. None means not known yet; `reason` says why one is not available.

    `local` is False when texts would leave this machine. `chunks_per_s` is what was measured here, for chunks of about
    185 tokens.
    """

    id: str
    name: str
    kind: EmbedderKind
    dimensions: int | None = None
    max_tokens: int | None = None
    query_prefix: str = ""
    passage_prefix: str = ""
    pooling: str = ""
    available: bool = True
    reason: str = ""
    is_default: bool = False
    runtime: str = ""
    chunks_per_s: float | None = None
    multilingual: bool = False
    local: bool = True
    note: str = ""


@dataclass(frozen=True, slots=True)
class Definition:
    """An embedder that the user adds.

    `name` is a folder for sentence-transformers, else the model's name on the server. `url` is the server's; for Ollama
    "" means the usual one of this machine. Prefixes of None are those of the model's family; "" means none.
    `dimensions` asks for vectors cut to so many numbers, where the model was trained for that.
    """

    kind: Literal["sentence-transformers", "ollama", "openai"]
    name: str
    url: str = ""
    query_prefix: str | None = None
    passage_prefix: str | None = None
    dimensions: int | None = None


@dataclass(frozen=True, slots=True)
class RuntimeFigure:
    """One way to run the built-in model, as it was measured here.

    `chunks_per_s` counts chunks of about 185 tokens; `cosine` is the mean against fp32, 1 being the same. `query_ms`
    is one short question. A runtime that could not be tried has a speed of 0 and says why in `note`.
    """

    name: str
    chunks_per_s: float
    cosine: float
    load_ms: float
    query_ms: float
    chosen: bool
    note: str = ""


@dataclass(frozen=True, slots=True)
class Figures:
    """What is known of the runtimes on this processor. `measured_at` is in seconds since 1970, None before."""

    runtimes: tuple[RuntimeFigure, ...] = ()
    processor: str = ""
    measured_at: float | None = None
    chosen: str = field(default="")
