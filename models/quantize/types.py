"""The quantizations llama-quantize makes that we offer, and what each means. Pure data.

Bits per weight are those of a Llama-like model of 8 billion parameters, from llama.cpp's tools/quantize/README.md; for
a given model `sizes.quant_types` computes them from its own tensors.
"""

from __future__ import annotations

from dataclasses import dataclass

from models.errors import QuantizeFailed


@dataclass(frozen=True, slots=True)
class Quant:
    """One target. `base` is the tensor type most weights get; `needs_imatrix`: refused without an importance matrix."""

    name: str
    about: str
    bits_per_weight: float
    base: str
    needs_imatrix: bool = False


QUANTS: tuple[Quant, ...] = (
    Quant("F32", "Full precision. For conversion only: twice F16 in size, and no better to run.", 32.0, "F32"),
    Quant("BF16", "16 bits with the range of 32: what most models are trained in.", 16.0, "BF16"),
    Quant("F16", "16 bits: no visible loss against the original.", 16.0, "F16"),
    Quant("Q8_0", "8 bits: practically the original at half its size.", 8.5, "Q8_0"),
    Quant("Q6_K", "6 bits: very near the original.", 6.56, "Q6_K"),
    Quant("Q5_K_M", "5 bits, more for the sensitive tensors: small loss.", 5.70, "Q5_K"),
    Quant("Q5_K_S", "5 bits throughout: small loss, a little smaller than Q5_K_M.", 5.57, "Q5_K"),
    Quant("Q5_1", "5 bits of the older kind: fast on some processors; Q5_K_M is better.", 6.06, "Q5_1"),
    Quant("Q5_0", "5 bits of the older kind: fast on some processors; Q5_K_S is better.", 5.57, "Q5_0"),
    Quant("Q4_K_M", "4 bits, more for the sensitive tensors: the usual balance of size and quality.", 4.89, "Q4_K"),
    Quant("Q4_K_S", "4 bits nearly throughout: a little smaller than Q4_K_M.", 4.67, "Q4_K"),
    Quant("IQ4_NL", "4 bits on a curved scale: near Q4_K_S, fast on ARM.", 4.68, "IQ4_NL"),
    Quant("IQ4_XS", "4 bits on a curved scale: the smallest at 4 bits; slower on some processors.", 4.46, "IQ4_XS"),
    Quant("Q4_1", "4 bits of the older kind: fast on some processors; Q4_K_M is better.", 5.12, "Q4_1"),
    Quant("Q4_0", "4 bits of the older kind: fast on many processors; Q4_K_S is better.", 4.66, "Q4_0"),
    Quant("MXFP4_MOE", "4-bit floating point for the experts, 8 bits for the rest.", 4.6, "MXFP4"),
    Quant("Q3_K_L", "3 bits, much more for the sensitive tensors: visible loss.", 4.30, "Q3_K"),
    Quant("Q3_K_M", "3 bits, more for the sensitive tensors: visible loss.", 4.00, "Q3_K"),
    Quant("IQ3_M", "3 bits on a learned grid: better than Q3_K_M at its size, slower to compute.", 3.76, "IQ3_S"),
    Quant("IQ3_S", "3 bits on a learned grid throughout.", 3.66, "IQ3_S"),
    Quant("Q3_K_S", "3 bits throughout: strong loss.", 3.64, "Q3_K"),
    Quant("IQ3_XS", "3 bits on a learned grid, fewer for some tensors.", 3.50, "IQ3_S", needs_imatrix=True),
    Quant("IQ3_XXS", "3 bits and less: strong loss.", 3.25, "IQ3_XXS", needs_imatrix=True),
    Quant("Q2_K", "2 to 3 bits: strong loss; for models that would not fit otherwise.", 3.16, "Q2_K"),
    Quant("Q2_K_S", "2 bits: very strong loss.", 2.97, "Q2_K", needs_imatrix=True),
    Quant("IQ2_M", "2 bits on a learned grid, more for some: very strong loss.", 2.93, "IQ2_S", needs_imatrix=True),
    Quant("IQ2_S", "2 bits on a learned grid: very strong loss.", 2.74, "IQ2_XS", needs_imatrix=True),
    Quant("IQ2_XS", "2 bits on a learned grid: very strong loss.", 2.59, "IQ2_XS", needs_imatrix=True),
    Quant("IQ2_XXS", "2 bits on a learned grid, the smallest of its kind.", 2.38, "IQ2_XXS", needs_imatrix=True),
    Quant("IQ1_M", "Below 2 bits: for experiments with very large models.", 2.15, "IQ1_M", needs_imatrix=True),
    Quant("IQ1_S", "The smallest there is: for experiments with very large models.", 2.00, "IQ1_S", needs_imatrix=True),
)
BY_NAME = {quant.name: quant for quant in QUANTS}
ALIASES = {"Q3_K": "Q3_K_M", "Q4_K": "Q4_K_M", "Q5_K": "Q5_K_M"}  # as llama-quantize reads them

# Types an embedding or output tensor may be kept in: what --token-embedding-type and --output-tensor-type take.
KEPT_TYPES = ("F32", "BF16", "F16", "Q8_0", "Q6_K", "Q5_K", "Q5_1", "Q5_0", "Q4_K", "Q4_1", "Q4_0", "IQ4_NL", "IQ4_XS")


def find_quant(name: str) -> Quant:
    """The quantization of that name, whatever its case. Raises QuantizeFailed when there is none."""
    wanted = name.strip().upper()
    quant = BY_NAME.get(ALIASES.get(wanted, wanted))
    if quant is None:
        raise QuantizeFailed(
            f"{name!r} is no quantization that can be made here.", hint=f"Choose among {', '.join(BY_NAME)}."
        )
    return quant


def find_kept_type(name: str | None) -> str | None:
    """A tensor type by name for --output-tensor-type and the like, None for none. Raises QuantizeFailed."""
    if not name:
        return None
    if name.upper() not in KEPT_TYPES:
        raise QuantizeFailed(f"A tensor cannot be kept as {name!r}.", hint=f"Choose among {', '.join(KEPT_TYPES)}.")
    return name.upper()
