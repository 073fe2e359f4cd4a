"""A chart of loss over size as SVG, drawn without any library."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from models.disk_room import human
from models.measure.pareto import Point, frontier

WIDTH, HEIGHT = 760, 440
LEFT, RIGHT, TOP, BOTTOM = 76, 24, 48, 56
INK, FAINT, ACCENT = "#24292f", "#d0d7de", "#0969da"


def chart(points: Sequence[Point], *, title: str, picked: str = "") -> str:
    """Every point with its name, the frontier as a line, the picked one filled; the loss on a logarithmic scale."""
    measured = [point for point in points if point.loss > 0]
    largest = max(point.bytes for point in points) * 1.05
    low = 10 ** math.floor(math.log10(min(point.loss for point in measured)))
    high = 10 ** math.ceil(math.log10(max(point.loss for point in measured)))

    def x(size: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * size / largest

    def y(loss: float) -> float:
        share = (math.log10(max(loss, low)) - math.log10(low)) / (math.log10(high) - math.log10(low) or 1)
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share

    parts = [_text(LEFT, 24, title, size=15, weight=600)]
    for exponent in range(round(math.log10(low)), round(math.log10(high)) + 1):
        parts.append(_line(LEFT, y(10**exponent), WIDTH - RIGHT, y(10**exponent)))
        parts.append(_text(LEFT - 8, y(10**exponent) + 4, f"{10**exponent:g}", anchor="end"))
    for step in range(5):
        size = largest * step / 4
        parts.append(_text(x(size), HEIGHT - BOTTOM + 20, human(int(size)), anchor="middle"))
    parts.append(_text(WIDTH / 2, HEIGHT - 12, "size of the file", anchor="middle"))
    parts.append(_text(LEFT, TOP - 8, "KL divergence, nats per token (smaller is better)"))
    line = " ".join(f"{x(point.bytes):.1f},{y(point.loss):.1f}" for point in frontier(points) if point.loss > 0)
    parts.append(f'<polyline points="{line}" fill="none" stroke="{ACCENT}" stroke-width="1.5"/>')
    for index, point in enumerate(sorted(points, key=lambda point: point.bytes)):
        fill = ACCENT if point.id == picked else "white"
        parts.append(
            f'<circle cx="{x(point.bytes):.1f}" cy="{y(point.loss):.1f}" r="5" fill="{fill}" '
            f'stroke="{ACCENT}" stroke-width="1.5"/>'
        )
        # Neighbours on a steep line lie close: their names stand on both sides of it in turn.
        side, anchor, up = (9, "start", -5) if index % 2 else (-9, "end", 13)
        parts.append(_text(x(point.bytes) + side, y(point.loss) + up, point.name, anchor=anchor))
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        f'font-size="12">\n<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>\n{body}\n</svg>\n'
    )


def _text(x: float, y: float, text: str, *, anchor: str = "start", size: int = 12, weight: int = 400) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" font-weight="{weight}" '
        f'fill="{INK}">{escape(text)}</text>'
    )


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{FAINT}"/>'
