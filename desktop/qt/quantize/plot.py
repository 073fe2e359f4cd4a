"""Where the points of the chart of sizes and losses lie: pure, in fractions of the plot's width and height."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

GIGABYTE = 1e9
MARGIN = 0.08  # of the range, kept free at both ends so that no point lies on the frame
LEAST_LOSS = 1e-6  # nats per token: where a logarithm of "no loss" is drawn


@dataclass(frozen=True, slots=True)
class ChartPoint:
    """One quantization: its size in bytes and its loss, the mean KL divergence in nats per token."""

    model_id: str
    label: str
    bytes: int
    loss: float
    on_frontier: bool = False
    picked: bool = False


@dataclass(frozen=True, slots=True)
class Tick:
    """A line across the plot at `place` (0 left or bottom, 1 right or top) and its words."""

    place: float
    text: str


@dataclass(frozen=True, slots=True)
class Plot:
    """`spots` are (x, y) in 0..1 per point, y upwards: small and faithful lies at the bottom left."""

    spots: tuple[tuple[float, float], ...]
    sizes: tuple[Tick, ...]
    losses: tuple[Tick, ...]
    frontier: tuple[int, ...]  # numbers of the points on the frontier, by size


def make_plot(points: Sequence[ChartPoint]) -> Plot:
    """Lay out the points: sizes evenly, losses by their logarithm, since they span four orders of magnitude."""
    if not points:
        return Plot((), (), (), ())
    sizes = _padded([point.bytes / GIGABYTE for point in points])
    losses = _padded([_log(point.loss) for point in points])
    spots = tuple((_share(point.bytes / GIGABYTE, sizes), _share(_log(point.loss), losses)) for point in points)
    frontier = sorted((n for n, point in enumerate(points) if point.on_frontier), key=lambda n: points[n].bytes)
    return Plot(spots, _size_ticks(sizes), _loss_ticks(losses), tuple(frontier))


def size_text(gigabytes: float) -> str:
    """A size on the axis: "0.45 GB", "310 MB"."""
    return f"{gigabytes:.3g} GB" if gigabytes >= 1 else f"{gigabytes * 1000:.3g} MB"


def loss_text(loss: float) -> str:
    """A KL divergence with the two figures that mean something."""
    return f"{loss:.2g}" if loss >= 0.0001 else f"{loss:.0e}" if loss > 0 else "0"


def _log(loss: float) -> float:
    return math.log10(max(loss, LEAST_LOSS))


def _padded(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    span = (high - low) or max(abs(high), 1.0) * 0.5
    return low - span * MARGIN, high + span * MARGIN


def _share(value: float, ends: tuple[float, float]) -> float:
    return (value - ends[0]) / (ends[1] - ends[0])


def _size_ticks(ends: tuple[float, float]) -> tuple[Tick, ...]:
    step = _round_step((ends[1] - ends[0]) / 4)
    first = math.ceil(ends[0] / step)
    last = math.floor(ends[1] / step)
    return tuple(Tick(_share(n * step, ends), size_text(n * step)) for n in range(first, last + 1) if n > 0)


def _round_step(rough: float) -> float:
    """The next of 1, 2, 5, 10, 20 … times a power of ten."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)


def _loss_ticks(ends: tuple[float, float]) -> tuple[Tick, ...]:
    """Whole powers of ten; with fewer than two of them in sight also their doubles and fives."""
    powers = range(math.floor(ends[0]) - 1, math.ceil(ends[1]) + 1)
    tens = [power for power in powers if ends[0] <= power <= ends[1]]
    factors = (1,) if len(tens) >= 2 else (1, 2, 5)
    values = [power + math.log10(factor) for power in powers for factor in factors]
    return tuple(Tick(_share(v, ends), loss_text(10**v)) for v in values if ends[0] <= v <= ends[1])
