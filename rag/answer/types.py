"""What answering from files hands on: passages with their numbers, the prompt, and what was found in an answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from rag.types import Hit

# Tokens of each text, as the model that answers counts them.
Count = Callable[[Sequence[str]], Awaitable[list[int]]]


@dataclass(frozen=True, slots=True)
class WholeFile:
    """A file that was attached to a chat, with all its text; given whole when there is room, searched otherwise."""

    path: str
    file: str
    text: str
    collection: str = ""
    pages: int | None = None


@dataclass(frozen=True, slots=True)
class NumberedSource:
    """A passage as the model gets it; `whole` when it is a whole file."""

    number: int
    hit: Hit
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Dropped:
    """A passage that was found and not given: `why` is a sentence."""

    hit: Hit
    why: str


@dataclass(frozen=True, slots=True)
class Turn:
    """One earlier message of a conversation; `role` is system, user or assistant."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Assembled:
    """The exact messages to send, with what is in them. `tokens` counts the passages; `notes` are for people."""

    messages: tuple[Turn, ...]
    sources: tuple[NumberedSource, ...]
    dropped: tuple[Dropped, ...] = ()
    tokens: int = 0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Support:
    """One sentence, [start, end) of an answer, the passages it names, and the share of it that they say, 0..1."""

    start: int
    end: int
    numbers: tuple[int, ...]
    support: float
    supported: bool


@dataclass(frozen=True, slots=True)
class Checked:
    """An answer after its citations were checked: `removed` are numbers that name no passage."""

    text: str
    cited: tuple[int, ...]
    removed: tuple[int, ...]
    support: tuple[Support, ...]
    found: bool  # False when the answer is that the files do not say
