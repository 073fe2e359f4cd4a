"""Which quantizations are worth having, and which one to take: pure.

The rule. A quantization is on the frontier when no other is at most as large and loses at most as little, with one of
both strictly less. Picked is the smallest one on the frontier whose loss stays below `limit_nats`; when none does, the
one with the least loss. Those larger than `largest_bytes` (what fits this machine) are never picked.

The limit of 0.05 nats: with a mean KL divergence of ε, n tokens carry about n·ε nats of evidence that they are not the
source's; at the limit twenty tokens carry one nat.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from models.disk_room import human

LIMIT_NATS = 0.05


@dataclass(frozen=True, slots=True)
class Point:
    """One model in the chart; `name` is its quantization. `is_source` marks what the others are compared with."""

    id: str
    name: str
    bytes: int
    loss: float  # nats per token
    is_source: bool = False


@dataclass(frozen=True, slots=True)
class Pick:
    id: str
    reason: str


def frontier(points: Sequence[Point]) -> list[Point]:
    """The points nothing beats, smallest first; of equal ones the first by name stands for all."""
    best: list[Point] = []
    for point in sorted(points, key=lambda point: (point.bytes, point.loss, point.name)):
        if not best or point.loss < best[-1].loss:
            best.append(point)
    return best


def pick(points: Sequence[Point], *, limit_nats: float = LIMIT_NATS, largest_bytes: int | None = None) -> Pick | None:
    """The one to take by the rule above, with its reason as a sentence; None when there is nothing to choose from."""
    fitting = [point for point in points if largest_bytes is None or point.bytes <= largest_bytes]
    line = frontier([point for point in fitting if not point.is_source])
    if not line:
        return None
    good = [point for point in line if point.loss <= limit_nats]
    chosen = good[0] if good else line[-1]
    source = next((point for point in points if point.is_source), None)
    sentences = [_first_sentence(chosen, line, source, limit_nats, bool(good)), _beyond(chosen, line)]
    if largest_bytes is not None and len(fitting) < len(points):
        sentences.append(f"Larger ones than {human(largest_bytes)} do not fit this machine.")
    return Pick(chosen.id, " ".join(sentence for sentence in sentences if sentence))


def _first_sentence(chosen: Point, line: Sequence[Point], source: Point | None, limit: float, good: bool) -> str:
    what = f"{chosen.name} loses {_nats(chosen.loss)} at {human(chosen.bytes)}"
    if source is not None and source.bytes:
        what += f", {100 * chosen.bytes / source.bytes:.0f} % of {source.name}"
    if not good:
        return f"{what}: nothing measured stays below {limit:g} nats, and it comes nearest."
    below = [point for point in line if point.bytes < chosen.bytes]
    if not below:
        return f"{what}: it is the smallest measured, and stays below {limit:g} nats."
    return f"{what}: nothing smaller stays below {limit:g} nats ({below[-1].name}: {_nats(below[-1].loss)})."


def _beyond(chosen: Point, line: Sequence[Point]) -> str:
    """What the next better one would cost, or, at the end of the line, what the next smaller one would lose."""
    index = line.index(chosen)
    if index + 1 < len(line):
        better = line[index + 1]
        less = 100 * (1 - better.loss / chosen.loss)
        return f"{better.name} would lose {less:.0f} % less for {human(better.bytes - chosen.bytes)} more."
    if index > 0 and chosen.loss > 0:
        smaller = line[index - 1]
        times = smaller.loss / chosen.loss
        return (
            f"{smaller.name} would save {human(chosen.bytes - smaller.bytes)} and lose "
            f"{f'{times:.1f}' if times < 10 else f'{times:,.0f}'} times as much."
        )
    return ""


def _nats(loss: float) -> str:
    return f"{loss:.2g} nats per token" if loss >= 0.001 else "less than 0.001 nats per token"
