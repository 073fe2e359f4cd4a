"""What is chosen in the dialog, as the options of the jobs it starts, and what it will cost in words. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from desktop.qt.figures import in_bytes

if TYPE_CHECKING:
    from desktop.wire_models import QuantType

USUAL_TYPES = ("Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "IQ4_XS", "Q3_K_M", "Q2_K")
"""What the dialog lists first; these are also the ladder that a comparison usually needs."""

IMATRIX_CHOICES = ("Neutral text", "None", "My text…")
KEPT_TYPES = ("As usual", "Q8_0", "F16")


@dataclass(frozen=True, slots=True)
class Choice:
    """`imatrix`: "neutral", "" for none, or the path of a text. `kept_*`: "" leaves it to the quantization."""

    model_id: str
    types: tuple[str, ...] = ()
    imatrix: str = "neutral"
    kept_output: str = ""
    kept_embeddings: str = ""
    measure: bool = True
    prompts: tuple[str, ...] = ()

    def quantize_options(self) -> dict[str, Any]:
        """Options of the job `quantize`; what was left as usual is left out."""
        options: dict[str, Any] = {"model": self.model_id, "to": list(self.types), "imatrix": self.imatrix}
        if self.kept_output:
            options["keep_output"] = self.kept_output
        if self.kept_embeddings:
            options["keep_embeddings"] = self.kept_embeddings
        if self.measure:
            options["measure"] = True
            if self.prompts:
                options["prompts"] = list(self.prompts)
        return options

    def measure_options(self, quants: Sequence[str]) -> dict[str, Any]:
        """Options of the job `measure` for models that are there already; the source is what they are held against."""
        options: dict[str, Any] = {"models": list(quants), "source": self.model_id}
        if self.prompts:
            options["prompts"] = list(self.prompts)
        return options


def prompts_of(text: str) -> tuple[str, ...]:
    """Prompts typed one per line; blank lines say nothing."""
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def ordered(types: Sequence[QuantType]) -> list[QuantType]:
    """The usual ones first, largest first, then the others in the engine's order."""
    rank = {name: number for number, name in enumerate(USUAL_TYPES)}
    return sorted(types, key=lambda one: rank.get(one.name, len(rank)))


def problem_of(choice: Choice, types: Sequence[QuantType], free_bytes: int) -> str:
    """Why it cannot start as it is, as a sentence; "" when it can."""
    if not choice.types:
        return "Choose at least one type."
    needy = [one.name for one in types if one.name in choice.types and one.needs_imatrix]
    if needy and not choice.imatrix:
        return f"{' and '.join(needy)} cannot be made without an importance matrix."
    needed = total_bytes(choice, types)
    if free_bytes and needed > free_bytes:
        return f"{in_bytes(needed)} are needed and {in_bytes(free_bytes)} are free on this disk."
    return ""


def cost_of(choice: Choice, types: Sequence[QuantType], free_bytes: int) -> str:
    """What will be written, and how much room there is."""
    count = len(choice.types)
    if not count:
        return ""
    files = "1 file" if count == 1 else f"{count} files"
    free = f"; {in_bytes(free_bytes)} free" if free_bytes else ""
    return f"Writes {files}, about {in_bytes(total_bytes(choice, types))}{free}"


def total_bytes(choice: Choice, types: Sequence[QuantType]) -> int:
    return sum(one.estimated_bytes or 0 for one in types if one.name in choice.types)
