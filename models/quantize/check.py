"""What speaks against a quantization before any work is begun: pure questions about headers and names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from models.errors import QuantizeFailed
from models.gguf import GgufHeader
from models.library import NOT_A_MODEL
from models.quantize.mixture import FULL_TYPES, is_quantized_weight
from models.quantize.types import Quant

_GET_FULL = "Get the model in F16, BF16 or F32 and quantize that."


def refusal(header: GgufHeader) -> str:
    """Why this model should not be quantized, as a sentence; "" when nothing speaks against it."""
    if header.file_kind in NOT_A_MODEL or header.architecture == "clip":
        what = NOT_A_MODEL.get(header.file_kind, NOT_A_MODEL["mmproj"])[0]
        return f"This file is {what}, not a model."
    quantized: Counter[str] = Counter()
    for tensor in header.tensors:
        if tensor.type not in FULL_TYPES and is_quantized_weight(tensor):
            quantized[tensor.type] += tensor.bytes
    if not quantized:
        return (
            "" if any(is_quantized_weight(tensor) for tensor in header.tensors) else "It holds no weights to quantize."
        )
    kind = quantized.most_common(1)[0][0]
    if "MXFP4" in quantized:
        return (
            "Its experts were trained in MXFP4, 4 bits already: quantizing them again would cost quality and save "
            "next to nothing."
        )
    return f"It is quantized already ({header.quant or kind}): quantizing again would add the losses of both."


def check_source(name: str, header: GgufHeader) -> None:
    """Raises QuantizeFailed with the reason when `refusal` has one."""
    if reason := refusal(header):
        raise QuantizeFailed(f"{name} cannot be quantized: {reason[0].lower()}{reason[1:]}", hint=_GET_FULL)


def check_targets(targets: Sequence[Quant], *, imatrix: bool) -> None:
    """Raises QuantizeFailed for no target, one named twice, or one that only an importance matrix makes good."""
    if not targets:
        raise QuantizeFailed("No quantization was chosen.", hint="Choose at least one, e.g. Q4_K_M.")
    if len({target.name for target in targets}) < len(targets):
        raise QuantizeFailed("A quantization was chosen twice.", hint="Name each one once.")
    needy = [target.name for target in targets if target.needs_imatrix]
    if needy and not imatrix:
        raise QuantizeFailed(
            f"{' and '.join(needy)} cannot be made without an importance matrix: the result would be garbage.",
            hint="Choose an importance matrix; the neutral text that comes with Jackdaw makes one (--imatrix neutral).",
        )
