"""The estimate against a real child, for each kind of model; the bench does the same with real sizes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from desktop.paths import Paths
from engine.fit import Wishes, load_of, plan_for, shape_of
from engine.fit_memory import MIB, main_memory_need
from engine.llama_server import LlamaServer, ServerSpec
from engine.tuning import default_tuning
from models.gguf import read_header
from models.llamacpp import find_build
from tests.bench.fit_bench import peak_bytes
from tests.bench.shapes import RealShape, write_model

SHAPES = (
    RealShape("grouped heads", "llama", 6, 768, 2048, 12, 2, 64, vocabulary=64_000),
    RealShape("experts", "llama", 4, 512, 1024, 8, 4, 64, experts=8, experts_used=2),
    RealShape("sliding window", "gemma3", 12, 640, 2048, 4, 1, 256, vocabulary=64_000, window=512),
    RealShape("recurrent", "mamba", 8, 768, 0),
)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_a_child_takes_what_was_estimated(home: Paths, engine_bin: Path, tmp_path: Path, shape: RealShape) -> None:
    path = write_model(tmp_path / "model.gguf", shape)
    read = shape_of(read_header(path))
    wishes = Wishes(context=2048, slots=2, cache_ram_mib=0)
    plan = plan_for(read, wishes, 8 * 1024 * MIB)
    predicted = main_memory_need(read, load_of(read, wishes, plan.context, plan.slots)).total_bytes

    async def taken() -> int:
        tuning = default_tuning(find_build(home.engines, {"JACKDAW_ENGINE": str(engine_bin)}))
        program = engine_bin / "llama-server"
        spec = ServerSpec("m", path, "chat", plan, program, home.runtime, home.children, tuning)
        server = await LlamaServer.start(spec)
        try:
            for slot in range(2):
                payload = {"prompt": [33 + (7 * at + slot) % 80 for at in range(600)], "n_predict": 2, "id_slot": slot}
                status, _ = await server.upstream.json("POST", "/completion", payload, timeout_s=60)
                assert status == 200
            return peak_bytes(server.pid)
        finally:
            await server.stop()

    real = asyncio.run(taken())
    # What is constant, the process, is half of these small models; it is right to 20 MiB on every system we saw.
    assert abs(predicted - real) <= max(0.1 * real, 20 * MIB), (predicted // MIB, real // MIB)
