"""From an exit code and some log lines to a sentence for people: why a llama-server child ended. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from engine.errors import EngineError, EngineStopped, LoadFailed, OutOfMemory
from models.child import Ending

GIB = 1024**3

# What llama.cpp, its GPU drivers and C++ print when memory runs out.
_MEMORY = re.compile(
    r"bad_alloc|out of memory|OutOfDeviceMemory|OutOfHostMemory|ErrorOutOf\w*Memory|failed to allocate"
    r"|unable to allocate|cannot allocate memory|[mM]alloc failed|alloc_tensor_range: failed|not enough memory",
    re.IGNORECASE,
)
_AMOUNT = re.compile(r"(?:of size|allocat\w*|buffer of)\D{0,20}?(\d+(?:\.\d+)?)\s*(MiB|MB|GiB|bytes)?")
_UNITS = {"MiB": 1024**2, "MB": 1024**2, "GiB": GIB, "bytes": 1, None: 1}

# "0.00.012.345 E srv    load_model: " before the message of a line; W, I, D are other levels.
_PREFIX = re.compile(r"^(?:\d+\.)+\d+ ([EWID]) (?:\S+\s+)?(?:\S+: )?")
_REASON = re.compile(
    r"error loading model: (.+)|failed to load model[:,] (?!')(.+)|error: (.+)|(GGML_ASSERT.+)|what\(\): (.+)"
)

_FUNCTION = re.compile(r"^(?:[a-z0-9]+_\w+: )+")  # "check_tensor_dims: " says nothing to a user


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What is known besides how the child ended.

    `ready`: the model had been loaded. `reason`: why we ended the child ourselves ("" when we did not). `oom_killed`:
    the kernel ended some process for want of memory meanwhile. Bytes: the plan's estimate, what was free at the start.
    """

    model_id: str
    ready: bool
    needed_bytes: int
    free_bytes: int
    oom_killed: bool = False
    reason: str = ""


def explain(ending: Ending, log_tail: Sequence[str], known: Circumstances) -> EngineError:
    """The error to show: OutOfMemory, LoadFailed while loading, EngineStopped later."""
    tail = tuple(log_tail)
    memory_line = next((line for line in reversed(tail) if _MEMORY.search(line)), "")
    killed_for_memory = ending.signal_name == "SIGKILL" and not ending.asked and known.oom_killed
    if memory_line or killed_for_memory:
        return _out_of_memory(ending, tail, known, memory_line)
    if known.ready:
        how = known.reason or f"{ending.sentence[:-1]} while the model was in use."
        return EngineStopped(
            f"{known.model_id}: {how}",
            hint="Ask again; the model is loaded anew.",
            exit_code=ending.exit_code,
            signal_name=ending.signal_name,
            log_tail=tail,
        )
    return LoadFailed(
        f"{known.model_id} did not load: {_why(ending, tail, known)}",
        hint=_load_hint(ending),
        exit_code=ending.exit_code,
        signal_name=ending.signal_name,
        log_tail=tail,
    )


def _out_of_memory(ending: Ending, tail: tuple[str, ...], known: Circumstances, line: str) -> EngineError:
    needed = max(known.needed_bytes, _amount(line))
    when = "ran out of memory" if known.ready else "did not fit into memory"
    return OutOfMemory(
        f"{known.model_id} {when}: it needs about {size_text(needed)}, {size_text(known.free_bytes)} were free.",
        hint="Close other programs, unload another model, or choose a smaller context or quantization.",
        needed_bytes=needed,
        free_bytes=known.free_bytes,
        exit_code=ending.exit_code,
        signal_name=ending.signal_name,
        log_tail=tail,
    )


def _why(ending: Ending, tail: tuple[str, ...], known: Circumstances) -> str:
    if known.reason:
        return known.reason
    if not ending.crashed:
        for line in tail:  # the first reason is the cause, what follows are its consequences
            if match := _REASON.search(line):
                return _FUNCTION.sub("", next(group for group in match.groups() if group)).rstrip(". ") + "."
    return ending.sentence


def _load_hint(ending: Ending) -> str:
    if ending.signal_name in ("SIGILL", "SIGSEGV", "SIGBUS", "SIGABRT", "SIGFPE"):
        return "Run `jackdaw doctor` to prove the engine again; if it passes, the file is damaged or not supported."
    return "The file may be damaged or of a kind this engine does not know; the model's log says more."


def message_of(line: str) -> str:
    """A log line without time, level and place."""
    return _PREFIX.sub("", line)


def size_text(amount: int) -> str:
    """Bytes for people, in the decimal units of tables and download pages: "2.5 GB", "300 MB"."""
    return f"{amount / 1e9:.1f} GB" if amount >= 999.5e6 else f"{amount / 1e6:.0f} MB"


def _amount(line: str) -> int:
    match = _AMOUNT.search(line)
    return int(float(match[1]) * _UNITS[match[2]]) if match else 0
