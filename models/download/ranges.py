"""Which bytes of a file are there: sorted half-open ranges that neither touch nor overlap. Pure."""

from __future__ import annotations

from collections.abc import Iterable

Range = tuple[int, int]
Ranges = tuple[Range, ...]


def merged(ranges: Iterable[Range]) -> Ranges:
    """The same bytes, sorted and joined; empty ranges fall out."""
    joined: list[Range] = []
    for start, end in sorted(one for one in ranges if one[0] < one[1]):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return tuple(joined)


def covered(ranges: Iterable[Range]) -> int:
    """How many bytes they hold; they must not overlap."""
    return sum(end - start for start, end in ranges)


def frontier(ranges: Ranges) -> int:
    """How many bytes are there from the beginning on without a gap."""
    return ranges[0][1] if ranges and ranges[0][0] == 0 else 0


def next_gap(ranges: Iterable[Range], size: int, longest: int) -> Range | None:
    """The first bytes below `size` that no range holds, at most `longest` of them; None when nothing is missing."""
    at = 0
    for start, end in merged(ranges):
        if at < start:
            return at, min(start, at + longest, size)
        at = end
    return (at, min(size, at + longest)) if at < size else None


def checked(ranges: object, size: int) -> Ranges | None:
    """Ranges read from a file, None when they are not what this module wrote for a file of `size` bytes."""
    if not isinstance(ranges, list):
        return None
    pairs: list[Range] = []
    for one in ranges:
        if not (isinstance(one, list) and len(one) == 2 and all(type(number) is int for number in one)):
            return None
        pairs.append((one[0], one[1]))
    joined = merged(pairs)
    return joined if list(joined) == pairs and all(0 <= start < end <= size for start, end in joined) else None
