"""Where the names of points stand in the chart, so that they cover no point and no other name: pure, in pixels."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

OUTSIDE, ON_LABEL, ON_POINT, ON_LINE = 1000.0, 100.0, 30.0, 5.0  # how bad each is; a later place costs 1 more


class Box(NamedTuple):
    """A rectangle, y downwards."""

    left: float
    top: float
    width: float
    height: float

    @property
    def right(self) -> float:
        return self.left + self.width

    @property
    def bottom(self) -> float:
        return self.top + self.height

    def meets(self, other: Box) -> bool:
        apart = self.right <= other.left or other.right <= self.left
        return not (apart or self.bottom <= other.top or other.bottom <= self.top)

    def within(self, other: Box) -> bool:
        across = other.left <= self.left and self.right <= other.right
        return across and other.top <= self.top and self.bottom <= other.bottom


Spot = tuple[float, float]


def place_labels(
    spots: Sequence[Spot],
    sizes: Sequence[Spot],
    area: Box,
    line: Sequence[Spot],
    *,
    gap: float,
    first: Sequence[int] = (),
) -> list[Box]:
    """A box for the name of each point, `gap` away from it; those in `first` choose before the others.

    `sizes` are widths and heights of the names, `line` the corners of what is drawn between points.
    """
    points = [Box(x - gap, y - gap, 2 * gap, 2 * gap) for x, y in spots]
    order = sorted(range(len(spots)), key=lambda number: number not in first)
    placed: dict[int, Box] = {}
    for number in order:
        others = [*points[:number], *points[number + 1 :]]

        def badness(rank: int, box: Box, others: Sequence[Box] = others) -> float:
            found = float(rank) + (0 if box.within(area) else OUTSIDE)
            found += ON_LABEL * sum(box.meets(label) for label in placed.values())
            found += ON_POINT * sum(box.meets(point) for point in others)
            return found + ON_LINE * sum(_crosses(box, a, b) for a, b in pairwise(line))

        places = _around(spots[number], sizes[number], gap)
        placed[number] = min(enumerate(places), key=lambda one: badness(*one))[1]
    return [placed[number] for number in range(len(spots))]


def _around(spot: Spot, size: Spot, gap: float) -> list[Box]:
    """Places beside a point, the best first: the line falls to the right, so above to the right is free of it."""
    (x, y), (width, height) = spot, size
    right, left, middle = x + gap, x - gap - width, x - width / 2
    above, level, below = y - gap - height, y - height / 2, y + gap
    near = gap / 2  # beside and above at once, a name may come nearer
    return [
        Box(right, above + near, width, height),
        Box(right, level, width, height),
        Box(left, level, width, height),
        Box(middle, above, width, height),
        Box(middle, below, width, height),
        Box(left, below - near, width, height),
        Box(left, above + near, width, height),
        Box(right, below - near, width, height),
    ]


def _crosses(box: Box, a: Spot, b: Spot) -> bool:
    """Whether a straight line goes through a box (Liang and Barsky, 1984)."""
    enters, leaves = 0.0, 1.0
    for start, step, low, high in (
        (a[0], b[0] - a[0], box.left, box.right),
        (a[1], b[1] - a[1], box.top, box.bottom),
    ):
        if step == 0:
            if not low < start < high:
                return False
            continue
        near, far = sorted(((low - start) / step, (high - start) / step))
        enters, leaves = max(enters, near), min(leaves, far)
    return enters < leaves
