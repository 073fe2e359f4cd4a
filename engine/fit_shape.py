"""What the estimate needs to know of a model: its sizes, which layers keep what, and where its bytes are.

Read from a checked header alone, so it is the same for a file on this disk and for the header of one on the Hub.
Source of the layer patterns: load_arch_hparams in llama.cpp src/models/*.cpp, src/llama-hparams.cpp.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from engine.types import Kind

if TYPE_CHECKING:
    from models.gguf import GgufHeader

# Every n-th layer sees everything, the others only the sliding window (load_swa_pattern in llama.cpp src/models/*.cpp),
# unless the file brings a pattern of its own.
WINDOW_PERIOD = {
    "gemma2": 2,
    "gemma3": 6,
    "gemma3n": 5,
    "gemma-embedding": 6,
    "gpt-oss": 2,
    "cohere2": 4,
    "llama4": 4,
    "olmo2": 4,
    "exaone4": 4,
    "exaone-moe": 4,
    "smallthinker": 4,
    "afmoe": 4,
}
# Here the first layer of a period sees everything, not the last.
DENSE_FIRST_PERIOD = {"cohere2moe": 4, "laguna": 4}
# Architectures whose pattern stands in the file alone.
PATTERN_IN_FILE = ("gemma4", "mimo2", "step35", "granite-swa", "plamo3")

# Without any KV cache: the state of a layer has one size for every context.
RECURRENT = ("mamba", "mamba2", "rwkv6", "rwkv6qwen2", "rwkv7", "arwkv7")
# Layers are recurrent except every n-th ({arch}.full_attention_interval, 4 by default).
INTERVAL_HYBRIDS = ("qwen3next", "qwen35", "qwen35moe", "qwen4exp", "minimax-01")
# A layer is recurrent when it has no KV heads.
HEADLESS_HYBRIDS = (
    "jamba",
    "granitehybrid",
    "lfm2",
    "lfm2moe",
    "kimi-linear",
    "nemotron_h",
    "nemotron_h_moe",
    "plamo2",
    "bailingmoe3",
)
BOTH_HYBRIDS = ("falcon-h1",)  # each layer has attention and a state

# Of these the feed-forward of a layer is a mixture; llama-server keeps just these in main memory with --n-cpu-moe.
# Source: LLM_FFN_EXPS_REGEX in llama.cpp common/common.h.
_EXPERTS = re.compile(r"\.ffn_(up|down|gate|gate_up)_(ch|)exps")
_LAYER = re.compile(r"blk\.(\d{1,5})\.")
_POOLING = {0: "none", 1: "mean", 2: "cls", 3: "last", 4: "rank"}  # enum llama_pooling_type, include/llama.h


@dataclass(frozen=True, slots=True)
class Shape:
    """What the estimate needs to know of a model. `kv_heads` has one entry per layer (0: a layer without KV cache).

    Lengths are elements per head; `window` is the sliding window in tokens, 0 for none; `pooling` is llama.cpp's name.
    `windowed` and `recurrent` are one flag per layer, () for "by the architecture" and "none". `state_values` is the
    recurrent state of one layer and slot in float32 values. `layer_bytes` and `expert_bytes` are weights per layer (the
    first include the second), () when only the sum is known; `input_bytes` is the token embedding, `output_bytes` the
    rest outside of layers; `tied` means that the output layer is the token embedding.
    """

    kind: Kind
    architecture: str
    weights_bytes: int
    trained_context: int
    embedding: int
    feed_forward: int
    vocabulary: int
    kv_heads: tuple[int, ...]
    key_length: int
    value_length: int
    window: int = 0
    pooling: str | None = None
    parameters: int = 0
    windowed: tuple[bool, ...] = ()
    window_key_length: int = 0
    window_value_length: int = 0
    recurrent: tuple[bool, ...] = ()
    state_values: int = 0
    layer_bytes: tuple[int, ...] = ()
    expert_bytes: tuple[int, ...] = ()
    input_bytes: int = 0
    output_bytes: int = 0
    tied: bool = False
    heads: int = 0
    experts: int = 0
    experts_used: int = 0
    quant: str = ""

    @property
    def layers(self) -> int:
        return len(self.kv_heads)

    @property
    def expert_total_bytes(self) -> int:
        return sum(self.expert_bytes)

    @property
    def active_share(self) -> float:
        """How much of the experts' weights one token uses, 0..1; 1 for a dense model."""
        return min(1.0, self.experts_used / self.experts) if self.experts and self.experts_used else 1.0


def in_other_quantization(shape: Shape, quant: str, weights_bytes: int) -> Shape:
    """The same model in a file of another size, of which nothing but that is known: what a layer has scales with it."""
    scale = weights_bytes / max(1, shape.weights_bytes)
    return replace(
        shape,
        quant=quant,
        weights_bytes=weights_bytes,
        layer_bytes=tuple(round(size * scale) for size in shape.layer_bytes),
        expert_bytes=tuple(round(size * scale) for size in shape.expert_bytes),
        input_bytes=round(shape.input_bytes * scale),
        output_bytes=round(shape.output_bytes * scale),
    )


def shape_of(header: GgufHeader) -> Shape:
    """Take from a checked header what the estimate needs."""
    layers = _layers(header)
    layer_bytes, expert_bytes = _bytes_by_layer(header, layers)
    input_bytes = sum(tensor.bytes for tensor in header.tensors if tensor.name == "token_embd.weight")
    recurrent = _recurrent(header, layers)
    return Shape(
        kind=header.kind,
        architecture=header.architecture,
        weights_bytes=header.weights_bytes,
        trained_context=header.context_length,
        embedding=header.embedding_length,
        feed_forward=_feed_forward(header),
        vocabulary=header.vocab_size,
        kv_heads=_kv_heads(header, layers, recurrent),
        key_length=header.key_length,
        value_length=0 if _number(header, "attention.key_length_mla") else header.value_length,  # MLA caches K alone
        window=header.sliding_window or 0,
        pooling=_POOLING.get(header.pooling_type) if header.pooling_type is not None else None,
        parameters=header.parameter_count,
        windowed=_windowed(header, layers),
        window_key_length=_number(header, "attention.key_length_swa"),
        window_value_length=_number(header, "attention.value_length_swa"),
        recurrent=recurrent,
        state_values=_state_values(header) if any(recurrent) else 0,
        layer_bytes=layer_bytes,
        expert_bytes=expert_bytes,
        input_bytes=input_bytes,
        output_bytes=max(0, header.weights_bytes - sum(layer_bytes) - input_bytes),
        tied=not any(tensor.name == "output.weight" for tensor in header.tensors),
        heads=_largest(header.head_count),
        experts=header.expert_count,
        experts_used=_number(header, "expert_used_count"),
        quant=header.quant,
    )


def windowed_layers(shape: Shape) -> tuple[bool, ...]:
    """For each layer whether it sees only the sliding window; an unknown pattern counts as none does."""
    if not shape.window:
        return (False,) * shape.layers
    if shape.windowed:
        return shape.windowed
    if period := DENSE_FIRST_PERIOD.get(shape.architecture):
        return tuple(layer % period != 0 for layer in range(shape.layers))
    period = WINDOW_PERIOD.get(shape.architecture, 1)
    return tuple((layer % period) < period - 1 for layer in range(shape.layers))


def _layers(header: GgufHeader) -> int:
    """Layers that are run for each token; those for predicting several tokens at once are not (n_layer_nextn)."""
    return max(1, header.block_count - _number(header, "nextn_predict_layers")) if header.block_count else 0


def _feed_forward(header: GgufHeader) -> int:
    """Width of the feed-forward of a token: of a mixture that of the experts used, together.

    A Mamba layer takes the place of both: what is alive in it at once is as much as three times twice its inner width.
    """
    if inner := _number(header, "ssm.inner_size"):
        return max(header.feed_forward_length, 2 * inner)
    used, width = _number(header, "expert_used_count"), _number(header, "expert_feed_forward_length")
    if not header.expert_count or not used:
        return header.feed_forward_length
    shared = _number(header, "expert_shared_feed_forward_length")
    return used * (width or header.feed_forward_length) + shared


def _kv_heads(header: GgufHeader, layers: int, recurrent: tuple[bool, ...]) -> tuple[int, ...]:
    heads = header.head_count_kv
    each = (heads[:layers] if isinstance(heads, tuple) else (heads,) * layers) + (0,) * layers
    if header.architecture in RECURRENT:
        each = (0,) * layers
    elif recurrent and header.architecture not in BOTH_HYBRIDS:
        each = tuple(0 if state else count for count, state in zip(each, recurrent, strict=False))
    return tuple(count if layer < _first_shared(header, layers) else 0 for layer, count in enumerate(each[:layers]))


def _first_shared(header: GgufHeader, layers: int) -> int:
    """The layer from which on layers use the KV cache of an earlier one (n_layer_kv_from_start)."""
    if header.architecture == "gemma3n":
        return 20
    return layers - _number(header, "attention.shared_kv_layers") if header.architecture == "gemma4" else layers


def _windowed(header: GgufHeader, layers: int) -> tuple[bool, ...]:
    """The file's own pattern, as flags per layer or as a period; () when it has none that llama.cpp would use."""
    known = {*WINDOW_PERIOD, *DENSE_FIRST_PERIOD, *PATTERN_IN_FILE}
    pattern = header.metadata.get(f"{header.architecture}.attention.sliding_window_pattern")
    if header.architecture not in known or not header.sliding_window or pattern is None:
        return ()
    if isinstance(pattern, int) and not isinstance(pattern, bool):
        first = header.architecture in DENSE_FIRST_PERIOD
        return tuple(
            pattern == 0 or (layer % pattern != 0 if first else layer % pattern < pattern - 1)
            for layer in range(layers)
        )
    values = getattr(pattern, "values", None) or ()
    return tuple(bool(value) for value in values[:layers]) if len(values) >= layers else ()


def _recurrent(header: GgufHeader, layers: int) -> tuple[bool, ...]:
    """One flag per layer, () when the model has no recurrent layer."""
    name = header.architecture
    if name in RECURRENT or name in BOTH_HYBRIDS:
        return (True,) * layers
    if name in INTERVAL_HYBRIDS:
        listed = getattr(header.metadata.get(f"{name}.attention.recurrent_layers"), "values", None) or ()
        if len(listed) >= layers:
            return tuple(bool(value) for value in listed[:layers])
        interval = _number(header, "full_attention_interval") or 4
        return tuple((layer + 1) % interval != 0 for layer in range(layers))
    if name in HEADLESS_HYBRIDS:
        heads = header.metadata.get(f"{name}.attention.head_count_kv")
        each = getattr(heads, "values", None) or ()
        forward = getattr(header.metadata.get(f"{name}.feed_forward_length"), "values", None) or ()
        # Nemotron-H has layers that are a feed-forward and nothing else
        return tuple(
            count == 0 and not (name.startswith("nemotron_h") and layer < len(forward) and forward[layer])
            for layer, count in enumerate(each[:layers])
        )
    return ()


def _state_values(header: GgufHeader) -> int:
    """float32 values a layer keeps for one slot: n_embd_r + n_embd_s in llama.cpp src/llama-hparams.cpp."""
    width, heads = header.embedding_length, _largest(header.head_count)
    if head := _number(header, "wkv.head_size"):
        shifts = _number(header, "token_shift_count") or (1 if "qwen" in header.architecture else 2)
        return width * (shifts + head)
    if cache := _number(header, "shortconv.l_cache"):
        return width * (cache - 1)
    kernel = _number(header, "ssm.conv_kernel")
    if head := _number(header, "kda.head_dim"):
        return 3 * ((kernel or 4) - 1) * heads * head + head * head * heads
    inner, state = _number(header, "ssm.inner_size"), _number(header, "ssm.state_size")
    return max(0, kernel - 1) * (inner + 2 * _number(header, "ssm.group_count") * state) + state * inner


def _bytes_by_layer(header: GgufHeader, layers: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    whole, experts = [0] * layers, [0] * layers
    for tensor in header.tensors:
        found = _LAYER.match(tensor.name)
        if found and (layer := int(found[1])) < layers:
            whole[layer] += tensor.bytes
            experts[layer] += tensor.bytes if _EXPERTS.search(tensor.name) else 0
    return tuple(whole), tuple(experts) if any(experts) else ()


def _number(header: GgufHeader, key: str) -> int:
    value = header.metadata.get(f"{header.architecture}.{key}")
    if values := getattr(value, "values", None):
        value = max(values)
    return int(value) if isinstance(value, int) and 0 <= value < 2**31 else 0


def _largest(heads: int | tuple[int, ...]) -> int:
    return heads if isinstance(heads, int) else max(heads, default=0)
