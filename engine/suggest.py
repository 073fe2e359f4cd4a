"""Which models to suggest for this machine: by task, memory and speed, each with its reason in one sentence. Pure.

A row is one size of a family with the quantization we would take. Where no header was read, a row's need and speed are
estimated from its parameters and bytes alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from engine.endings import size_text
from engine.fit import COMFORTABLE_CONTEXT
from engine.fit_memory import MIB, PROCESS_BYTES, VOCABULARY_BYTES
from engine.fit_verdict import TIGHT_SHARE, Verdict
from engine.machine import Machine

Task = Literal["chat", "code", "autocomplete", "embedding", "rerank", "vision"]
TASKS: tuple[Task, ...] = ("chat", "code", "autocomplete", "embedding", "rerank", "vision")

# Tokens per second below which waiting is what one does: reading takes about five words a second, and autocomplete
# must be there before the next key.
ENOUGH_SPEED = {"chat": 5.0, "code": 6.0, "vision": 5.0, "autocomplete": 25.0}
# And tokens per second of reading: a folder of a thousand pages is half a million tokens to embed.
ENOUGH_READING = {"embedding": 200.0, "rerank": 200.0}
COMFORTABLE_SPEED = 15.0
MOST_PER_TASK = 3
CACHE_BYTES = 1.4  # of a token, times the square root of the parameters
_WRITES = ("chat", "code", "autocomplete", "vision")
_STRENGTH = {
    "chat": "The strongest chat model",
    "code": "The strongest model for code",
    "autocomplete": "The best model for completing code while you type",
    "embedding": "The best embedding model",
    "rerank": "The best reranker",
    "vision": "The strongest model that sees pictures",
}


class Row(Protocol):
    """What is needed of a row of the catalogue. `active_params` is set for a mixture of experts."""

    @property
    def repo(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def family(self) -> str: ...
    @property
    def params(self) -> int: ...
    @property
    def active_params(self) -> int | None: ...
    @property
    def file_bytes(self) -> int: ...
    @property
    def context_length(self) -> int: ...
    @property
    def tasks(self) -> Sequence[str]: ...


@dataclass(frozen=True, slots=True)
class Judged:
    """A row with what is known of it here: `tokens_per_s` while it writes, `prompt_tokens_per_s` while it reads.

    Both are None where the machine was not measured, and the first for a model that does not write.
    """

    row: Row
    verdict: Verdict
    needed_bytes: int
    tokens_per_s: float | None = None
    prompt_tokens_per_s: float | None = None


@dataclass(frozen=True, slots=True)
class Pick:
    task: Task
    judged: Judged
    reason: str


def estimate(row: Row, machine: Machine) -> Judged:
    """Judge a row without a header: weights, a cache for a comfortable context, scratch memory, the process.

    The cache of a token is taken to grow with the square root of the parameters, as it does in models with grouped
    heads: 12 KiB at 0.5 B, 128 KiB at 8 B, 320 KiB at 70 B.
    """
    context = min(COMFORTABLE_CONTEXT, row.context_length or COMFORTABLE_CONTEXT)
    writes = any(task in _WRITES for task in row.tasks)
    cache = int(CACHE_BYTES * math.sqrt(row.params)) * context if writes else 0
    compute = int(0.02 * row.file_bytes) + 64 * MIB
    needed = row.file_bytes + cache + compute + PROCESS_BYTES + 150_000 * VOCABULARY_BYTES
    free = machine.free_bytes
    verdict: Verdict = "too_large" if needed > free else "tight" if needed > TIGHT_SHARE * free else "fits"
    return Judged(row, verdict, needed, _speed(row, machine) if writes else None, _reading(row, machine))


def suggest(judged: Iterable[Judged], machine: Machine, tasks: Sequence[Task] = TASKS) -> tuple[Pick, ...]:
    """At most MOST_PER_TASK picks for each task, the best first: the strongest that is fast enough, then a faster one,
    then a smaller one. Rows that do not fit are never picked, tight ones only when nothing else fits."""
    rows = list(judged)
    picks: list[Pick] = []
    for task in tasks:
        picks += _for_task(task, rows, machine)
    return tuple(picks)


def _for_task(task: Task, rows: Sequence[Judged], machine: Machine) -> list[Pick]:
    able = [one for one in rows if task in one.row.tasks and one.verdict != "too_large"]
    usable = [one for one in able if one.verdict == "fits"] or able
    if not usable:
        return []
    quick = [one for one in usable if _quick_enough(task, one)]
    best = max(quick, key=_strength) if quick else max(usable, key=lambda one: _pace(task, one) or 0.0)
    picks = [Pick(task, best, _reason(task, best, machine, slow=not quick))]
    chosen = {best.row.repo}
    for better, words in ((_much_faster(best), "Faster"), (_much_smaller(best), "Small")):
        others = [one for one in quick or usable if one.row.repo not in chosen and better(one)]
        if others and len(picks) < MOST_PER_TASK:
            second = max(others, key=_strength)
            chosen.add(second.row.repo)
            picks.append(Pick(task, second, _second_reason(task, words, second, best)))
    return picks


def _reason(task: Task, one: Judged, machine: Machine, *, slow: bool) -> str:
    left = max(0, machine.free_bytes - one.needed_bytes)
    room = f"leaves {size_text(left)} free" if one.verdict == "fits" else f"just fits, with {size_text(left)} to spare"
    pace = _pace_words(task, one)
    if not pace:
        return f"{_STRENGTH[task]} that {room}."
    if slow:
        return f"The quickest that fits and {room}; even so it should {pace.replace('about', 'only about')}."
    return f"{_STRENGTH[task]} that {room} and should {pace}."


def _second_reason(task: Task, words: str, one: Judged, best: Judged) -> str:
    pace = _pace_words(task, one)
    if words == "Faster":
        return f"Faster: it should {pace}, and is weaker than {best.row.name}."
    needs = f"{size_text(one.needed_bytes)} instead of {size_text(best.needed_bytes)}"
    return f"Small: it needs {needs}, so other programs keep their memory{f', and should {pace}' if pace else ''}."


def _quick_enough(task: Task, one: Judged) -> bool:
    pace = _pace(task, one)
    return pace is None or pace >= (ENOUGH_SPEED | ENOUGH_READING)[task]


def _pace(task: Task, one: Judged) -> float | None:
    """Tokens per second of what the task waits for: reading where nothing is written."""
    return one.prompt_tokens_per_s if task in ENOUGH_READING else one.tokens_per_s


def _pace_words(task: Task, one: Judged) -> str:
    pace = _pace(task, one)
    if pace is None:
        return ""
    # no more digits than an estimate has
    amount = f"{float(f'{pace:.2g}'):,.0f}" if pace >= 10 else f"{pace:.1f}"
    return f"{'read' if task in ENOUGH_READING else 'write'} about {amount} tokens/s here"


def _strength(one: Judged) -> tuple[float, int]:
    """How much a model is expected to know: a mixture counts as the geometric mean of all and its active parameters."""
    active = one.row.active_params or one.row.params
    return ((one.row.params * active) ** 0.5, one.row.context_length)


def _much_faster(best: Judged) -> Callable[[Judged], bool]:
    least = max(COMFORTABLE_SPEED, 1.8 * (best.tokens_per_s or 0.0))
    return lambda one: best.tokens_per_s is not None and (one.tokens_per_s or 0.0) >= least


def _much_smaller(best: Judged) -> Callable[[Judged], bool]:
    return lambda one: one.needed_bytes <= 0.6 * best.needed_bytes


def _speed(row: Row, machine: Machine) -> float | None:
    if machine.speed is None or not row.params:
        return None
    active = row.file_bytes * (row.active_params or row.params) / row.params
    layers = max(12.0, 4.4e-4 * math.sqrt(row.params))  # 24 at 0.5 B, 32 to 40 at 8 B, 80 to 120 at 70 B
    return 1 / (active / machine.speed.weight_bytes_per_s + layers * machine.speed.layer_s)


def _reading(row: Row, machine: Machine) -> float | None:
    if machine.speed is None or not row.params:
        return None
    return machine.speed.flops_per_s / (2 * (row.active_params or row.params))
