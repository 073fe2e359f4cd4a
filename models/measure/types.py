"""What is measured, and of what. Frozen; loss is KL divergence in nats per token against the source."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

State = Literal["running", "done", "failed"]


@dataclass(frozen=True, slots=True)
class Subject:
    """A model to be measured. `path` is its first file, `bytes` those of all its files."""

    id: str
    path: Path
    quant: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where numbers hold: the machine in words and the engine's build. Speeds of another place are stale here."""

    machine: str
    engine: str


@dataclass(frozen=True, slots=True)
class Divergence:
    """How far a model is from its source on one text, with standard errors of the means."""

    kl_divergence: float
    kl_divergence_error: float
    kl_divergence_p99: float
    same_top_percent: float  # how often the most likely token is the same
    perplexity: float
    perplexity_error: float
    source_perplexity: float


@dataclass(frozen=True, slots=True)
class Speed:
    """Tokens per second, of a prompt of `prompt_tokens` and of generating `generated_tokens` after an empty context."""

    prompt_tokens_per_s: float
    tokens_per_s: float
    prompt_tokens: int
    generated_tokens: int


@dataclass(frozen=True, slots=True)
class Memory:
    """The most memory the process held, mapped weights included, with a context of that many tokens filled."""

    peak_bytes: int
    context: int


@dataclass(frozen=True, slots=True)
class Measurement:
    """One model measured against one source on one text; what was not measured yet is None.

    `stale` says why the numbers may not hold any more ("" when they do): another machine, engine, or file.
    """

    model_id: str
    source_id: str
    quant: str
    bytes: int
    place: Place
    text: str = ""
    divergence: Divergence | None = None
    tokens_measured: int = 0
    speed: Speed | None = None
    memory: Memory | None = None
    measured_at: float = 0.0  # seconds since 1970, of the last step
    state: State = "running"
    error: str = ""
    stale: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """One prompt answered by one model with greedy sampling; `same_words` are leading words equal to the source's."""

    model_id: str
    source_id: str
    prompt: str
    answer: str
    same_words: int | None
    measured_at: float
