"""What is said about a model in lists and pickers. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from desktop.qt.figures import in_bytes, in_parameters, in_tokens, of_bytes

if TYPE_CHECKING:
    from desktop.wire import Memory, Model

STATE_WORDS = {
    "unloaded": "Not loaded",
    "queued": "Waiting for memory",
    "loading": "Loading",
    "ready": "Ready",
    "stopping": "Leaving memory",
    "failed": "Failed",
}
STATE_TOKENS = {
    "unloaded": "text3",
    "queued": "warning",
    "loading": "warning",
    "ready": "success",
    "stopping": "warning",
    "failed": "danger",
}
READ = 0.995  # all weights are read; the engine still tries them out, which takes seconds with a large model
BUSY = ("queued", "loading", "stopping")


def title_of(model: Model) -> str:
    return model.name or model.id


def not_added(file_name: str, reason: str) -> str:
    """Why a file did not become a model, naming the file once."""
    return reason if file_name in reason else f"{file_name} was not added: {reason}"


def state_of(model: Model) -> str:
    """The state in words, with the share done while it loads."""
    words = STATE_WORDS[model.state]
    if model.state == "loading" and model.load_fraction is not None:
        return f"{words} {model.load_fraction:.0%}" if model.load_fraction < READ else "Warming up"
    return words


def facts_of(model: Model) -> list[str]:
    """Short facts: parameters, context, size, architecture."""
    facts = [
        model.kind.capitalize() if model.kind != "chat" else "",
        in_parameters(model.params) if model.params else "",
    ]
    if model.allocated_context:
        facts.append(f"{in_tokens(model.allocated_context)} of {in_tokens(model.context_length)} context")
    elif model.context_length:
        facts.append(f"{in_tokens(model.context_length)} context")
    return [fact for fact in (*facts, model.arch) if fact]


def memory_words(model: Model, memory: Memory | None, others: Iterable[Model]) -> tuple[str, str]:
    """Whether a model fits, as (sentence, colour token). Names what must go when it does not."""
    if model.loaded:
        return (f"In memory, {in_bytes(model.needed_bytes)}" if model.needed_bytes else "In memory", "success")
    if model.needed_bytes is None or memory is None:
        return "", "text3"
    if model.state in BUSY:
        return f"Needs {in_bytes(model.needed_bytes)}", "text3"
    if model.fits or (model.fits is None and model.needed_bytes <= memory.available_bytes):
        return f"Fits: {of_bytes(model.needed_bytes, memory.available_bytes)} free", "success"
    missing = model.needed_bytes - memory.available_bytes
    going = must_go(missing, others)
    numbers = f"Needs {in_bytes(model.needed_bytes)}, {in_bytes(memory.available_bytes)} free"
    if going:
        return f"{numbers}: {' and '.join(title_of(other) for other in going)} must leave memory", "warning"
    return f"{numbers}: too large here", "danger"


def must_go(missing_bytes: int, others: Iterable[Model]) -> list[Model]:
    """The fewest idle models that free `missing_bytes`, largest first; [] when all of them are not enough."""
    going: list[Model] = []
    idle = [model for model in others if model.loaded and not model.busy_slots and model.needed_bytes]
    for model in sorted(idle, key=lambda model: model.needed_bytes or 0, reverse=True):
        if missing_bytes <= 0:
            break
        going.append(model)
        missing_bytes -= model.needed_bytes or 0
    return going if missing_bytes <= 0 else []
