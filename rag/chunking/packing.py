"""Puts units together into parts: whole where they fit, along their structure where they do not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import groupby

from rag.chunking.rules import Sizes
from rag.chunking.units import Unit

# A part is a range [first, last) of units; one that is longer than the limit is cut afterwards.
Part = tuple[int, int]


class Packer:
    """Packs the units of one document."""

    def __init__(self, text: str, units: list[Unit], sizes: Sizes, *, pages: bool) -> None:
        self._text = text
        self._units = units
        self._sizes = sizes
        self._pages = pages

    def parts(self) -> list[Part]:
        """All parts in order. No part crosses a page."""
        if not self._pages:
            return self._pack(0, len(self._units), 0)
        return [
            part for first, last in self._groups(0, len(self._units), 0) for part in self._pack(first, last, depth=1)
        ]

    def _pack(self, first: int, last: int, depth: int) -> list[Part]:
        if last - first <= 1 or self._size(first, last) <= self._sizes.limit:
            return [(first, last)]
        groups = list(self._groups(first, last, depth))
        if len(groups) == 1 and len(self._units[first].path) <= depth:
            return self._leaves(first, last)
        parts = [part for begin, end in groups for part in self._pack(begin, end, depth + 1)]
        return self._joined(parts, set(groups)) if len(groups) > 1 else parts

    def _groups(self, first: int, last: int, depth: int) -> Iterator[Part]:
        """Neighbours with the same element of the path at this depth, or none."""

        def element(index: int) -> str | None:
            path = self._units[index].path
            return path[depth] if len(path) > depth else None

        for _, members in groupby(range(first, last), key=element):
            found = list(members)
            yield found[0], found[-1] + 1

    def _leaves(self, first: int, last: int) -> list[Part]:
        """What has no further structure: symbols apart unless they are small, everything else in even parts."""
        if any(unit.kind == "symbol" for unit in self._units[first:last]):
            single = [(index, index + 1) for index in range(first, last)]
            return self._joined(single, set(single))
        return self._joined(list(self._even(first, last)), set(), loose=True)

    def _even(self, first: int, last: int) -> Iterator[Part]:
        total = self._size(first, last)
        aim = total / -(-total // self._sizes.target)
        begin = first
        for index in range(first + 1, last):
            now, more = self._size(begin, index), self._size(begin, index + 1)
            if self._introduces(index - 1) and (more <= self._sizes.limit or now < self._sizes.small):
                continue
            if more > self._sizes.limit or more - aim > aim - now:
                yield begin, index
                begin = index
        yield begin, last

    def _introduces(self, index: int) -> bool:
        """Whether the unit says nothing without the next one."""
        unit = self._units[index]
        return unit.opens or self._text[unit.end - 1] == ":"

    def _joined(self, parts: list[Part], whole: set[Part], *, loose: bool = False) -> list[Part]:
        """Neighbours that are whole put together up to `join`; then small ones added to a neighbour.

        With `loose` one that is cut later takes them as well; otherwise it takes only what opens it.
        """

        def together(one: Part, two: Part) -> bool:
            joined = one in whole and two in whole and self._size(one[0], two[1]) <= self._sizes.join
            if joined:
                whole.add((one[0], two[1]))
            return joined

        return _merged(_merged(parts, together), lambda one, two: self._takes(one, two, loose=loose))

    def _takes(self, one: Part, two: Part, *, loose: bool) -> bool:
        """Whether one of the two is small and goes to the other."""
        sizes = self._sizes
        fits = loose or self._size(one[0], two[1]) <= sizes.limit + sizes.small
        if self._size(*one) < sizes.small and (fits or self._units[one[1] - 1].opens):
            return True
        return fits and self._size(*two) < sizes.small and not self._units[two[1] - 1].opens

    def _size(self, first: int, last: int) -> int:
        return self._units[last - 1].end - self._units[first].start


def _merged(parts: list[Part], belong: Callable[[Part, Part], bool]) -> list[Part]:
    done: list[Part] = []
    for part in parts:
        if done and belong(done[-1], part):
            done.append((done.pop()[0], part[1]))
        else:
            done.append(part)
    return done
