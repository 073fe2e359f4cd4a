"""What fits where: how much memory a model needs when loaded, and the plan that uses what is free well. Pure.

The estimate is meant to be a little too high: a refusal that names numbers is better than a machine that swaps.
Source of the formulas: llama.cpp src/llama-kv-cache*.cpp (cache size), src/llama-context.cpp (rounding to 256 tokens).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.types import Kind, LoadPlan

if TYPE_CHECKING:
    from models.gguf import GgufHeader

MIB = 1024 * 1024
CONTEXT_STEP = 256  # llama.cpp rounds the context of a slot up to this
DEFAULT_CONTEXT = 32_768  # the largest we take unasked: more is rarely used and always paid for
COMFORTABLE_CONTEXT = 8_192  # worth unloading an idle model for
LEAST_CONTEXT = 2_048
TEXT_CONTEXT = 8_192  # embedding and rerank: compute memory grows with the longest input
UBATCH = 512  # llama-server's default
# llama-server looks for a client that left only between two batches of a prompt. On processors a batch is therefore
# kept to what well under a second reads: 32 GFLOP/s is little for a core in Q4_K (one of Zen 5 was seen to do 140).
FLOPS_PER_PROCESSOR = 32e9
LEAST_BATCH = 32  # below that each batch reads all weights for too few tokens
SLOTS = (4, 2, 1)
SLOT_SHARE = 4  # "small": the KV cache of all slots takes at most 1/4 of what the weights leave free
CACHE_RAM_MIB = 512  # llama-server's own default, 8 GiB, is more than many laptops have free
CHECKPOINT_BYTES = 256 * MIB
PROCESS_BYTES = 80 * MIB  # code, thread stacks, tokenizer tables

# Bytes per element of a KV cache type: block bytes / block elements (ggml/src/ggml-common.h).
TYPE_BYTES = {
    "f32": 4.0,
    "f16": 2.0,
    "bf16": 2.0,
    "q8_0": 34 / 32,
    "q5_1": 24 / 32,
    "q5_0": 22 / 32,
    "q4_1": 20 / 32,
    "q4_0": 18 / 32,
    "iq4_nl": 18 / 32,
}

# Every n-th layer sees everything, the others only the sliding window (load_swa_pattern in llama.cpp src/models/*.cpp).
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
    "smallthinker": 4,
    "afmoe": 4,
}


@dataclass(frozen=True, slots=True)
class Shape:
    """What the estimate needs to know of a model. `kv_heads` has one entry per layer (0: a layer without KV cache).

    Lengths are elements per head; `window` is the sliding window in tokens, 0 for none; `pooling` is llama.cpp's name.
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


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the user chose; None leaves the choice to the fit. `context` is tokens per slot, `prompt_batch` tokens."""

    context: int | None = None
    prompt_batch: int | None = None
    slots: int | None = None
    cache_type_k: str | None = None
    cache_type_v: str | None = None
    gpu_layers: int | None = None
    cache_ram_mib: int | None = None


_POOLING = {0: "none", 1: "mean", 2: "cls", 3: "last", 4: "rank"}  # enum llama_pooling_type, include/llama.h


def shape_of(header: GgufHeader) -> Shape:
    """Take from a checked header what the estimate needs."""
    layers = header.block_count
    kv_heads = header.head_count_kv
    return Shape(
        kind=header.kind,
        architecture=header.architecture,
        weights_bytes=header.weights_bytes,
        trained_context=header.context_length,
        embedding=header.embedding_length,
        feed_forward=header.feed_forward_length,
        vocabulary=header.vocab_size,
        kv_heads=tuple(kv_heads) if isinstance(kv_heads, tuple) else (kv_heads,) * layers,
        key_length=header.key_length,
        value_length=header.value_length,
        window=header.sliding_window or 0,
        pooling=_POOLING.get(header.pooling_type) if header.pooling_type is not None else None,
        parameters=header.parameter_count,
    )


def prompt_batch(shape: Shape, processors: int) -> int | None:
    """How many tokens of a prompt one batch may take on `processors` and no GPU; None for llama.cpp's own choice.

    A token costs two operations per parameter. Small batches also let other slots write between them.
    """
    if shape.kind != "chat" or not shape.parameters:
        return None
    tokens = int(FLOPS_PER_PROCESSOR * processors / (2 * shape.parameters))
    return max(LEAST_BATCH, tokens // LEAST_BATCH * LEAST_BATCH) if tokens < UBATCH else None


def kv_bytes(shape: Shape, context: int, slots: int, type_k: str = "f16", type_v: str = "f16") -> int:
    """Size of the KV cache of all slots, with llama.cpp's own reduction for layers with a sliding window."""
    per_head = shape.key_length * TYPE_BYTES[type_k] + shape.value_length * TYPE_BYTES[type_v]
    windowed = _round_up(min(context, shape.window + UBATCH)) if shape.window else context
    cells = sum(
        heads * (windowed if windows else context)
        for heads, windows in zip(shape.kv_heads, _windowed(shape), strict=True)
    )
    return int(slots * cells * per_head)


def compute_bytes(shape: Shape, context: int, slots: int, ubatch: int = UBATCH) -> int:
    """Scratch memory of one evaluation: activations of a batch, the attention mask, and one row of logits per slot."""
    activations = 4 * ubatch * (6 * shape.embedding + 3 * shape.feed_forward)
    mask = 6 * ubatch * _round_up(context)  # float32 as input, float16 for flash attention
    logits = 8 * shape.vocabulary * max(slots, 1)
    return activations + mask + logits


def plan_for(shape: Shape, wishes: Wishes, free_bytes: int) -> LoadPlan:
    """The plan for a model when `free_bytes` may be used: context first, then slots, then the prompt cache.

    The longest context that fits, up to the wish or DEFAULT_CONTEXT and never beyond what the model was trained for;
    then as many slots as stay small. When nothing fits, the plan is the smallest one, and its needed_bytes say so.
    """
    context = _largest_context(shape, wishes, free_bytes)
    slots = wishes.slots or _slots(shape, wishes, context, free_bytes)
    plan = _plan(shape, wishes, context, slots)
    if wishes.cache_ram_mib is None and shape.kind == "chat":
        spare_bytes = max(0, free_bytes - plan.needed_bytes) // 8
        cache_mib = min(CACHE_RAM_MIB, spare_bytes // MIB, 2 * plan.kv_bytes // MIB)
        plan = _plan(shape, wishes, context, slots, cache_ram_mib=cache_mib)
    return plan


def comfortable_context(shape: Shape, wishes: Wishes) -> int:
    """The context below which it is worth unloading an idle model to get more."""
    return min(_wanted(shape, wishes), wishes.context or COMFORTABLE_CONTEXT)


def _wanted(shape: Shape, wishes: Wishes) -> int:
    limit = wishes.context or (DEFAULT_CONTEXT if shape.kind == "chat" else TEXT_CONTEXT)
    return _round_up(min(limit, shape.trained_context or limit))


def _largest_context(shape: Shape, wishes: Wishes, free_bytes: int) -> int:
    """A binary search over multiples of CONTEXT_STEP: the need grows with the context, not always evenly."""
    most = _wanted(shape, wishes) // CONTEXT_STEP
    least = most if wishes.context else min(most, LEAST_CONTEXT // CONTEXT_STEP)
    slots = wishes.slots or 1
    while least < most:
        middle = (least + most + 1) // 2
        if _plan(shape, wishes, middle * CONTEXT_STEP, slots).needed_bytes <= free_bytes:
            least = middle
        else:
            most = middle - 1
    return least * CONTEXT_STEP


def _slots(shape: Shape, wishes: Wishes, context: int, free_bytes: int) -> int:
    left = free_bytes - shape.weights_bytes
    for slots in SLOTS:
        plan = _plan(shape, wishes, context, slots)
        if plan.kv_bytes * SLOT_SHARE <= left and plan.needed_bytes <= free_bytes:
            return slots
    return 1


def _plan(shape: Shape, wishes: Wishes, context: int, slots: int, cache_ram_mib: int | None = None) -> LoadPlan:
    type_k, type_v = wishes.cache_type_k or "f16", wishes.cache_type_v or "f16"
    cache_mib = (wishes.cache_ram_mib or 0) if cache_ram_mib is None else cache_ram_mib
    # an input for embedding must pass in one physical batch
    batch = wishes.prompt_batch if shape.kind == "chat" else context
    kv = kv_bytes(shape, context, slots, type_k, type_v)
    checkpoints, checkpoint_bytes = _checkpoints(shape, context, slots)
    compute = compute_bytes(shape, context, slots, batch or UBATCH)
    return LoadPlan(
        context=context,
        slots=slots,
        cache_type_k=wishes.cache_type_k,
        cache_type_v=wishes.cache_type_v,
        gpu_layers=wishes.gpu_layers,
        batch=batch,
        pooling=shape.pooling if shape.kind == "embedding" else None,
        cache_ram_mib=cache_mib,
        checkpoints=checkpoints,
        weights_bytes=shape.weights_bytes,
        kv_bytes=kv,
        needed_bytes=shape.weights_bytes + kv + compute + checkpoint_bytes + cache_mib * MIB + PROCESS_BYTES,
    )


def _checkpoints(shape: Shape, context: int, slots: int) -> tuple[int | None, int]:
    """How many context checkpoints a slot may keep, and their bytes in all.

    llama-server keeps up to 32 copies per slot of what a sliding window forgot; for a large model that is gigabytes.
    """
    if not shape.window or shape.kind != "chat":
        return None, 0
    windows = sum(heads for heads, windowed in zip(shape.kv_heads, _windowed(shape), strict=True) if windowed)
    one = 2 * windows * (shape.key_length + shape.value_length) * min(context, shape.window)
    count = max(1, min(8, CHECKPOINT_BYTES // max(one * slots, 1)))
    return count, one * slots * count


def _windowed(shape: Shape) -> Iterable[bool]:
    """For each layer whether it sees only the sliding window; an unknown pattern counts as none does."""
    period = WINDOW_PERIOD.get(shape.architecture, 1) if shape.window else 1
    return ((layer % period) < period - 1 for layer in range(len(shape.kv_heads)))


def _round_up(tokens: int) -> int:
    return max(CONTEXT_STEP, -(-tokens // CONTEXT_STEP) * CONTEXT_STEP)
