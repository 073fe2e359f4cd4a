"""What quantizations are called, and what each means to somebody who has to choose one.

Bits per weight are those of Llama 3.1 8B in the table of llama.cpp's tools/quantize/README.md, where it lists the type;
they include the scales, and what llama-quantize keeps in more bits. Other models differ by a few percent. Types without
a row there have the bits of their block.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class QuantFact:
    """One type. `quality` orders them, higher is closer to the original; `needs_imatrix`: poor or refused without."""

    name: str
    bits_per_weight: float
    quality: int
    about: str
    needs_imatrix: bool = False


def _facts(*facts: QuantFact) -> Mapping[str, QuantFact]:
    return {fact.name: fact for fact in facts}


_WHOLE = "Not quantized: the size and quality it was published in."
FACTS: Mapping[str, QuantFact] = _facts(
    QuantFact("F32", 32.0, 100, "Not quantized, twice as large as training needs; only for making other types."),
    QuantFact("BF16", 16.0, 98, f"{_WHOLE} Slow on processors without bfloat16."),
    QuantFact("F16", 16.0, 97, f"{_WHOLE} The usual source for quantizing."),
    QuantFact("Q8_0", 8.5, 90, "8 bits: no loss anybody measures, half the size of F16."),
    QuantFact("Q6_K", 6.56, 85, "6 bits: very close to the original."),
    QuantFact("Q5_K_M", 5.7, 80, "5 bits: hardly any loss."),
    QuantFact("Q5_K_S", 5.57, 78, "5 bits, a little smaller than Q5_K_M."),
    QuantFact("Q5_1", 6.0, 76, "5 bits in the older format; Q5_K_M is smaller and better."),
    QuantFact("Q5_0", 5.5, 75, "5 bits in the older format; Q5_K_S is better."),
    QuantFact("Q4_K_M", 4.89, 70, "4 bits: the usual balance of size and quality."),
    QuantFact("MXFP4", 4.25, 69, "4 bits in the format some models are trained in; no loss for those."),
    QuantFact("NVFP4", 4.5, 69, "4 bits in a format recent NVIDIA processors compute with."),
    QuantFact("Q4_K_S", 4.67, 67, "4 bits, a little smaller than Q4_K_M."),
    QuantFact("IQ4_NL", 4.68, 66, "4 bits on an uneven scale; quick on ARM and AVX2."),
    QuantFact("IQ4_XS", 4.46, 65, "4 bits on an uneven scale: smaller than Q4_K_S, about as good."),
    QuantFact("Q4_1", 5.0, 62, "4 bits in the older format; Q4_K_M is smaller and better."),
    QuantFact("Q4_0", 4.66, 60, "4 bits in the older format: plain, and quick on processors."),
    QuantFact("Q3_K_L", 4.3, 52, "3 bits, the larger half of the tensors in 5: some loss."),
    QuantFact("IQ3_M", 3.76, 51, "3 bits on an uneven scale: some loss, slower on processors.", True),
    QuantFact("Q3_K_M", 4.0, 50, "3 bits: a loss one can notice; for when 4 bits do not fit."),
    QuantFact("IQ3_S", 3.66, 48, "3 bits on an uneven scale: better than Q3_K_S at its size.", True),
    QuantFact("IQ3_XS", 3.5, 46, "3 bits on an uneven scale, small.", True),
    QuantFact("Q3_K_S", 3.64, 44, "3 bits: the loss is plain."),
    QuantFact("IQ3_XXS", 3.25, 42, "3 bits on an uneven scale, very small: the loss is plain.", True),
    QuantFact("Q2_K", 3.16, 36, "2 to 3 bits: heavy loss; a smaller model in 4 bits is usually better."),
    QuantFact("Q2_K_S", 2.97, 32, "2 bits: heavy loss.", True),
    QuantFact("IQ2_M", 2.93, 30, "2 bits on an uneven scale: heavy loss, worth it for very large models only.", True),
    QuantFact("IQ2_S", 2.74, 27, "2 bits on an uneven scale: heavy loss.", True),
    QuantFact("IQ2_XS", 2.59, 24, "2 bits on an uneven scale: heavy loss.", True),
    QuantFact("IQ2_XXS", 2.38, 20, "2 bits on an uneven scale: very heavy loss.", True),
    QuantFact("TQ2_0", 2.06, 18, "Three values per weight: only for models trained so."),
    QuantFact("TQ1_0", 1.69, 17, "Three values per weight, packed tighter: only for models trained so."),
    QuantFact("IQ1_M", 2.15, 12, "1 to 2 bits: an experiment, hardly usable.", True),
    QuantFact("IQ1_S", 2.0, 10, "1 to 2 bits: an experiment, hardly usable.", True),
)
# Names other makers use for a type of llama.cpp, with what they mean by it.
_ALIASES = {"FP16": "F16", "FP32": "F32", "MXFP4_MOE": "MXFP4", "Q3_K": "Q3_K_M", "Q4_K": "Q4_K_M", "Q5_K": "Q5_K_M"}

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
    def fact(self) -> QuantFact | None:
        return FACTS.get(self.type)

    @property
    def about(self) -> str:
        """What it means, in a sentence or two."""
        if self.fact is None:
            return "A quantization this version does not know by name; its own header says more."
        if self.label.startswith("UD-"):
            return f"{self.fact.about} The bits are shared out by tensor, as the maker's tests suggested."
        if self.label != self.type and self.label.endswith(("_L", "_XL")):
            return f"{self.fact.about} Embeddings and output are kept in 8 bits."
        return self.fact.about


UNKNOWN = Quant("", "")


def find_quant(text: str) -> Quant:
    """The last quantization named in `text`, UNKNOWN when there is none."""
    matches = list(_QUANT.finditer(text))
    if not matches:
        return UNKNOWN
    found = matches[-1]
    name = found["quant"].upper()
    name = _ALIASES.get(name, name) if not found["dynamic"] else name
    label = f"UD-{name}" if found["dynamic"] else name
    return Quant(label, _type_of(name), found.start(), found.end())


def _type_of(name: str) -> str:
    """The type of llama-quantize a name is a variation of: Q4_K_XL and Q4_K_L are Q4_K_M with more kept."""
    name = _ALIASES.get(name, name)
    if name in FACTS:
        return name
    if name == "Q8_K_XL":  # there is no Q8_K on disk: what is made so is 8 bits with more kept in 16
        return "Q8_0"
    stem = re.sub(r"_(?:XXS|XS|XL|S|M|L)$", "", name)
    return next((f"{stem}{suffix}" for suffix in ("_M", "", "_S") if f"{stem}{suffix}" in FACTS), "")
