"""How high messages and pieces will be, guessed from counts; corrected by what was measured. Pure.

A guess costs a few microseconds, so that 10,000 messages open at once; the scroll bar is right to some per cent and
gets better with every message that is seen.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil

from desktop.qt.transcript.pieces import Code, Formula, Piece, Plain, Prose, Rule, Table, Thought

LINE = 24
CODE_LINE = 18
CHAR = 7.55  # mean width of a letter of reading text, in pixels
CODE_CHAR = 7.8
CODE_FRAME = 36 + 2 * 12
TABLE_ROW = 33
GAP = 12
FOLD = 28


def guess_text(text: str, width: float, zoom: float = 1.0) -> float:
    """Height of unparsed Markdown at a width of the text in pixels: wrapped lines, paragraphs, fences, table rows."""
    if not text:
        return 0.0
    per_line = max(8.0, width / (CHAR * zoom))
    newlines = text.count("\n")
    paragraphs = text.count("\n\n")
    fences = text.count("```")
    rows = text.count("|\n")
    # Each hard line end leaves, on average, half a line unused; blank lines take no line but a gap.
    hard = newlines - paragraphs
    wrapped = len(text) / per_line + 0.5 * (hard - rows - fences) * min(1.0, len(text) / (newlines + 1) / per_line)
    lines = max(1.0, wrapped, hard - paragraphs + 1.0)
    height = lines * LINE + paragraphs * GAP + fences * 24 + rows * 8
    return height * zoom


def guess_piece(piece: Piece, width: float, zoom: float = 1.0) -> float:
    """Height of a piece that was not laid out yet."""
    return _guess(piece, max(40.0, width), zoom) * zoom


def _guess(piece: Piece, width: float, zoom: float) -> float:
    match piece:
        case Prose():
            per_line = max(8.0, width / (CHAR * zoom))
            lines = sum(max(1, ceil(len(para.text) / per_line)) for para in piece.paras)
            return lines * LINE + sum(4 if para.tight else 10 for para in piece.paras[1:])
        case Code():
            return CODE_FRAME + CODE_LINE * min(2000, piece.text.count("\n") + 1)
        case Plain():
            per_line = max(8.0, width / (CODE_CHAR * zoom))
            lines = min(2000, max(piece.text.count("\n") + 1, ceil(min(len(piece.text), 65_536) / per_line)))
            return CODE_FRAME + CODE_LINE * lines
        case Table():
            return TABLE_ROW * (len(piece.rows) + 1)
        case Formula():
            return 56
        case Thought():
            per_line = max(8.0, width / (6.5 * zoom))
            return FOLD + (20 * ceil(len(piece.text) / per_line) if piece.opened else 0)
        case Rule():
            return 9


@dataclass(slots=True)
class HeightFit:
    """How wrong guesses are on average at one width: `factor` is what guesses of messages are multiplied with."""

    guessed: dict[str, float] = field(default_factory=dict)
    measured: dict[str, float] = field(default_factory=dict)

    def note(self, role: str, guessed: float, measured: float) -> None:
        """A message that was guessed at turned out to be so high."""
        self.guessed[role] = self.guessed.get(role, 0.0) + guessed
        self.measured[role] = self.measured.get(role, 0.0) + measured

    def factor(self, role: str) -> float:
        guessed = self.guessed.get(role, 0.0)
        # One screenful is no sample; until then the guess stands.
        return self.measured[role] / guessed if guessed > 4000 else 1.0
