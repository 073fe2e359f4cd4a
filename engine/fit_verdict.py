"""Whether a model fits, where, how long its context may be and how fast it will be: the answer people see. Pure.

One function for installed models and for headers read from the Hub: it takes a shape, the options and the machine as it
is now, and is quick enough to be asked with every move of a slider.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from engine.endings import size_text
from engine.fit import LEAST_CONTEXT, Wishes, load_of, plan_for, prompt_batch
from engine.fit_memory import CONTEXT_STEP, MIB, DeviceNeed, Load, device_needs, gpu_layers
from engine.fit_shape import Shape
from engine.fit_speed import Source, SpeedsSeen, expected_speed
from engine.machine import Machine
from engine.model_options import ModelOptions
from engine.types import LoadPlan

Verdict = Literal["fits", "tight", "too_large"]

TIGHT_SHARE = 0.88  # of what is free: above it other programs begin to feel it
SMALL_CONTEXT = 4_096  # a context that is smaller, where the model could have more, is a reason to say "tight"
MAIN_MEMORY = "memory"


@dataclass(frozen=True, slots=True)
class Companions:
    """What would be loaded beside the model. Bytes are 0 and `draft` None for nothing."""

    draft: Shape | None = None
    projector_bytes: int = 0
    adapter_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Fit:
    """The answer for one set of options. Contexts are tokens per slot; `devices` has main memory first.

    `largest_context` is with these options and what is free now, 0 when nothing fits. Speeds are None until this
    machine was measured; `speed_source` says how they are known.
    """

    verdict: Verdict
    sentence: str
    needed_bytes: int
    free_bytes: int
    memory_bytes: int
    devices: tuple[DeviceNeed, ...]
    context: int
    slots: int
    cache_type_k: str
    cache_type_v: str
    gpu_layers: int | None
    largest_context: int
    trained_context: int
    tokens_per_s: float | None = None
    prompt_tokens_per_s: float | None = None
    speed_source: Source = ""


def wishes_of(options: ModelOptions, companions: Companions, base: Wishes | None = None) -> Wishes:
    """The options over the wishes that hold for every model."""
    wishes = base or Wishes()
    return replace(
        wishes,
        context=options.context or wishes.context,
        slots=options.slots or wishes.slots,
        cache_type_k=options.cache_type_k or wishes.cache_type_k,
        cache_type_v=options.cache_type_v or wishes.cache_type_v,
        gpu_layers=wishes.gpu_layers if options.gpu_layers is None else options.gpu_layers,
        cpu_expert_layers=options.cpu_expert_layers,
        draft=companions.draft,
        projector_bytes=companions.projector_bytes,
        adapter_bytes=companions.adapter_bytes,
    )


def fit(shape: Shape, wishes: Wishes, machine: Machine, seen: SpeedsSeen | None = None, model_id: str = "") -> Fit:
    """Judge a model for this machine as it is now.

    Without a wished context the one that the service would choose. Works from `Shape` alone: a header is enough.
    """
    if not machine.gpus:
        wishes = replace(wishes, prompt_batch=wishes.prompt_batch or prompt_batch(shape, machine.processors))
    plan = plan_for(shape, wishes, machine.free_bytes)
    load = load_of(shape, wishes, plan.context, plan.slots, plan.cache_ram_mib)
    devices = _with_room(device_needs(shape, load, machine.gpus), machine)
    needed = sum(device.total_bytes for device in devices)
    largest = largest_context(shape, wishes, machine)
    verdict, sentence = _judge(shape, plan, devices, largest, machine)
    speed = expected_speed(shape, load, machine.speed, seen or SpeedsSeen(), model_id)
    return Fit(
        verdict=verdict,
        sentence=sentence,
        needed_bytes=needed,
        free_bytes=sum(device.free_bytes for device in devices),
        memory_bytes=machine.total_bytes,
        devices=devices,
        context=plan.context,
        slots=plan.slots,
        cache_type_k=plan.cache_type_k or "f16",
        cache_type_v=plan.cache_type_v or "f16",
        gpu_layers=_gpu_layers(shape, load, machine),
        largest_context=largest,
        trained_context=shape.trained_context,
        tokens_per_s=speed.tokens_per_s,
        prompt_tokens_per_s=speed.prompt_tokens_per_s,
        speed_source=speed.source,
    )


def largest_context(shape: Shape, wishes: Wishes, machine: Machine) -> int:
    """The longest context per slot that fits now with these wishes, up to the trained one; 0 when none does."""
    most = max(CONTEXT_STEP, shape.trained_context or 131_072) // CONTEXT_STEP
    least = 0
    while least < most:
        middle = (least + most + 1) // 2
        load = load_of(shape, wishes, middle * CONTEXT_STEP, wishes.slots or 1, wishes.cache_ram_mib or 0)
        if _fits(device_needs(shape, load, machine.gpus), machine):
            least = middle
        else:
            most = middle - 1
    return least * CONTEXT_STEP


def _fits(devices: tuple[DeviceNeed, ...], machine: Machine) -> bool:
    return all(device.total_bytes <= device.free_bytes for device in _with_room(devices, machine))


def _with_room(devices: tuple[DeviceNeed, ...], machine: Machine) -> tuple[DeviceNeed, ...]:
    main = replace(
        devices[0],
        device=MAIN_MEMORY,
        free_bytes=machine.main_free_bytes,
        size_bytes=machine.memory.total_bytes,
    )
    return (main, *devices[1:])


def _gpu_layers(shape: Shape, load: Load, machine: Machine) -> int | None:
    if not machine.gpus or not shape.layer_bytes:
        return None
    return gpu_layers(shape, load, machine.gpus) if load.gpu_layers is None else load.gpu_layers


def _judge(
    shape: Shape, plan: LoadPlan, devices: tuple[DeviceNeed, ...], largest: int, machine: Machine
) -> tuple[Verdict, str]:
    needed = sum(device.total_bytes for device in devices)
    over = [device for device in devices if device.total_bytes > device.free_bytes]
    if over:
        return "too_large", _too_large(shape, plan, over[0], largest)
    fullest = max(devices, key=lambda device: device.total_bytes / max(1, device.free_bytes))
    of_free = f"{size_text(fullest.total_bytes)} of the {size_text(fullest.free_bytes)} that {_where(fullest)} free"
    if 0 < largest < min(SMALL_CONTEXT, shape.trained_context or SMALL_CONTEXT):
        most = f"{largest:,} tokens of context"
        return "tight", f"Tight: it needs {of_free}, and there is room for {most} and no more."
    if fullest.total_bytes > TIGHT_SHARE * fullest.free_bytes and not _spare(plan, fullest):
        return "tight", f"Tight: it needs {of_free}; other programs would have little left."
    split = len([device for device in devices if device.weights_bytes]) > 1
    places = f", {size_text(devices[0].total_bytes)} of them in main memory" if split else ""
    free = sum(device.free_bytes for device in devices)
    amount = f"{size_text(needed)} of the {size_text(free)} that are free{places}"
    return "fits", f"Fits: it needs {amount}, with {plan.context:,} tokens of context."


def _spare(plan: LoadPlan, need: DeviceNeed) -> bool:
    """Whether what makes it full was only taken because it was free: the context could be shorter, the slots fewer."""
    smaller = need.total_bytes - need.kv_bytes * (1 - LEAST_CONTEXT * 2 / max(plan.context * plan.slots, 1))
    return plan.context * plan.slots > 2 * LEAST_CONTEXT and smaller < TIGHT_SHARE * need.free_bytes


def _too_large(shape: Shape, plan: LoadPlan, over: DeviceNeed, largest: int) -> str:
    needs = f"it needs {size_text(over.total_bytes)} with {plan.context:,} tokens of context"
    room = f"{size_text(over.free_bytes)} of {size_text(over.size_bytes)} {_where(over)} free"
    if largest >= min(LEAST_CONTEXT, shape.trained_context or LEAST_CONTEXT):
        return f"Too large like this: {needs}, {room}. Up to {largest:,} tokens would fit."
    if over.total_bytes <= TIGHT_SHARE * over.size_bytes:
        missing = max(MIB, over.total_bytes - over.free_bytes)
        return f"Too large now: {needs}, {room}. It would fit if other programs gave back {size_text(missing)}."
    return f"Too large: {needs}, {room}. Choose a smaller quantization or a smaller model."


def _where(device: DeviceNeed) -> str:
    return "are" if device.device == MAIN_MEMORY else f"on {device.device} are"
