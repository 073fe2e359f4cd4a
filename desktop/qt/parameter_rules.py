"""The sampling parameters a chat can set: names, ranges, and how what was typed becomes a value. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

MAX_STOPS = 16


@dataclass(frozen=True, slots=True)
class Parameter:
    """One number of desktop.wire.SamplingParameters; both ends of its range are allowed."""

    name: str
    title: str
    whole: bool
    lowest: float
    highest: float
    help: str


PARAMETERS = (
    Parameter("temperature", "Temperature", False, 0, 5, "0 always takes the likeliest token; higher is more varied."),
    Parameter("top_p", "Top P", False, 0, 1, "Only the likeliest tokens that together reach this probability."),
    Parameter("top_k", "Top K", True, 0, 1_000_000, "Only so many of the likeliest tokens; 0 takes all."),
    Parameter("min_p", "Min P", False, 0, 1, "Only tokens at least this likely beside the likeliest."),
    Parameter("max_tokens", "Longest answer", True, 1, 10_000_000, "Tokens of an answer, at most."),
    Parameter("seed", "Seed", True, 0, 2**32 - 1, "The same seed gives the same answer on the same engine."),
    Parameter("frequency_penalty", "Frequency penalty", False, -2, 2, "Against tokens, more for each time they came."),
    Parameter("presence_penalty", "Presence penalty", False, -2, 2, "Against tokens that came at all."),
)


class NotInRange(ValueError):
    """What was typed is no value of the parameter; the text is a sentence for the user."""


def parse(parameter: Parameter, text: str) -> int | float | None:
    """The value of what was typed, None for an empty field (the engine's default). Raises NotInRange."""
    text = text.strip().replace(",", ".")
    if not text:
        return None
    try:
        value = int(text) if parameter.whole else float(text)
    except ValueError:
        kind = "a whole number" if parameter.whole else "a number"
        raise NotInRange(f"{parameter.title} takes {kind}.") from None
    if not parameter.lowest <= value <= parameter.highest:
        raise NotInRange(f"{parameter.title} is from {parameter.lowest:g} to {parameter.highest:,g}.")
    return value


def shown(value: Any) -> str:
    """A value as it stands in its field."""
    return "" if value is None else f"{value:.10g}" if isinstance(value, float) else str(value)


def parse_stops(text: str) -> list[str] | None:
    r"""Stop sequences, one per line, with \n and \t for characters that cannot be seen; None when there is none."""
    stops = [line.replace("\\n", "\n").replace("\\t", "\t") for line in text.split("\n") if line]
    if len(stops) > MAX_STOPS:
        raise NotInRange(f"At most {MAX_STOPS} stop sequences.")
    return stops or None


def shown_stops(stops: list[str] | None) -> str:
    return "\n".join(stop.replace("\n", "\\n").replace("\t", "\\t") for stop in stops or [])
