"""A message as the transcript shows it. Plain data; the shell makes it from what the service says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from desktop.qt.figures import per_second

Role = Literal["system", "user", "assistant"]
State = Literal["complete", "streaming", "interrupted", "stopped", "failed"]


@dataclass(frozen=True, slots=True)
class Source:
    """Where a citation mark leads: `number` as in "[1]", a file's name, and lines or a heading."""

    number: int
    title: str
    detail: str = ""
    about: str = ""  # its decisive lines, shown when the pointer rests on a mark
    cited: bool = True  # stands below the answer too


@dataclass(frozen=True, slots=True)
class TranscriptMessage:
    """One message. Times are seconds since 1970; `branch_index` counts from 0 among `branch_count` siblings."""

    id: str
    role: Role
    content: str
    reasoning: str = ""
    state: State = "complete"
    model: str = ""
    created_at: float = 0.0
    tokens_per_s: float | None = None
    completion_tokens: int = 0
    first_token_ms: float | None = None
    reasoning_s: float | None = None
    error: str = ""
    hint: str = ""
    note: str = ""  # what the reader has to know of an answer that is complete: that it was cut off, that it is empty
    branch_index: int = 0
    branch_count: int = 1
    sources: tuple[Source, ...] = ()
    attachments: tuple[str, ...] = ()
    unsupported: tuple[str, ...] = ()  # sentences of `content` that no source carries
    fixed: bool = False  # a text to read: it cannot be answered again

    @property
    def cited(self) -> tuple[Source, ...]:
        """The sources that stand below the answer."""
        return tuple(source for source in self.sources if source.cited)

    @property
    def speaker(self) -> str:
        """Who speaks, as a screen reader says it."""
        return {"user": "You", "system": "Instructions"}.get(self.role) or self.model or "Answer"


def figures(message: TranscriptMessage) -> tuple[str, ...]:
    """What the foot of an answer tells: speed, count, wait for the first token; only what is known."""
    known = []
    if message.tokens_per_s:
        known.append(per_second(message.tokens_per_s))
    if message.completion_tokens:
        known.append(f"{message.completion_tokens:,} token{'s' if message.completion_tokens != 1 else ''}")
    if message.first_token_ms is not None:
        known.append(f"first token {message.first_token_ms / 1000:.2f} s")
    return tuple(known)
