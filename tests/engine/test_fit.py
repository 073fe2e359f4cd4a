"""How much memory a model needs, and what is made of the memory there is."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.fit import LEAST_BATCH, MIB, UBATCH, Shape, Wishes, kv_bytes, plan_for, prompt_batch, shape_of
from models.gguf import read_header

GIB = 1024 * MIB

# Qwen2.5-7B-Instruct Q4_K_M and Gemma 3 27B, from their public config.json files.
SEVEN_B = Shape("chat", "qwen2", 4_683_000_000, 32_768, 3584, 18_944, 152_064, (4,) * 28, 128, 128)
GEMMA = Shape("chat", "gemma3", 16_546_000_000, 131_072, 5376, 21_504, 262_208, (16,) * 62, 128, 128, window=1024)
EMBEDDER = Shape("embedding", "bert", 67_000_000, 512, 384, 1536, 30_522, (12,) * 12, 32, 32, pooling="mean")

shapes = st.builds(
    Shape,
    kind=st.sampled_from(["chat", "embedding", "rerank"]),
    architecture=st.sampled_from(["llama", "gemma3", "gpt-oss"]),
    weights_bytes=st.integers(MIB, 100 * GIB),
    trained_context=st.integers(0, 1_048_576),
    embedding=st.integers(64, 16_384),
    feed_forward=st.integers(0, 65_536),
    vocabulary=st.integers(256, 300_000),
    kv_heads=st.lists(st.integers(0, 16), min_size=1, max_size=80).map(tuple),
    key_length=st.integers(1, 256),
    value_length=st.integers(1, 256),
    window=st.sampled_from([0, 128, 1024, 4096]),
)
wishes_lists = st.builds(
    Wishes,
    context=st.none() | st.integers(1, 100_000),
    slots=st.none() | st.integers(1, 16),
    cache_type_k=st.sampled_from([None, "q8_0", "q4_0"]),
)
free_amounts = st.integers(-GIB, 200 * GIB)


def test_kv_cache_as_llama_cpp_reports_it() -> None:
    # 28 layers x 4 heads x (128 + 128) elements x 2 bytes = 57,344 bytes per token: "KV buffer size = 1792.00 MiB".
    assert kv_bytes(SEVEN_B, 32_768, 1) == 1792 * MIB
    assert kv_bytes(SEVEN_B, 32_768, 4) == 4 * 1792 * MIB
    assert kv_bytes(SEVEN_B, 32_768, 1, "q8_0", "q8_0") == 952 * MIB


def test_a_sliding_window_is_not_paid_for_in_full() -> None:
    full_layers, windowed = 10, 52
    per_token = 16 * (128 + 128) * 2
    assert kv_bytes(GEMMA, 32_768, 1) == per_token * (full_layers * 32_768 + windowed * 1536)


@given(shapes, wishes_lists, free_amounts)
def test_a_plan_keeps_its_promises(shape: Shape, wishes: Wishes, free: int) -> None:
    plan = plan_for(shape, wishes, free)

    assert plan.context % 256 == 0
    assert plan.context >= 256
    if shape.trained_context:
        assert plan.context < shape.trained_context + 256
    if wishes.slots:
        assert plan.slots == wishes.slots
    assert plan.needed_bytes > plan.weights_bytes + plan.kv_bytes
    if shape.kind != "chat":
        assert plan.batch == plan.context  # one input must pass in one batch
        assert plan.cache_ram_mib == 0
    if plan.needed_bytes > free:  # then it is the smallest there is
        assert plan.cache_ram_mib == 0
        assert wishes.context or plan.context <= 2048


@given(shapes, wishes_lists, free_amounts, st.integers(0, 50 * GIB))
def test_more_memory_never_gives_less_context(shape: Shape, wishes: Wishes, free: int, more: int) -> None:
    before, after = plan_for(shape, wishes, free), plan_for(shape, wishes, free + more)
    assert after.context >= before.context
    if before.needed_bytes <= free:
        assert after.needed_bytes <= free + more


def test_the_longest_context_that_fits_comes_before_slots() -> None:
    plan = plan_for(SEVEN_B, Wishes(), int(6.2 * GIB))
    assert plan.slots == 1
    assert 20_000 < plan.context < 32_768
    assert plan.needed_bytes <= 6.2 * GIB


@pytest.mark.parametrize(("free_gib", "slots"), [(64, 4), (24, 2), (16, 1), (8, 1)])
def test_slots_as_far_as_they_stay_small(free_gib: int, slots: int) -> None:
    plan = plan_for(SEVEN_B, Wishes(), free_gib * GIB)
    assert (plan.context, plan.slots) == (32_768, slots)


def test_what_the_user_chose_is_kept_even_when_it_does_not_fit() -> None:
    plan = plan_for(SEVEN_B, Wishes(context=16_384, slots=3), 5 * GIB)
    assert (plan.context, plan.slots) == (16_384, 3)
    assert plan.needed_bytes > 5 * GIB


def test_the_prompt_cache_is_bounded_and_counted() -> None:
    with_cache = plan_for(SEVEN_B, Wishes(), 64 * GIB)
    without = plan_for(SEVEN_B, Wishes(cache_ram_mib=0), 64 * GIB)
    assert with_cache.cache_ram_mib == 512
    assert with_cache.needed_bytes - without.needed_bytes == 512 * MIB


def test_checkpoints_of_a_sliding_window_are_bounded_and_counted() -> None:
    plan = plan_for(GEMMA, Wishes(), 64 * GIB)
    plain = plan_for(replace(GEMMA, architecture="unknown", window=0), Wishes(context=plan.context), 64 * GIB)
    assert plan.checkpoints == 1
    assert plain.checkpoints is None


def test_an_embedding_model_takes_its_whole_context_in_one_batch() -> None:
    plan = plan_for(EMBEDDER, Wishes(), 8 * GIB)
    assert (plan.context, plan.batch, plan.pooling, plan.slots) == (512, 512, "mean", 4)


def test_the_shape_comes_from_the_header(tiny_chat_gguf, tiny_embedding_gguf) -> None:
    header = read_header(tiny_chat_gguf)
    shape = shape_of(header)
    assert (shape.kind, shape.trained_context, len(shape.kv_heads)) == (
        "chat",
        header.context_length,
        header.block_count,
    )
    assert 0 < shape.weights_bytes < tiny_chat_gguf.stat().st_size
    assert shape_of(read_header(tiny_embedding_gguf)).pooling == "mean"


@pytest.mark.parametrize(
    ("parameters", "processors", "batch"),
    [
        (1_500_000, 2, None),  # a whole batch of llama.cpp's takes no time
        (494_000_000, 2, 64),
        (494_000_000, 24, None),
        (7_600_000_000, 8, LEAST_BATCH),
        (70_000_000_000, 2, LEAST_BATCH),
    ],
)
def test_a_batch_of_a_prompt_takes_well_under_a_second(parameters: int, processors: int, batch: int | None) -> None:
    assert prompt_batch(replace(SEVEN_B, parameters=parameters), processors) == batch


@given(st.integers(1, 10**12), st.integers(1, 256))
def test_a_batch_is_never_too_small_nor_above_llama_cpps(parameters: int, processors: int) -> None:
    batch = prompt_batch(replace(SEVEN_B, parameters=parameters), processors)
    assert batch is None or LEAST_BATCH <= batch < UBATCH


def test_the_chosen_batch_reaches_the_plan_of_a_chat_model_only() -> None:
    assert plan_for(SEVEN_B, Wishes(prompt_batch=64), 64 * GIB).batch == 64
    embedding = plan_for(EMBEDDER, Wishes(prompt_batch=64), 64 * GIB)
    assert embedding.batch == embedding.context
    assert prompt_batch(replace(EMBEDDER, parameters=10**9), 2) is None
