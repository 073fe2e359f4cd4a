"""What fits where: the plan that uses the memory that is free well, and the facade over the other fit_*.py. Pure.

The estimate is meant to be a little too high: a refusal that names numbers is better than a machine that swaps.
Source of the formulas: see fit_memory.py and fit_shape.py.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.fit_memory import (
    CONTEXT_STEP,
    MIB,
    TYPE_BYTES,
    UBATCH,
    Load,
    checkpoints,
    compute_bytes,
    kv_bytes,
    main_memory_need,
)
from engine.fit_shape import Shape, shape_of
from engine.types import LoadPlan

__all__ = [
    "MIB",
    "TYPE_BYTES",
    "UBATCH",
    "Shape",
    "Wishes",
    "comfortable_context",
    "compute_bytes",
    "kv_bytes",
    "load_of",
    "plan_for",
    "prompt_batch",
    "shape_of",
]

DEFAULT_CONTEXT = 32_768  # the largest we take unasked: more is rarely used and always paid for
COMFORTABLE_CONTEXT = 8_192  # worth unloading an idle model for
LEAST_CONTEXT = 2_048
TEXT_CONTEXT = 8_192  # embedding and rerank: compute memory grows with the longest input
# llama-server looks for a client that left only between two batches of a prompt. On processors a batch is therefore
# kept to what well under a second reads: 32 GFLOP/s is little for a core in Q4_K (one of Zen 5 was seen to do 140).
FLOPS_PER_PROCESSOR = 32e9
LEAST_BATCH = 32  # below that each batch reads all weights for too few tokens
SLOTS = (4, 2, 1)
SLOT_SHARE = 4  # "small": the KV cache of all slots takes at most 1/4 of what the weights leave free
CACHE_RAM_MIB = 512  # llama-server's own default, 8 GiB, is more than many laptops have free


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the user chose; None leaves the choice to the fit. `context` is tokens per slot, `prompt_batch` tokens.

    `draft`, `projector_bytes` and `adapter_bytes` are what is loaded beside the model; `cpu_expert_layers` is how many
    layers keep their experts in main memory.
    """

    context: int | None = None
    prompt_batch: int | None = None
    slots: int | None = None
    cache_type_k: str | None = None
    cache_type_v: str | None = None
    gpu_layers: int | None = None
    cache_ram_mib: int | None = None
    cpu_expert_layers: int | None = None
    draft: Shape | None = None
    projector_bytes: int = 0
    adapter_bytes: int = 0


def prompt_batch(shape: Shape, processors: int) -> int | None:
    """How many tokens of a prompt one batch may take on `processors` and no GPU; None for llama.cpp's own choice.

    A token costs two operations per parameter. Small batches also let other slots write between them.
    """
    if shape.kind != "chat" or not shape.parameters:
        return None
    tokens = int(FLOPS_PER_PROCESSOR * processors / (2 * shape.parameters))
    return max(LEAST_BATCH, tokens // LEAST_BATCH * LEAST_BATCH) if tokens < UBATCH else None


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


def load_of(shape: Shape, wishes: Wishes, context: int, slots: int, cache_ram_mib: int = 0) -> Load:
    """What is loaded for these wishes, context and slots: the ground of every estimate."""
    # an input for embedding must pass in one physical batch
    batch = wishes.prompt_batch if shape.kind == "chat" else context
    return Load(
        context=context,
        slots=slots,
        type_k=wishes.cache_type_k or "f16",
        type_v=wishes.cache_type_v or "f16",
        batch=batch or UBATCH,
        cache_ram_bytes=cache_ram_mib * MIB,
        gpu_layers=wishes.gpu_layers,
        cpu_expert_layers=wishes.cpu_expert_layers or 0,
        draft=wishes.draft,
        projector_bytes=wishes.projector_bytes,
        adapter_bytes=wishes.adapter_bytes,
    )


def _plan(shape: Shape, wishes: Wishes, context: int, slots: int, cache_ram_mib: int | None = None) -> LoadPlan:
    cache_mib = (wishes.cache_ram_mib or 0) if cache_ram_mib is None else cache_ram_mib
    load = load_of(shape, wishes, context, slots, cache_mib)
    need = main_memory_need(shape, load)
    return LoadPlan(
        context=context,
        slots=slots,
        cache_type_k=wishes.cache_type_k,
        cache_type_v=wishes.cache_type_v,
        gpu_layers=wishes.gpu_layers,
        cpu_expert_layers=wishes.cpu_expert_layers,
        batch=wishes.prompt_batch if shape.kind == "chat" else context,
        pooling=shape.pooling if shape.kind == "embedding" else None,
        cache_ram_mib=cache_mib,
        checkpoints=checkpoints(shape, context, slots)[0],
        weights_bytes=shape.weights_bytes,
        kv_bytes=need.kv_bytes,
        needed_bytes=need.total_bytes,
    )


def _round_up(tokens: int) -> int:
    return max(CONTEXT_STEP, -(-tokens // CONTEXT_STEP) * CONTEXT_STEP)
