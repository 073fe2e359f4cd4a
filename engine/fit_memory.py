"""How many bytes the parts of a loaded model take, and on which device they lie. Pure.

Source of the formulas: llama.cpp src/llama-kv-cache*.cpp and src/llama-memory-recurrent.cpp (caches),
src/llama-model.cpp (which layer is on which device), tools/mtmd/clip.cpp (projector); the constants are from children
that were measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from engine.devices import GpuDevice
from engine.fit_shape import Shape, windowed_layers

if TYPE_CHECKING:
    from models.gguf import GgufHeader

MIB = 1024 * 1024
CONTEXT_STEP = 256  # llama.cpp rounds the context of a slot up to this
UBATCH = 512  # llama-server's default
PROCESS_BYTES = 20 * MIB  # code, thread stacks, HTTP
VOCABULARY_BYTES = 180  # of a token in the tokenizer's tables
GPU_PROCESS_BYTES = 300 * MIB  # what a driver takes of a GPU for a process
GPU_MARGIN_BYTES = 1024 * MIB  # llama-server leaves this free on a GPU when it chooses the layers (--fit-target)
CHECKPOINT_BYTES = 256 * MIB
MOST_CHECKPOINTS = 8
CHECKPOINT_STEP = 8192  # tokens between them (--checkpoint-min-step), besides those at the last turns

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


@dataclass(frozen=True, slots=True)
class DeviceNeed:
    """What one memory would hold, in bytes. `kv_bytes` is KV cache and recurrent state; `other_bytes` prompt cache,
    checkpoints, adapters and the process itself. `free_bytes` counts what other programs use as not free."""

    device: str
    weights_bytes: int = 0
    kv_bytes: int = 0
    compute_bytes: int = 0
    projector_bytes: int = 0
    draft_bytes: int = 0
    other_bytes: int = 0
    free_bytes: int = 0
    size_bytes: int = 0

    @property
    def total_bytes(self) -> int:
        parts = (self.weights_bytes, self.kv_bytes, self.compute_bytes, self.projector_bytes, self.draft_bytes)
        return sum(parts) + self.other_bytes


@dataclass(frozen=True, slots=True)
class Load:
    """Everything that is loaded, as far as its bytes depend on it. `context` is tokens per slot, `batch` tokens."""

    context: int
    slots: int
    type_k: str = "f16"
    type_v: str = "f16"
    batch: int = UBATCH
    cache_ram_bytes: int = 0
    gpu_layers: int | None = None
    cpu_expert_layers: int = 0
    draft: Shape | None = None
    projector_bytes: int = 0
    adapter_bytes: int = 0


def kv_by_layer(shape: Shape, load: Load) -> tuple[int, ...]:
    """KV cache and recurrent state of each layer, of all slots."""
    step = _round_up(load.context)
    windowed = min(step, _round_up(shape.window + load.batch)) if shape.window else step
    full = _pair_bytes(shape.key_length, shape.value_length, load)
    inside = _pair_bytes(
        shape.window_key_length or shape.key_length, shape.window_value_length or shape.value_length, load
    )
    states = shape.recurrent or (False,) * shape.layers
    return tuple(
        int(load.slots * (heads * (inside * windowed if windows else full * step) + 4 * shape.state_values * state))
        for heads, windows, state in zip(shape.kv_heads, windowed_layers(shape), states, strict=True)
    )


def kv_bytes(shape: Shape, context: int, slots: int, type_k: str = "f16", type_v: str = "f16") -> int:
    """Size of the caches of all slots, with llama.cpp's own reduction for layers with a sliding window."""
    return sum(kv_by_layer(shape, Load(context, slots, type_k, type_v)))


def compute_bytes(shape: Shape, context: int, slots: int, ubatch: int = UBATCH) -> int:
    """Scratch memory of one evaluation: activations of a batch, the attention mask, and one row of logits per slot.

    What of llama.cpp's compute buffer is ever touched: the buffer itself is larger, and only counts on a GPU.
    """
    ubatch = min(ubatch, _round_up(context))
    activations = 4 * ubatch * (5 * shape.embedding + 3 * shape.feed_forward)
    mask = 2 * ubatch * _round_up(context) if any(shape.kv_heads) else 0  # float16
    logits = 8 * shape.vocabulary * max(slots, 1)
    return activations + mask + logits


def gpu_compute_bytes(shape: Shape, context: int, slots: int, ubatch: int = UBATCH) -> int:
    """The compute buffer as a GPU has to allocate it: llama.cpp reserves logits for every token of a batch."""
    return compute_bytes(shape, context, slots, ubatch) + 4 * shape.vocabulary * min(ubatch, _round_up(context))


def checkpoints(shape: Shape, context: int, slots: int) -> tuple[int | None, int]:
    """How many context checkpoints a slot may keep, and the bytes of as many as its context comes to, in all slots.

    llama-server keeps up to 32 copies per slot of what a sliding window or a recurrent state forgot; for a large model
    that is gigabytes.
    """
    if shape.kind != "chat" or not (shape.window or any(shape.recurrent)):
        return None, 0
    lengths = shape.window_key_length or shape.key_length, shape.window_value_length or shape.value_length
    windows = sum(heads for heads, inside in zip(shape.kv_heads, windowed_layers(shape), strict=True) if inside)
    one = 2 * windows * sum(lengths) * min(context, shape.window) + 4 * shape.state_values * sum(shape.recurrent)
    count = max(1, min(MOST_CHECKPOINTS, CHECKPOINT_BYTES // max(one * slots, 1)))
    return count, one * slots * min(count, 2 + context // CHECKPOINT_STEP)


def draft_bytes(draft: Shape, load: Load) -> int:
    """A draft model beside its target: weights, a cache as long as the target's in F16, and its scratch memory.

    Source: common_base_params_to_speculative in llama.cpp common/speculative.cpp.
    """
    cache = kv_bytes(draft, load.context, load.slots)
    return draft.weights_bytes + cache + compute_bytes(draft, load.context, load.slots, load.batch)


def projector_bytes(header: GgufHeader) -> int:
    """The picture part: its weights, and the activations of one picture of the size it was made for."""

    def size(key: str, default: int) -> int:
        value = header.metadata.get(f"clip.vision.{key}")
        return value if isinstance(value, int) and 0 < value < 2**20 else default

    width, forward = size("embedding_length", 1024), size("feed_forward_length", 4096)
    patches = (size("image_size", 448) // size("patch_size", 14)) ** 2
    return header.weights_bytes + 4 * patches * (6 * width + 2 * forward)


def process_bytes(shape: Shape) -> int:
    """The child itself: its code and what the tokenizer builds from the vocabulary."""
    return PROCESS_BYTES + VOCABULARY_BYTES * shape.vocabulary


def main_memory_need(shape: Shape, load: Load) -> DeviceNeed:
    """Everything in main memory: a machine without a GPU of its own."""
    return DeviceNeed(
        device="",
        weights_bytes=shape.weights_bytes,
        kv_bytes=sum(kv_by_layer(shape, load)),
        compute_bytes=compute_bytes(shape, load.context, load.slots, load.batch),
        projector_bytes=load.projector_bytes,
        draft_bytes=draft_bytes(load.draft, load) if load.draft is not None else 0,
        other_bytes=_host_bytes(shape, load),
    )


def device_needs(shape: Shape, load: Load, gpus: Sequence[GpuDevice]) -> tuple[DeviceNeed, ...]:
    """What each memory would hold, main memory first. `load.gpu_layers` None: as many layers as llama-server takes.

    The last layers go to the GPUs, with the output layer as one more; several GPUs share them as their free memory is
    to each other. The token embedding and the experts of the first `cpu_expert_layers` layers stay in main memory.
    """
    whole = main_memory_need(shape, load)
    if not gpus or not shape.layer_bytes:
        return (whole,)
    layers = gpu_layers(shape, load, gpus) if load.gpu_layers is None else min(load.gpu_layers, shape.layers + 1)
    if layers == 0:
        return (whole, *(_empty(gpu) for gpu in gpus))
    on_gpu = _layer_needs(shape, load)[shape.layers + 1 - layers :]
    weights, caches = sum(need[0] for need in on_gpu), sum(need[1] for need in on_gpu)
    compute = gpu_compute_bytes(shape, load.context, load.slots, load.batch)
    main = replace(
        whole,
        weights_bytes=max(shape.input_bytes, shape.weights_bytes - weights + _twice(shape, layers)),
        kv_bytes=whole.kv_bytes - caches,
        compute_bytes=whole.compute_bytes if layers <= shape.layers else whole.compute_bytes // 4,
        projector_bytes=0,
        draft_bytes=0,
    )
    free = sum(gpu.free_bytes for gpu in gpus) or 1
    shares = [gpu.free_bytes / free for gpu in gpus]
    beside = (whole.projector_bytes, whole.draft_bytes)  # both go to the first GPU
    return (
        main,
        *(
            replace(
                _empty(gpu),
                weights_bytes=round(weights * share),
                kv_bytes=round(caches * share),
                compute_bytes=compute,
                projector_bytes=beside[0] if number == 0 else 0,
                draft_bytes=beside[1] if number == 0 else 0,
                other_bytes=GPU_PROCESS_BYTES,
            )
            for number, (gpu, share) in enumerate(zip(gpus, shares, strict=True))
        ),
    )


def gpu_layers(shape: Shape, load: Load, gpus: Sequence[GpuDevice]) -> int:
    """As many of the last layers, the output layer counted, as the GPUs hold with the margin llama-server leaves."""
    compute = gpu_compute_bytes(shape, load.context, load.slots, load.batch)
    room = sum(gpu.free_bytes - GPU_MARGIN_BYTES - GPU_PROCESS_BYTES - compute for gpu in gpus)
    room -= load.projector_bytes + (draft_bytes(load.draft, load) if load.draft is not None else 0)
    count = 0
    for weights, cache in reversed(_layer_needs(shape, load)):
        room -= weights + cache
        if room < 0:
            break
        count += 1
    return count


def _layer_needs(shape: Shape, load: Load) -> list[tuple[int, int]]:
    """(weights, caches) of each layer on a GPU, and of the output layer last."""
    experts = shape.expert_bytes or (0,) * shape.layers
    held_back = [count if layer < load.cpu_expert_layers else 0 for layer, count in enumerate(experts)]
    weights = (whole - kept for whole, kept in zip(shape.layer_bytes, held_back, strict=True))
    output = shape.output_bytes + (shape.input_bytes if shape.tied else 0)
    return [*zip(weights, kv_by_layer(shape, load), strict=True), (output, 0)]


def _twice(shape: Shape, layers: int) -> int:
    """A tied output layer is on the GPU a second time; the token embedding stays where it is."""
    return shape.input_bytes if shape.tied and layers else 0


def _host_bytes(shape: Shape, load: Load) -> int:
    _, checkpoint_bytes = checkpoints(shape, load.context, load.slots)
    return checkpoint_bytes + load.cache_ram_bytes + load.adapter_bytes + process_bytes(shape)


def _empty(gpu: GpuDevice) -> DeviceNeed:
    return DeviceNeed(gpu.device_id, free_bytes=gpu.free_bytes, size_bytes=gpu.total_bytes)


def _pair_bytes(key_length: int, value_length: int, load: Load) -> float:
    return key_length * TYPE_BYTES[load.type_k] + value_length * TYPE_BYTES[load.type_v]


def _round_up(tokens: int) -> int:
    return max(CONTEXT_STEP, -(-tokens // CONTEXT_STEP) * CONTEXT_STEP)
