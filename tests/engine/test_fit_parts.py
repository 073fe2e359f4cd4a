"""Which layers keep what, where the bytes lie, and what is said of it: from headers alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.devices import GpuDevice, MemoryNow
from engine.fit import Wishes, load_of, plan_for
from engine.fit_memory import MIB, Load, device_needs, draft_bytes, kv_by_layer, main_memory_need, projector_bytes
from engine.fit_shape import in_other_quantization, shape_of, windowed_layers
from engine.fit_verdict import Companions, fit, largest_context, wishes_of
from engine.machine import Machine
from engine.model_options import ModelOptions
from models.gguf import GgufHeader, TensorInfo, read_header
from models.gguf_format import ArrayInfo
from tests.bench.shapes import RealShape, write_model
from tests.engine.seven_b import SEVEN_B

GIB = 1024 * MIB
# Mixtral 8x7B: eight experts make nine tenths of each layer.
MIXTRAL = replace(
    SEVEN_B,
    architecture="llama",
    weights_bytes=26_400_000_000,
    kv_heads=(8,) * 32,
    layer_bytes=(810_000_000,) * 32,
    expert_bytes=(780_000_000,) * 32,
    input_bytes=70_000_000,
    output_bytes=410_000_000,
    experts=8,
    experts_used=2,
)


def header(
    architecture: str, layers: int, facts: Mapping[str, Any], tensors: tuple[TensorInfo, ...] = ()
) -> GgufHeader:
    """A header with these facts, each below its architecture."""
    metadata = {
        "general.architecture": architecture,
        f"{architecture}.block_count": layers,
        f"{architecture}.embedding_length": 1024,
        f"{architecture}.attention.head_count": 16,
        **{f"{architecture}.{key}": value for key, value in facts.items()},
    }
    return GgufHeader(3, 0, 32, 0, metadata, tensors)


def flags(*values: bool) -> ArrayInfo:
    return ArrayInfo("bool", len(values), values)


def numbers(*values: int) -> ArrayInfo:
    return ArrayInfo("u32", len(values), values)


@pytest.mark.parametrize(
    ("architecture", "facts", "windowed"),
    [
        ("gemma3", {"attention.sliding_window": 512}, "xxxxx-xx"),
        ("gpt-oss", {"attention.sliding_window": 128}, "x-x-x-x-"),
        ("cohere2moe", {"attention.sliding_window": 128}, "-xxx-xxx"),
        ("gemma3", {"attention.sliding_window": 512, "attention.sliding_window_pattern": 2}, "x-x-x-x-"),
        (
            "gemma4",
            {
                "attention.sliding_window": 512,
                "attention.sliding_window_pattern": flags(True, True, False, True, True, False, True, True),
            },
            "xx-xx-xx",
        ),
        ("llama", {"attention.sliding_window": 4096, "attention.sliding_window_pattern": 2}, "--------"),
        ("qwen2", {}, "--------"),
    ],
)
def test_which_layers_see_only_a_window(architecture: str, facts: Mapping[str, Any], windowed: str) -> None:
    shape = shape_of(header(architecture, 8, facts))
    assert "".join("x" if inside else "-" for inside in windowed_layers(shape)) == windowed


@pytest.mark.parametrize(
    ("architecture", "facts", "recurrent", "cached"),
    [
        ("mamba", {"ssm.conv_kernel": 4, "ssm.inner_size": 2048, "ssm.state_size": 16}, 8, 0),
        ("qwen3next", {"attention.head_count_kv": 2, "ssm.inner_size": 4096, "ssm.state_size": 128}, 6, 2),
        ("qwen35", {"attention.head_count_kv": 2, "full_attention_interval": 2, "ssm.inner_size": 64}, 4, 4),
        ("jamba", {"attention.head_count_kv": numbers(0, 0, 0, 8, 0, 0, 0, 8), "ssm.inner_size": 64}, 6, 2),
        (
            "nemotron_h",
            {
                "attention.head_count_kv": numbers(0, 0, 8, 0, 0, 0, 8, 0),
                "feed_forward_length": numbers(0, 99, 0, 99, 0, 99, 0, 99),
                "ssm.inner_size": 64,
            },
            2,
            2,
        ),
        ("falcon-h1", {"attention.head_count_kv": 2, "ssm.inner_size": 64}, 8, 8),
        ("gemma4", {"attention.head_count_kv": 2, "attention.shared_kv_layers": 3}, 0, 5),
        ("glm4moe", {"attention.head_count_kv": 2, "nextn_predict_layers": 1}, 0, 7),
    ],
)
def test_which_layers_keep_a_cache_and_which_a_state(
    architecture: str, facts: Mapping[str, Any], recurrent: int, cached: int
) -> None:
    shape = shape_of(header(architecture, 8, facts))
    assert sum(shape.recurrent) == recurrent
    assert sum(heads > 0 for heads in shape.kv_heads) == cached
    assert len(kv_by_layer(shape, Load(4096, 2))) == shape.layers


def test_a_recurrent_state_has_one_size_for_every_context() -> None:
    # Mamba 130M: 24 layers x (3 x 1536 + 16 x 1536) float32: "RS buffer size = 2.67 MiB" for one slot.
    facts = {"ssm.conv_kernel": 4, "ssm.inner_size": 1536, "ssm.state_size": 16}
    shape = shape_of(header("mamba", 24, facts))
    assert sum(kv_by_layer(shape, Load(256, 1))) == sum(kv_by_layer(shape, Load(65_536, 1))) == 24 * 4 * 19 * 1536
    assert sum(kv_by_layer(shape, Load(256, 4))) == 4 * 24 * 4 * 19 * 1536


def test_compressed_attention_caches_keys_alone() -> None:
    facts = {"attention.head_count_kv": 1, "attention.key_length": 576, "attention.value_length": 512}
    plain = shape_of(header("deepseek2", 27, facts))
    compressed = shape_of(header("deepseek2", 27, {**facts, "attention.key_length_mla": 192}))
    assert sum(kv_by_layer(compressed, Load(1024, 1))) == 27 * 576 * 2 * 1024
    assert sum(kv_by_layer(plain, Load(1024, 1))) > sum(kv_by_layer(compressed, Load(1024, 1)))


def test_weights_are_sorted_by_layer_and_experts(tmp_path: Path) -> None:
    shape = RealShape("experts", "llama", 2, 256, 512, 4, 2, 64, vocabulary=512, experts=4, experts_used=2)
    read = shape_of(read_header(write_model(tmp_path / "m.gguf", shape)))
    assert read.layers == 2
    assert sum(read.layer_bytes) + read.input_bytes + read.output_bytes == read.weights_bytes
    assert read.expert_bytes == (4 * 3 * 256 * 512 * 34 // 32,) * 2
    assert (read.experts, read.experts_used, read.tied) == (4, 2, False)
    assert read.feed_forward == 2 * 512  # of the experts that a token uses


layer_counts = st.integers(0, 40)


@given(layer_counts, layer_counts, st.integers(1, 60), st.booleans())
def test_no_byte_is_lost_between_the_devices(gpu_layers: int, on_cpu: int, gpu_gib: int, two: bool) -> None:
    gpus = tuple(GpuDevice(f"CUDA{n}", "GPU", gpu_gib * GIB, gpu_gib * GIB) for n in range(1 + two))
    load = Load(8192, 2, gpu_layers=gpu_layers, cpu_expert_layers=on_cpu)
    needs = device_needs(MIXTRAL, load, gpus)
    assert sum(need.weights_bytes for need in needs) == pytest.approx(MIXTRAL.weights_bytes, abs=4)
    assert sum(need.kv_bytes for need in needs) == pytest.approx(sum(kv_by_layer(MIXTRAL, load)), abs=4)
    assert all(need.total_bytes >= 0 for need in needs)


def test_experts_in_main_memory_make_room_for_layers_on_a_small_gpu() -> None:
    gpus = (GpuDevice("CUDA0", "GPU", 8 * GIB, 8 * GIB),)
    machine = Machine(MemoryNow(64 * GIB, 48 * GIB), gpus)
    without = fit(MIXTRAL, Wishes(context=8192, slots=1), machine)
    with_experts = fit(MIXTRAL, Wishes(context=8192, slots=1, cpu_expert_layers=32), machine)
    assert without.gpu_layers is not None
    assert without.gpu_layers < 10
    assert with_experts.gpu_layers == 33
    assert with_experts.devices[0].weights_bytes >= sum(MIXTRAL.expert_bytes)
    assert with_experts.devices[1].total_bytes < 8 * GIB


def test_layers_go_to_a_gpu_as_far_as_they_fit() -> None:
    for gib, all_of_it in ((2, False), (4, False), (12, True)):
        gpus = (GpuDevice("CUDA0", "GPU", gib * GIB, gib * GIB),)
        judged = fit(SEVEN_B, Wishes(context=8192, slots=1), Machine(MemoryNow(16 * GIB, 12 * GIB), gpus))
        assert (judged.gpu_layers == 29) is all_of_it
        assert judged.devices[1].total_bytes <= gib * GIB
        assert judged.verdict == "fits"


def test_a_draft_model_costs_its_weights_and_a_cache_as_long_as_the_targets() -> None:
    draft = replace(SEVEN_B, weights_bytes=400 * MIB, kv_heads=(2,) * 24, key_length=64, value_length=64)
    load = load_of(SEVEN_B, Wishes(draft=draft), 8192, 2)
    assert draft_bytes(draft, load) > 400 * MIB + 2 * 24 * 2 * 128 * 2 * 8192
    assert main_memory_need(SEVEN_B, load).draft_bytes == draft_bytes(draft, load)


def test_a_projector_costs_its_weights_and_the_activations_of_a_picture() -> None:
    tensors = (TensorInfo("v.blk.0.ffn_up.weight", (1024, 4096), "F16", 0, 1024 * 4096 * 2),)
    facts = {"vision.image_size": 896, "vision.patch_size": 14, "vision.embedding_length": 1152}
    small = projector_bytes(header("clip", 0, {**facts, "vision.image_size": 224}, tensors))
    large = projector_bytes(header("clip", 0, facts, tensors))
    assert 1024 * 4096 * 2 < small < large < GIB


def test_another_quantization_scales_what_a_layer_has_and_keeps_the_rest() -> None:
    large = replace(SEVEN_B, layer_bytes=(150_000_000,) * 28)
    small = in_other_quantization(large, "Q2_K", large.weights_bytes // 2)
    assert (small.quant, small.weights_bytes) == ("Q2_K", large.weights_bytes // 2)
    assert (small.kv_heads, small.trained_context) == (large.kv_heads, large.trained_context)
    assert sum(small.layer_bytes) == pytest.approx(sum(large.layer_bytes) / 2, rel=0.001)


def machine(free_gib: float, total_gib: float = 16) -> Machine:
    return Machine(MemoryNow(int(total_gib * GIB), int(free_gib * GIB)), processors=8)


@pytest.mark.parametrize(
    ("free_gib", "options", "verdict", "says"),
    [
        (12, ModelOptions(), "fits", "32,768 tokens"),
        (5.1, ModelOptions(), "tight", "would have little left"),
        (4.62, ModelOptions(), "tight", "no more"),
        (6, ModelOptions(context=32_768, slots=4), "too_large", "tokens would fit"),
        (4, ModelOptions(), "too_large", "other programs gave back"),
    ],
)
def test_the_verdict_and_its_sentence(free_gib: float, options: ModelOptions, verdict: str, says: str) -> None:
    judged = fit(SEVEN_B, wishes_of(options, Companions()), machine(free_gib))
    assert judged.verdict == verdict
    assert says in judged.sentence
    assert " GB " in judged.sentence and "iB" not in judged.sentence


def test_what_can_never_fit_says_so() -> None:
    judged = fit(MIXTRAL, Wishes(), machine(14))
    assert (judged.verdict, judged.largest_context) == ("too_large", 0)
    assert "smaller quantization" in judged.sentence


@given(st.integers(1, 40), st.sampled_from([None, "q8_0", "q4_0"]), st.sampled_from([1, 2, 4]))
def test_the_largest_context_fits_and_the_next_does_not(free_gib: int, cache: str | None, slots: int) -> None:
    here = machine(free_gib, 64)
    wishes = Wishes(slots=slots, cache_type_k=cache, cache_type_v=cache, cache_ram_mib=0)
    largest = largest_context(SEVEN_B, wishes, here)

    def needed(context: int) -> int:
        return main_memory_need(SEVEN_B, load_of(SEVEN_B, wishes, context, slots)).total_bytes

    assert largest == 0 or needed(largest) <= here.free_bytes
    assert largest == SEVEN_B.trained_context or needed(largest + 256) > here.free_bytes


def test_a_fit_agrees_with_the_plan_the_child_is_started_with() -> None:
    options = ModelOptions(context=8192, slots=2, cache_type_k="q8_0", cache_type_v="q8_0")
    wishes = wishes_of(options, Companions(projector_bytes=800 * MIB), Wishes(prompt_batch=32))
    here = machine(12)
    judged, plan = fit(SEVEN_B, wishes, here), plan_for(SEVEN_B, wishes, here.free_bytes)
    assert (judged.context, judged.slots, judged.cache_type_k) == (plan.context, plan.slots, plan.cache_type_k)
    assert judged.devices[0].projector_bytes == 800 * MIB
    assert judged.needed_bytes == plan.needed_bytes
