"""What comes over an event stream of the service: the stream's own form, and the typed events of an answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from desktop import wire, wire_files


@dataclass(frozen=True, slots=True)
class AskBegin:
    """The user's message is durable; `user` is None when an existing message is answered again."""

    user: wire.Message | None
    answer: wire.Message


@dataclass(frozen=True, slots=True)
class AskState:
    """What the answer waits for while nothing is written yet; `fraction` in 0..1 when known."""

    state: Literal["searching", "loading", "prompt", "queued"]
    fraction: float | None
    message: str


@dataclass(frozen=True, slots=True)
class AskDelta:
    """A piece of text, to be appended to what came before."""

    content: str = ""
    reasoning: str = ""


@dataclass(frozen=True, slots=True)
class AskEnd:
    """Always the last: the answer as it is stored."""

    message: wire.Message


@dataclass(frozen=True, slots=True)
class AskSources:
    """What the model is given to read, once, before it writes; `note` says in words what happened with the files."""

    sources: list[wire_files.Source]
    note: str
    why_id: str


AskEvent = AskBegin | AskSources | AskState | AskDelta | AskEnd


@dataclass(frozen=True, slots=True)
class FilesEnd:
    """The last event of a question to files that is in no chat: the whole answer."""

    answer: wire_files.FilesAnswer


FilesAskEvent = AskSources | AskState | AskDelta | FilesEnd


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    """One event of an event stream; `data` is the JSON text."""

    id: str
    event: str
    data: str


async def sse_events(chunks: AsyncIterator[bytes]) -> AsyncIterator[ServerSentEvent]:
    """Parse an event stream; comments are skipped. Lines end with LF as our service writes them.

    Bytes are split, not text: str.splitlines would also split at U+2028 inside a JSON string.
    Source: WHATWG HTML standard, section 9.2.6.
    """
    pending = b""
    fields: dict[str, list[str]] = {}
    async for chunk in chunks:
        *lines, pending = (pending + chunk).split(b"\n")
        for line in lines:
            if line:
                name, _, value = line.decode().partition(":")
                fields.setdefault(name, []).append(value.removeprefix(" "))
                continue
            if "data" in fields:
                yield ServerSentEvent(
                    id="".join(fields.get("id", [])),
                    event="".join(fields.get("event", ["message"])),
                    data="\n".join(fields["data"]),
                )
            fields = {}


def answer_event(kind: str, data: Mapping[str, Any]) -> AskSources | AskState | AskDelta | None:
    """The typed form of an event that comes while an answer is written; None for any other."""
    match kind:
        case "sources":
            sources = [wire_files.Source.model_validate(source) for source in data["sources"]]
            return AskSources(sources=sources, note=data["note"], why_id=data["why_id"])
        case "state":
            return AskState(state=data["state"], fraction=data["fraction"], message=data["message"])
        case "delta":
            return AskDelta(content=data.get("content", ""), reasoning=data.get("reasoning", ""))
    return None
