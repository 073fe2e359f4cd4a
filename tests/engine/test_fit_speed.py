"""How fast a model will be here: from sizes, from the machine's measured figures, from what was seen before."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desktop.paths import Paths
from engine.fit_memory import Load
from engine.fit_shape import Shape
from engine.fit_speed import (
    SPEEDS_MIGRATION,
    SpeedsSeen,
    SpeedStore,
    active_bytes,
    active_parameters,
    cache_read_bytes,
    expected_speed,
    predict,
)
from engine.machine_speed import (
    QUICK_SHAPE,
    BenchFigures,
    Effort,
    MachineSpeed,
    derive,
    derive_quickly,
    load_speed,
    measure_quickly,
    measure_speed,
    tiny_bytes,
)
from engine.tuning import MEASURE_SHAPE
from engine.types import Tuning
from models.database import Database
from models.llamacpp import find_build
from models.progress import Progress
from models.tiny_model import TinyShape
from tests.engine.seven_b import SEVEN_B as Q4_SEVEN_B

HERE = MachineSpeed(20e9, 200e9, 10e9, 50e9, 20e-6, "here")
SEVEN_B = replace(Q4_SEVEN_B, quant="Q8_0")
EXPERTS = replace(
    SEVEN_B,
    weights_bytes=26_400_000_000,
    layer_bytes=(810_000_000,) * 28,
    expert_bytes=(780_000_000,) * 28,
    experts=8,
    experts_used=2,
)
LOAD = Load(8192, 1)


@asynccontextmanager
async def speeds(folder: Path) -> AsyncIterator[SpeedStore]:
    database = await Database.open(folder / "jackdaw.db", [replace(SPEEDS_MIGRATION, number=1)])
    try:
        yield SpeedStore(database)
    finally:
        await database.close()


def test_a_token_reads_every_weight_it_uses_once() -> None:
    # 4.38 GB without the token embedding, at 20 GB/s, and 28 layers and the sampling beside: 0.22 s.
    write, _ = predict(SEVEN_B, LOAD, HERE)
    assert 1 / write == pytest.approx(4.377e9 / 20e9 + 28 * 20e-6 + 152_064 * 4e-9, rel=1e-6)


def test_experts_that_rest_are_not_read() -> None:
    assert active_bytes(EXPERTS) == pytest.approx(26.4e9 - 0.306e9 - 0.75 * 28 * 0.78e9)
    assert predict(EXPERTS, LOAD, HERE)[0] > 2 * predict(replace(EXPERTS, experts_used=8), LOAD, HERE)[0]


def test_a_quantized_cache_is_smaller_to_read_and_more_work_to_unpack() -> None:
    quantized = replace(LOAD, type_k="q8_0", type_v="q8_0")
    assert cache_read_bytes(SEVEN_B, quantized, 8000) < 0.6 * cache_read_bytes(SEVEN_B, LOAD, 8000)
    for kind in (0, 1):  # writing, reading a prompt
        assert predict(SEVEN_B, quantized, HERE, 8000)[kind] < 0.9 * predict(SEVEN_B, LOAD, HERE, 8000)[kind]


def test_prompts_of_experts_are_slower_than_their_arithmetic() -> None:
    def times_the_arithmetic(shape: Shape) -> float:
        return HERE.flops_per_s / (predict(shape, LOAD, HERE)[1] * 2 * active_parameters(shape))

    assert 1.0 <= times_the_arithmetic(SEVEN_B) < 1.2
    assert 1.6 <= times_the_arithmetic(EXPERTS) < 2.2


def test_a_sliding_window_bounds_what_is_looked_at() -> None:
    windowed = replace(SEVEN_B, architecture="gemma3", window=512)
    assert predict(windowed, LOAD, HERE, 8000)[0] > predict(SEVEN_B, LOAD, HERE, 8000)[0]


@given(st.integers(0, 30_000), st.integers(0, 30_000))
def test_deeper_is_never_faster(one: int, other: int) -> None:
    low, high = sorted((one, other))
    assert predict(SEVEN_B, LOAD, HERE, high) <= predict(SEVEN_B, LOAD, HERE, low)


def test_without_a_measured_machine_nothing_is_claimed() -> None:
    assert expected_speed(SEVEN_B, LOAD, None, SpeedsSeen()).tokens_per_s is None
    assert expected_speed(replace(SEVEN_B, kind="embedding"), LOAD, HERE, SpeedsSeen()).source == ""


@pytest.mark.anyio
async def test_what_was_seen_corrects_the_kind_and_tells_the_model(tmp_path: Path) -> None:
    predicted = expected_speed(SEVEN_B, LOAD, HERE, SpeedsSeen())
    assert predicted.source == "predicted"
    write, read = predict(SEVEN_B, LOAD, HERE, 512)
    async with speeds(tmp_path) as store:
        await store.learn(HERE, "a", SEVEN_B, LOAD, tokens_per_s=0.5 * write, prompt_tokens_per_s=2 * read, depth=512)
        seen = await store.seen("here")
        own, kind = (expected_speed(SEVEN_B, LOAD, HERE, seen, name) for name in ("a", "b"))
        assert (own.source, kind.source) == ("measured", "corrected")
        assert own.tokens_per_s == pytest.approx(0.5 * write)
        assert kind.prompt_tokens_per_s == pytest.approx(2 * read)
        other_quant = expected_speed(replace(SEVEN_B, quant="Q2_K"), LOAD, HERE, seen, "b")
        assert other_quant.source == "predicted"
        small = replace(SEVEN_B, weights_bytes=2_000_000)
        await store.learn(HERE, "tiny", small, LOAD, tokens_per_s=0.1 * predict(small, LOAD, HERE)[0])
        assert ("model:tiny", "generate") in (seen_now := await store.seen("here")).ratios
        assert expected_speed(SEVEN_B, LOAD, HERE, seen_now, "b") == kind  # a tiny one tells of itself alone
        assert (await store.seen("another machine")).ratios == {}


@pytest.mark.anyio
async def test_newer_figures_move_the_average_and_absurd_ones_do_not(tmp_path: Path) -> None:
    write, _ = predict(SEVEN_B, LOAD, HERE)
    async with speeds(tmp_path) as store:
        for factor in (1.0, 2.0, float("nan"), float("inf"), 1e6, 0.0):
            await store.learn(HERE, "a", SEVEN_B, LOAD, tokens_per_s=factor * write)
        assert (await store.seen("here")).ratios["model:a", "generate"] == pytest.approx(1.25)
        await store.forget("a")
        assert "model:a" not in {subject for subject, _ in (await store.seen("here")).ratios}


def test_figures_of_a_machine_come_back_from_its_benches() -> None:
    # A made machine: 10 GB/s of weights, 100 GFLOP/s, 8 GFLOP/s looking back, 32 in prompts, 50 microseconds a layer.
    shape, layer_s = MEASURE_SHAPE, 50e-6
    attention = 4 * shape.layers * shape.heads * shape.head_length * 4096
    cache_s = 4 * shape.layers * shape.kv_heads * shape.head_length * 4096 / 10e9
    write_s = tiny_bytes(shape) / 10e9 + shape.layers * layer_s
    read_s = 2 * 121e6 / 100e9
    tiny_s = 3 * layer_s + tiny_bytes(TinyShape(2, 256, 4, 2, 512, 4096)) / 60e9
    figures = BenchFigures(
        1 / write_s, 1 / (write_s + attention / 8e9 + cache_s), 1 / read_s, 1 / (read_s + attention / 32e9)
    )
    found = derive(figures, 1 / tiny_s, shape, "made")
    assert found.weight_bytes_per_s == pytest.approx(10e9, rel=0.01)
    assert found.flops_per_s == pytest.approx(100e9, rel=0.05)
    assert found.attention_flops_per_s == pytest.approx(8e9, rel=0.01)
    assert found.prompt_attention_flops_per_s == pytest.approx(32e9, rel=0.01)
    assert found.layer_s == pytest.approx(layer_s, rel=0.01)


@given(st.floats(0.01, 1e5), st.floats(0.01, 1e5), st.floats(0.01, 1e5), st.floats(0.01, 1e5), st.floats(0.01, 1e5))
def test_noise_never_makes_an_impossible_machine(
    one: float, two: float, three: float, four: float, tiny: float
) -> None:
    found = derive(BenchFigures(one, two, three, four), tiny, MEASURE_SHAPE, "noisy")
    assert all(0 < value < 1e18 for value in (found.weight_bytes_per_s, found.flops_per_s, found.layer_s))
    assert 0 < predict(SEVEN_B, LOAD, found, 1000)[0] < 1e6


@pytest.mark.anyio
async def test_the_machine_is_measured_by_its_own_engine_and_remembered(
    home: Paths, engine_bin: Path, tmp_path: Path
) -> None:
    engines = tmp_path / "engines"  # a folder of its own: in the real one are figures that programs go by
    build = find_build(engines, {"JACKDAW_ENGINE": str(engine_bin)})
    shape = TinyShape(layers=2, embedding=256, heads=4, kv_heads=2, feed_forward=1024, context=4096)
    steps: list[Progress] = []
    measured = await measure_speed(
        engines, build, Tuning(), home.runtime, steps.append, effort=Effort(shape, depth=256, repeats=1)
    )
    assert len(steps) == 3
    assert measured.weight_bytes_per_s > 1e6  # of any machine, however busy it is
    assert measured.flops_per_s > 1e7
    assert load_speed(engines, build) == measured
    assert not list(home.runtime.glob("speed-*"))

    (saved,) = (engines / "speeds").glob("*.json")
    content = json.loads(saved.read_text())
    for damage in ("", "[]", json.dumps({**content, "flops_per_s": -1}), json.dumps({**content, "schema": 99})):
        saved.write_text(damage)
        assert load_speed(engines, build) is None


def test_a_quick_measurement_keeps_its_corrections_apart() -> None:
    """What a figure is corrected by belongs to it: a whole measurement later must not inherit it."""
    generate_s = tiny_bytes(QUICK_SHAPE) / 10e9 + QUICK_SHAPE.layers * 3e-5
    found = derive_quickly(1 / generate_s, 512.0, "made")
    assert found.rough and found.machine != "made"
    assert found.weight_bytes_per_s == pytest.approx(10e9, rel=0.01)
    assert (
        0 < predict(SEVEN_B, LOAD, found, 4096)[0] < predict(SEVEN_B, LOAD, found, 0)[0] == pytest.approx(2.1, rel=0.1)
    )


@pytest.mark.anyio
async def test_a_quick_measurement_is_kept_until_a_whole_one_comes(
    home: Paths, engine_bin: Path, tmp_path: Path
) -> None:
    engines = tmp_path / "engines"
    build = find_build(engines, {"JACKDAW_ENGINE": str(engine_bin)})

    rough = await measure_quickly(engines, build, Tuning(), home.runtime)

    assert rough.rough and rough.weight_bytes_per_s > 1e8 and rough.flops_per_s > 1e9
    assert load_speed(engines, build) == rough
    assert not list(home.runtime.glob("speed-*"))
