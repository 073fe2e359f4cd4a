"""Which type llama-quantize gives each tensor: pure, so that sizes are known before anything is made.

The rules are those of llama_tensor_get_type_impl and tensor_type_fallback in llama.cpp's src/llama-quant.cpp at the
pinned release; a test holds every type against the tool's own --dry-run. Architectures with rules of their own
(Falcon, GLM5-next, BailingMoE3) are counted like the others, which is within 3 %.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from models.gguf import GgufHeader, TensorInfo
from models.gguf_format import TENSOR_TYPES
from models.quantize.types import Quant

FULL_TYPES = frozenset({"F32", "F16", "BF16"})
BLOCKS: Mapping[str, tuple[int, int]] = {name: (values, size) for name, values, size in TENSOR_TYPES.values()}

_LAYER = re.compile(r"blk\.(\d+)\.")
# Parts of names of tensors that stay as they are: norms, gates, small or delicate ones.
_UNTOUCHED = re.compile(
    r"_norm\.weight|ffn_gate_inp\.weight|ffn_gate_tid2eid\.weight|altup|laurel|per_layer_model_proj|ssm_conv1d"
    r"|shortconv\.conv\.weight|indexer\.[kq]_proj\.weight|time_mix_(?:first|w[012]|v[012]|a[012]|g[12])\.weight"
    r"|time_mix_(?:decay_w[12]|lerp_fused)\.weight|attn_rel_b\.weight|\.position_embd|sam\.pos_embd|sam\.neck\."
    r"|sam\.net_|\.rel_pos|\.patch_embd|\.patch_merger|a\.rvq\.codebook|mm\.a\.code_embd"
    r"|^position_embd\.weight$|^token_types\.weight$"
)
_EMBEDDINGS = frozenset({"token_embd.weight", "per_layer_token_embd.weight"})
_VALUES = ("attn_qkv.weight", "attn_kv_b.weight", "attn_v.weight")

# Rows that are no multiple of 256 cannot hold 256-value blocks: the next type with blocks of 32 is taken.
_FALLBACK = {
    **dict.fromkeys(("IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS", "IQ3_S", "IQ4_XS"), "IQ4_NL"),
    **dict.fromkeys(("Q2_K", "Q3_K"), "Q4_0"),
    "Q4_K": "Q5_0",
    "Q5_K": "Q5_1",
    "Q6_K": "Q8_0",
}
_LOW = frozenset({"IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ2_M"})
_EMBEDDING_TYPES = {
    **dict.fromkeys(("IQ2_XXS", "IQ2_XS", "IQ1_S", "IQ1_M"), "Q2_K"),
    **dict.fromkeys(("IQ2_S", "IQ2_M", "IQ3_XXS"), "IQ3_S"),
}
_SEVENTY_BILLION = frozenset({"qwen2", "deci", "olmo"})  # with 80 layers
_ATTENTION_OUTPUT = {"Q2_K": "Q3_K", "IQ3_XXS": "IQ3_S", "Q3_K_M": "Q4_K", "Q3_K_L": "Q5_K", "IQ3_M": "Q4_K"}
_EIGHT_EXPERTS_OUTPUT = frozenset(
    {"Q2_K", "IQ3_XS", "IQ3_XXS", "Q3_K_S", "Q3_K_M", "IQ4_NL", "Q4_K_S", "Q4_K_M", "IQ3_S", "IQ3_M", "IQ4_XS"}
)


@dataclass(frozen=True, slots=True)
class Kept:
    """Types the user keeps for the output and the embedding tensors, and whether an importance matrix is used."""

    output: str | None = None
    embeddings: str | None = None
    imatrix: bool = False


@dataclass(slots=True)
class _Model:
    """What the rules ask about the model, and the layers counted so far."""

    layers: int
    experts: int
    heads_per_kv: int
    value_tensors: int
    tied: bool
    seventy_billion: bool
    values_seen: int = 0
    downs_seen: int = 0
    gates_seen: int = 0
    ups_seen: int = 0


def tensor_types(header: GgufHeader, quant: Quant, kept: Kept | None = None) -> dict[str, str]:
    """The type of every tensor after quantizing, in the tool's own order (by layer, then by name)."""
    kept = kept or Kept()
    tensors = sorted(header.tensors, key=lambda tensor: (_layer(tensor.name), tensor.name))
    model = _model_of(header, tensors)
    return {tensor.name: _final_type(tensor, quant, kept, model) for tensor in tensors}


def is_quantized_weight(tensor: TensorInfo) -> bool:
    """Whether quantizing changes this tensor at all: matrices named …weight, but for norms, gates and small ones."""
    return len(_dimensions(tensor)) >= 2 and tensor.name.endswith("weight") and not _UNTOUCHED.search(tensor.name)


def stored_bytes(tensor: TensorInfo, type_name: str) -> int:
    """Bytes of the tensor's values in that type."""
    values, size = BLOCKS[type_name]
    return tensor.parameters // values * size


def _layer(name: str) -> int:
    found = _LAYER.match(name)
    return int(found[1]) if found else -1


def _dimensions(tensor: TensorInfo) -> tuple[int, ...]:
    """Without trailing ones: ggml does not count those."""
    shape = tensor.shape
    while len(shape) > 1 and shape[-1] == 1:
        shape = shape[:-1]
    return shape


def _model_of(header: GgufHeader, tensors: Iterable[TensorInfo]) -> _Model:
    names = [tensor.name for tensor in tensors]
    heads, kv_heads = _first(header.head_count), _first(header.head_count_kv)
    return _Model(
        layers=header.block_count,
        experts=header.expert_count,
        heads_per_kv=heads // kv_heads if kv_heads else 0,
        value_tensors=sum(_is_value(name) for name in names),
        tied="output.weight" not in names,
        seventy_billion=header.block_count == 80
        and (
            header.architecture in ("qwen2", "deci", "olmo") or (header.architecture == "llama" and heads != kv_heads)
        ),
    )


def _first(numbers: int | tuple[int, ...]) -> int:
    return numbers if isinstance(numbers, int) else (numbers[0] if numbers else 0)


def _is_value(name: str) -> bool:
    return any(part in name for part in _VALUES)


def _final_type(tensor: TensorInfo, quant: Quant, kept: Kept, model: _Model) -> str:
    if not is_quantized_weight(tensor):
        return tensor.type
    if kept.embeddings and tensor.name in _EMBEDDINGS:
        return kept.embeddings
    if kept.output and tensor.name == "output.weight":
        return kept.output
    if quant.base in FULL_TYPES:
        return quant.base
    return _that_fits(tensor, _wanted_type(tensor, quant, kept, model))


def _that_fits(tensor: TensorInfo, wanted: str) -> str:
    row = tensor.shape[0]
    if row % BLOCKS[wanted][0] == 0:
        return wanted
    fallback = _FALLBACK.get(wanted, wanted)
    return fallback if row % BLOCKS[fallback][0] == 0 else "F16"


def _wanted_type(tensor: TensorInfo, quant: Quant, kept: Kept, model: _Model) -> str:
    name = tensor.name
    if name == "output.weight" or (model.tied and name in _EMBEDDINGS):
        return kept.output or _output_type(tensor, quant)
    if quant.name == "MXFP4_MOE":
        return "MXFP4" if len(_dimensions(tensor)) == 3 else "Q8_0"
    if name in _EMBEDDINGS:
        return _EMBEDDING_TYPES.get(quant.name, quant.base)
    if quant.name in _LOW:
        return _low_type(name, quant, model)
    if _is_value(name):
        return _value_type(quant, kept, model)
    if "attn_k.weight" in name or "attn_q.weight" in name:
        return _key_or_query_type(name, quant, model)
    if "attn_output.weight" in name:
        return _attention_output_type(quant, model)
    if "ffn_down" in name:
        return _down_type(name, quant, kept, model)
    if "ffn_gate" in name or "ffn_up" in name:
        return _gate_or_up_type(name, quant, model)
    return quant.base


def _output_type(tensor: TensorInfo, quant: Quant) -> str:
    if quant.name == "MXFP4_MOE" or tensor.shape[0] % BLOCKS[quant.base][0]:
        return "Q8_0"
    if quant.name in _LOW or quant.name == "IQ3_XXS":
        return "Q5_K"
    return "Q8_0" if quant.base == "Q8_0" else "Q6_K"


def _low_type(name: str, quant: Quant, model: _Model) -> str:
    better = "IQ3_S" if quant.name in ("IQ2_S", "IQ2_M") else "Q2_K"
    if _is_value(name):
        model.values_seen += 1
        return "Q4_K" if model.heads_per_kv >= 4 or model.experts >= 4 else better
    if model.experts == 8 and "attn_k.weight" in name:
        return "Q4_K"
    if "ffn_down" in name:
        model.downs_seen += 1
        return better if model.downs_seen - 1 < model.layers // 8 else quant.base
    if "attn_output.weight" in name:
        if model.experts == 8:
            return "Q5_K"
        if quant.name in ("IQ1_S", "IQ1_M"):
            return "IQ2_XXS"
        return "IQ3_S" if quant.name in ("IQ2_S", "IQ2_M") else quant.base
    return quant.base


def _value_type(quant: Quant, kept: Kept, model: _Model) -> str:
    index = model.values_seen
    model.values_seen += 1
    if model.experts == 8:
        return "Q8_0"
    chosen = _plain_value_type(quant, kept, model, index)
    return "Q5_K" if model.seventy_billion and chosen in ("Q3_K", "Q4_K") else chosen


def _plain_value_type(quant: Quant, kept: Kept, model: _Model, index: int) -> str:
    grouped = model.heads_per_kv >= 4
    match quant.name:
        case "Q2_K":
            return "Q4_K" if grouped else "Q3_K"
        case "Q2_K_S" | "IQ3_XS" | "IQ3_S":
            return "Q4_K" if grouped else quant.base
        case "IQ3_XXS":
            return "Q4_K" if grouped else "IQ3_XXS" if kept.imatrix else "IQ3_S"
        case "IQ3_M":
            return "Q4_K"
        case "Q3_K_M":
            return "Q5_K" if index < 2 else "Q4_K"
        case "Q3_K_L":
            return "Q5_K"
        case "IQ4_NL" | "IQ4_XS":
            return "Q5_K" if grouped else quant.base
        case "Q4_K_M" | "Q5_K_M":
            return "Q6_K" if _more_bits(index, model.value_tensors) else quant.base
        case "Q4_K_S":
            return "Q5_K" if index < 4 else quant.base
    return quant.base


def _key_or_query_type(name: str, quant: Quant, model: _Model) -> str:
    if "attn_k.weight" in name and model.experts == 8:
        return "Q8_0"
    return {"IQ3_XS": "IQ3_XXS", "IQ3_XXS": "IQ2_S"}.get(quant.name, quant.base)


def _attention_output_type(quant: Quant, model: _Model) -> str:
    if model.experts == 8:
        return "Q5_K" if quant.name in _EIGHT_EXPERTS_OUTPUT else quant.base
    return _ATTENTION_OUTPUT.get(quant.name, quant.base)


def _down_type(name: str, quant: Quant, kept: Kept, model: _Model) -> str:
    index = _layer(name) if model.experts > 1 else model.downs_seen
    model.downs_seen += 1
    early = index < model.layers // 8
    match quant.name:
        case "Q2_K":
            return "Q3_K"
        case "Q2_K_S":
            return "Q4_K" if early else quant.base
        case "Q3_K_M":
            return "Q5_K" if index < model.layers // 16 else "Q4_K"
        case "IQ3_XXS" if not kept.imatrix:
            return "Q4_K" if early else "Q3_K"
        case "IQ3_M":
            more = early or (model.experts == 8 and _more_bits(index, model.layers))
            return "Q4_K" if more else quant.base
        case "Q3_K_L":
            return "Q5_K"
        case "Q4_K_M" | "Q5_K_M":
            return "Q6_K" if _more_bits(index, model.layers) else quant.base
        case "IQ4_NL" | "IQ4_XS":
            return "Q5_K" if early and not kept.imatrix else quant.base
        case "Q4_K_S":
            return "Q5_K" if early else quant.base
        case "Q4_0" | "Q5_0":
            return f"{quant.base[:2]}_1" if early and kept.imatrix else quant.base
    return quant.base


def _gate_or_up_type(name: str, quant: Quant, model: _Model) -> str:
    if "ffn_gate" in name:
        index, model.gates_seen = model.gates_seen, model.gates_seen + 1
    else:
        index, model.ups_seen = model.ups_seen, model.ups_seen + 1
    index = _layer(name) if model.experts > 1 else index
    middle = model.layers // 8 <= index < 7 * model.layers // 8
    return "IQ3_XXS" if quant.name == "IQ3_XS" and middle else quant.base


def _more_bits(index: int, count: int) -> bool:
    """The first and last eighth of the layers and every third between them get more bits."""
    return index < count // 8 or index >= 7 * count // 8 or (index - count // 8) % 3 == 2
