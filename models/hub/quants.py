"""Recognizes a quantization in a file's name, and says what it means to somebody who has to choose one.

What llama-quantize makes is described in models/quantize/types.py; here is what other makers call it, and what is only
ever downloaded.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from models.quantize.types import ALIASES, BY_NAME

# Types that are trained into a model, or made by tools of others.
_ELSEWHERE: Mapping[str, str] = {
    "MXFP4": "4-bit floating point, the format some models are trained in: no loss for those.",
    "NVFP4": "4-bit floating point that recent NVIDIA processors compute with.",
    "TQ2_0": "Three values per weight: only for models trained so.",
    "TQ1_0": "Three values per weight, packed tighter: only for models trained so.",
}
_NAMES: Mapping[str, str] = {**ALIASES, "FP16": "F16", "FP32": "F32", "MXFP4_MOE": "MXFP4"}
_UNKNOWN_ABOUT = "A quantization this version does not know by name; the file's own header says more."

_QUANT = re.compile(
    r"(?<![a-z0-9])(?P<dynamic>ud-)?(?P<quant>"
    r"iq[1-4]_(?:xxs|xs|xl|nl|s|m)|q[2-8]_k(?:_(?:xxs|xs|xl|s|m|l))?|q[2-8]_[01]|tq[12]_0|"
    r"mxfp4(?:_moe)?|nvfp4|bf16|fp?16|fp?32)(?![a-z0-9])",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Quant:
    """A quantization as a file name states it: `label` as people write it, `type` as llama-quantize does, or ""."""

    label: str
    type: str
    start: int = -1  # where it stands in the text it was found in
    end: int = -1

    @property
    def about(self) -> str:
        """What it means, in a sentence or two."""
        known = BY_NAME.get(self.type)
        about = known.about if known is not None else _ELSEWHERE.get(self.type, _UNKNOWN_ABOUT)
        if self.label.startswith("UD-"):
            return f"{about} The bits are shared out by tensor, as its maker's tests suggested."
        if self.label != self.type and self.label.endswith(("_L", "_XL")):
            return f"{about} Embeddings and output are kept in 8 bits."
        return about


UNKNOWN = Quant("", "")


def find_quant(text: str) -> Quant:
    """The last quantization named in `text`, UNKNOWN when there is none."""
    matches = list(_QUANT.finditer(text))
    if not matches:
        return UNKNOWN
    found = matches[-1]
    name = found["quant"].upper()
    name = name if found["dynamic"] else _NAMES.get(name, name)
    label = f"UD-{name}" if found["dynamic"] else name
    return Quant(label, _type_of(name), found.start(), found.end())


def _type_of(name: str) -> str:
    """The type of llama-quantize a name is a variation of: Q4_K_XL and Q4_K_L are Q4_K_M with more kept."""
    name = _NAMES.get(name, name)
    if _is_known(name):
        return name
    if name == "Q8_K_XL":  # there is no Q8_K on disk: what is made so is 8 bits with more kept in 16
        return "Q8_0"
    stem = re.sub(r"_(?:XXS|XS|XL|S|M|L)$", "", name)
    return next((f"{stem}{suffix}" for suffix in ("_M", "", "_S") if _is_known(f"{stem}{suffix}")), "")


def _is_known(name: str) -> bool:
    return name in BY_NAME or name in _ELSEWHERE
