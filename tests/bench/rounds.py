"""Side-by-side measuring: every contender once a round, in turn, so that a drift of the machine hits all alike."""

from __future__ import annotations

import statistics
from collections.abc import Awaitable, Callable, Mapping, Sequence

Measure = Callable[[], Awaitable[float]]


async def in_turn(contenders: Mapping[str, Measure], rounds: int) -> dict[str, list[float]]:
    """`rounds` figures for each contender. The order turns each round, so that nobody always goes first."""
    names = list(contenders)
    figures: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            figures[name].append(await contenders[name]())
    return figures


def ratio(figures: Sequence[float], base: Sequence[float]) -> float:
    """The median of the round-by-round ratios: what the machine does in one round cancels out."""
    return statistics.median(one / other for one, other in zip(figures, base, strict=True))


def row(name: str, figures: Sequence[float], unit: str) -> str:
    """One line: median, minimum and maximum."""
    middle = statistics.median(figures)
    return f"  {name:<42} {middle:>9.1f} {unit:<9} (min {min(figures):.1f}, max {max(figures):.1f}, n {len(figures)})"


def verdict(what: str, value: float, target: float, *, at_least: bool = True) -> str:
    """A ratio or a figure beside its target. The bench reports; it never fails a build."""
    good = value >= target if at_least else value <= target
    sign = ">=" if at_least else "<="
    return f"  {what:<42} {value:>9.3f} {'':<9} target {sign} {target:g}: {'reached' if good else 'NOT reached'}"


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` (0..1) of the values lie, by nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
