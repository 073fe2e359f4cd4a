"""How a service that cannot start tells why, in the one form that people read and `desktop.launch` understands."""

from __future__ import annotations

PROGRAM = "jackdaw: "
INDENT = "  "


def refusal_text(message: str, hint: str = "") -> str:
    """The sentence after the program's name, and the next step below it; one line each."""
    lines = [PROGRAM + _one_line(message)] + ([INDENT + _one_line(hint)] if hint else [])
    return "\n".join(lines) + "\n"


def read_refusal(said: str) -> tuple[str, str] | None:
    """(message, hint) of the last refusal in what a process wrote; None when it ended without one, e.g. by a crash."""
    lines = said.splitlines()
    for number in range(len(lines) - 1, -1, -1):
        if lines[number].startswith(PROGRAM):
            following = lines[number + 1] if number + 1 < len(lines) else ""
            hint = following.strip() if following.startswith(INDENT) else ""
            return lines[number].removeprefix(PROGRAM), hint
    return None


def _one_line(text: str) -> str:
    return " ".join(text.split())
