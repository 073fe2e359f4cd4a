"""Converted models compute what transformers computes, and serve: measured through the real llama-server."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from desktop.paths import Paths
from engine.llama_server import LlamaServer, ServerSpec
from engine.tuning import default_tuning
from engine.types import LoadPlan
from models.convert.checkpoint import check_checkpoint
from models.convert.convert import convert
from models.errors import ConvertRefused
from models.gguf import Kind
from models.llamacpp import EngineBuild, binary
from models.progress import Cancel
from tests.models.conftest import CONVERSIONS, Known, Made
from tests.models.convert.checkpoints import SENTENCES

pytestmark = pytest.mark.anyio

# Largest difference of any log-probability over the whole vocabulary, in nats. Measured: 0.012 at most, in either type
# (llama.cpp rounds within attention); a wrong rotation, norm, window or expert gives more than 1.
TOLERANCE = 0.03
COSINE = 0.999


@asynccontextmanager
async def served(build: EngineBuild, paths: Paths, path: Path, kind: Kind, **plan: Any) -> AsyncIterator[LlamaServer]:
    server = await LlamaServer.start(
        ServerSpec(
            model_id="converted",
            model_path=path,
            kind=kind,
            plan=LoadPlan(context=256, slots=1, **plan),
            program=binary(build, "llama-server"),
            runtime_dir=paths.runtime,
            pidfiles=paths.children,
            tuning=default_tuning(build),
            environ=dict(os.environ),
        )
    )
    try:
        yield server
    finally:
        await server.stop()


async def next_logprobs(server: LlamaServer, tokens: list[int], vocabulary: int) -> np.ndarray:
    """Logarithms of the probabilities of the next token, in the order of the vocabulary."""
    request = {"prompt": tokens, "n_predict": 1, "n_probs": vocabulary, "temperature": 0, "cache_prompt": False}
    status, answer = await server.upstream.json("POST", "/completion", request)
    assert status == 200, answer
    listed = answer["completion_probabilities"][0]["top_logprobs"]
    found = np.full(vocabulary, np.nan)
    for entry in listed:
        found[entry["id"]] = entry["logprob"]
    assert not np.isnan(found).any()
    return found


@pytest.mark.parametrize("name", [name for name in CONVERSIONS if name != "minilm"])
async def test_a_language_model_gives_the_same_probabilities_and_serves(
    name: str, known: Callable[[str], Known], conversions: Callable[[str], Made], build: EngineBuild, home: Paths
) -> None:
    checkpoint, made, told = known(name), conversions(name).converted, conversions(name).told

    out_type, architecture = CONVERSIONS[name], {"mixtral": "llama"}.get(name, name)
    assert (made.header.architecture, made.header.quant) == (architecture, {"f16": "F16", "f32": "F32"}[out_type])
    assert [progress.done for progress in told] == sorted(progress.done for progress in told)
    assert (told[-1].fraction, told[-1].unit) == (1.0, "tensors")
    assert os.listdir(made.path.parent) == [f"{name}.gguf"]
    cache = {"cache_type_k": "f32", "cache_type_v": "f32"} if out_type == "f32" else {}
    async with served(build, home, made.path, "chat", **cache) as server:
        for prompt in checkpoint.answers["prompts"]:
            _, tokenized = await server.upstream.json(
                "POST", "/tokenize", {"content": prompt["text"], "add_special": True}
            )
            assert tokenized["tokens"] == prompt["tokens"]
            expected = np.array(prompt["logprobs"])
            difference = np.abs(await next_logprobs(server, prompt["tokens"], len(expected)) - expected).max()
            assert difference < TOLERANCE, (name, len(prompt["tokens"]), difference)
        # And it serves what people use: a chat of some tokens.
        messages = [{"role": "user", "content": "A small boat"}]
        status, answer = await server.upstream.json(
            "POST", "/v1/chat/completions", {"messages": messages, "max_tokens": 4, "temperature": 0}
        )
        assert (status, answer["usage"]["completion_tokens"] > 0) == (200, True)


async def test_minilm_from_its_package_gives_the_same_embeddings(
    known: Callable[[str], Known], conversions: Callable[[str], Made], build: EngineBuild, home: Paths
) -> None:
    minilm, made = known("minilm"), conversions("minilm").converted

    assert (made.header.architecture, made.header.kind, made.header.licence) == ("bert", "embedding", "apache-2.0")
    async with served(build, home, made.path, "embedding", batch=256) as server:
        _, answer = await server.upstream.json("POST", "/v1/embeddings", {"input": list(SENTENCES)})
    for entry, expected in zip(answer["data"], minilm.answers["embeddings"], strict=True):
        cosine = float(np.dot(entry["embedding"], expected) / np.linalg.norm(entry["embedding"]))
        assert cosine >= COSINE, cosine


async def test_the_picture_part_is_made_beside_its_model(
    known: Callable[[str], Known], build: EngineBuild, home: Paths
) -> None:
    assert build.convert_dir is not None
    checkpoint = check_checkpoint(known("gemma3-vision").folder, build.convert_dir)
    arguments: dict[str, Any] = {"build": build, "report": lambda _progress: None, "cancel": Cancel(), "floor_bytes": 0}

    model, projector = await asyncio.gather(
        convert(checkpoint, home.models / "model.gguf", "f16", **arguments),
        convert(checkpoint, home.models / "mmproj-model.gguf", "f16", projector=True, **arguments),
    )

    assert checkpoint.has_projector
    assert (model.header.architecture, model.header.file_kind) == ("gemma3", "model")
    assert (projector.header.architecture, projector.header.file_kind) == ("clip", "mmproj")
    async with served(build, home, model.path, "chat", projector=projector.path) as server:
        assert server.props["modalities"]["vision"] is True


async def test_a_model_of_text_alone_has_no_picture_part(
    known: Callable[[str], Known], build: EngineBuild, home: Paths
) -> None:
    assert build.convert_dir is not None
    checkpoint = check_checkpoint(known("gemma3").folder, build.convert_dir)

    with pytest.raises(ConvertRefused, match="has no picture part"):
        await convert(
            checkpoint,
            home.models / "mmproj.gguf",
            build=build,
            report=lambda _progress: None,
            cancel=Cancel(),
            projector=True,
        )
