"""How large a quantized model will be, from the header of its source alone. Pure.

Error: at most 3 % of the file for every type offered (tests compare with llama-quantize itself).
"""

from __future__ import annotations

from dataclasses import dataclass

from models.gguf import GgufHeader
from models.quantize.check import refusal
from models.quantize.mixture import Kept, stored_bytes, tensor_types
from models.quantize.types import QUANTS, Quant

ALIGNMENT = 32  # llama-quantize writes with GGUF's default


@dataclass(frozen=True, slots=True)
class QuantChoice:
    """A quantization offered for one model; bits per weight and bytes are computed for it."""

    name: str
    about: str
    bits_per_weight: float
    estimated_bytes: int
    needs_imatrix: bool


def estimated_bytes(header: GgufHeader, quant: Quant, kept: Kept | None = None) -> int:
    """Bytes of the file that quantizing `header`'s model to `quant` would make; header may be a split model's."""
    types = tensor_types(header, quant, kept)
    return header.data_offset + sum(
        -(-stored_bytes(tensor, types[tensor.name]) // ALIGNMENT) * ALIGNMENT for tensor in header.tensors
    )


def quant_types(header: GgufHeader, *, imatrix: bool = False) -> list[QuantChoice]:
    """All quantizations this model can be made into, largest first; [] when it should not be quantized again.

    Types without any effect on it (the one it has, larger ones of 16 and 32 bits) and types for experts it does not
    have are left out.
    """
    if refusal(header):
        return []
    parameters = max(1, header.parameter_count)
    choices = []
    for quant in QUANTS:
        if _is_pointless(header, quant):
            continue
        size = estimated_bytes(header, quant, Kept(imatrix=imatrix or quant.needs_imatrix))
        bits = 8 * (size - header.data_offset) / parameters
        choices.append(QuantChoice(quant.name, quant.about, round(bits, 2), size, quant.needs_imatrix))
    return sorted(choices, key=lambda choice: -choice.estimated_bytes)


def _is_pointless(header: GgufHeader, quant: Quant) -> bool:
    if quant.name == "MXFP4_MOE":
        return header.expert_count == 0
    if quant.name in ("F32", header.quant):
        return True
    return quant.name in ("F16", "BF16") and header.quant != "F32"
