"""Numbers as the window writes them. Pure."""

from __future__ import annotations


def in_bytes(count: int) -> str:
    """Bytes in decimal units with three figures: 912 kB, 4.41 GB, 16 GB."""
    value, unit = float(count), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 999.5 or unit == "TB":
            break
        value /= 1000
    if unit in ("B", "kB"):
        return f"{value:.0f} {unit}"
    return f"{_three(value)} {unit}"


def of_bytes(part: int, whole: int) -> str:
    """Two amounts with the unit of the whole, said once: "5.4 of 16 GB"."""
    unit, divisor = ("GB", 1e9) if whole >= 1e9 else ("MB", 1e6)
    return f"{_two(part / divisor)} of {_two(whole / divisor)} {unit}"


def in_tokens(count: int) -> str:
    """Tokens in short: 812, 3.4k, 32k. k is 1,024 from 8,192 on when it divides evenly, as contexts are named."""
    if count < 1000:
        return str(count)
    if count % 1024 == 0:
        return f"{count // 1024}k"
    return f"{_two(count / 1000)}k" if count < 1_000_000 else f"{_two(count / 1e6)}M"


def in_parameters(count: int) -> str:
    """Number of parameters: "7.6 B", "137 M"."""
    if count >= 1e9:
        return f"{_two(count / 1e9)} B"
    if count >= 1e6:
        return f"{_two(count / 1e6) if count < 1e7 else format(count / 1e6, '.0f')} M"
    return f"{count / 1e3:.0f} k"


def per_second(tokens_per_s: float | None) -> str:
    """ "41.8 tok/s", or "" while there is none."""
    if tokens_per_s is None or tokens_per_s <= 0:
        return ""
    return f"{in_rate(tokens_per_s)} tok/s"


def in_rate(tokens_per_s: float) -> str:
    """Three figures or more, without a unit: "41.8", "332", "5,921"."""
    return f"{tokens_per_s:.1f}" if tokens_per_s < 100 else f"{tokens_per_s:,.0f}"


def time_left(seconds: float | None) -> str:
    """ "40 s left", "2 min left", "1 h 5 min left", or "" when unknown."""
    if seconds is None or seconds < 0:
        return ""
    if seconds < 60:
        return f"{max(1, round(seconds))} s left"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min left"
    return f"{minutes // 60} h {minutes % 60} min left" if minutes % 60 else f"{minutes // 60} h left"


def in_seconds(milliseconds: float | None) -> str:
    """ "0.31 s", or "" when unknown."""
    return "" if milliseconds is None else f"{milliseconds / 1000:.2f} s"


def grouped_digits(count: int) -> str:
    return f"{count:,}"


def _two(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0") if value < 100 else f"{value:.0f}"


def _three(value: float) -> str:
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
