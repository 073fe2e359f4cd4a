"""Adapters: converted from PEFT they do in llama-server what they do in transformers; listed, matched and removed."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from desktop.paths import Paths
from engine.types import LoadedAdapter
from models.adapters.library import ADAPTERS_MIGRATION, AdapterLibrary
from models.adapters.peft import check_adapter, convert_adapter
from models.adapters.shapes import adapter_shape, fits
from models.database import Database
from models.errors import BadGguf, Cancelled, ConvertRefused, ModelExists, ModelNotFound
from models.gguf import GgufHeader, read_header
from models.llamacpp import EngineBuild
from models.progress import Cancel
from tests.engine.rig import library_model
from tests.models.adapters.conftest import Adapted
from tests.models.conftest import Known
from tests.models.convert.test_agreement import TOLERANCE, next_logprobs, served

pytestmark = pytest.mark.anyio


def peft_folder(known: Callable[[str], Known], name: str) -> Path:
    return known(name).folder.with_name(f"{name}-adapter")


@asynccontextmanager
async def library(path: Path) -> AsyncIterator[AdapterLibrary]:
    database = await Database.open(path, [ADAPTERS_MIGRATION])
    try:
        yield AdapterLibrary(database, clock=lambda: 12.0)
    finally:
        await database.close()


@pytest.mark.parametrize("name", ["llama", "qwen3"])
async def test_an_adapter_changes_the_model_as_transformers_changes_it(
    name: str, adapted: Mapping[str, Adapted], known: Callable[[str], Known], build: EngineBuild, home: Paths
) -> None:
    """Converted with nothing but the GGUF file of its base model; applied, then switched off."""
    answers = known(name).answers
    adapters = (LoadedAdapter("a", adapted[name].adapter, 1.0),)
    async with served(
        build, home, adapted[name].base.path, "chat", adapters=adapters, cache_type_k="f32", cache_type_v="f32"
    ) as server:
        for with_it, without in zip(answers["adapted"]["prompts"], answers["prompts"], strict=True):
            expected, plain = np.array(with_it["logprobs"]), np.array(without["logprobs"])
            assert np.abs(expected - plain).max() > 10 * TOLERANCE  # it changes something
            assert np.abs(await next_logprobs(server, with_it["tokens"], len(expected)) - expected).max() < TOLERANCE
            await server.upstream.json("POST", "/lora-adapters", [{"id": 0, "scale": 0.0}])
            assert np.abs(await next_logprobs(server, with_it["tokens"], len(plain)) - plain).max() < TOLERANCE
            await server.upstream.json("POST", "/lora-adapters", [{"id": 0, "scale": 1.0}])


def test_the_base_may_be_a_folder_or_a_gguf_file(adapted: Mapping[str, Adapted]) -> None:
    by_header, by_folder = adapted["llama"].adapter, adapted["llama by folder"].adapter

    one, two = read_header(by_header), read_header(by_folder)
    assert one.tensors == two.tensors
    assert by_header.read_bytes()[one.data_offset :] == by_folder.read_bytes()[two.data_offset :]


def changed(settings: dict[str, Any]) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / "adapter_config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | settings))

    return change


def pickled(folder: Path) -> None:
    (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin")


def cut_short(folder: Path) -> None:
    os.truncate(folder / "adapter_model.safetensors", 1000)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (pickled, "it has no adapter_model.safetensors"),
        (cut_short, "adapter_model.safetensors is refused"),
        (changed({"peft_type": "IA3"}), "is no LoRA adapter"),
        (changed({"use_dora": True}), "it has DoRA"),
        (changed({"modules_to_save": ["lm_head"]}), "it has whole tensors beside its matrices"),
        (changed({"bias": "all"}), "it has trained biases"),
        (changed({"alpha_pattern": {"q_proj": 2}}), "a strength of its own per tensor"),
        (changed({"use_rslora": True, "rank_pattern": {"q_proj": 2}}), "rank-stabilized"),
        (changed({"r": 0}), "cannot be"),
        (changed({"lora_alpha": "much"}), "states no rank and strength"),
        (changed({"auto_map": {"a": "b.C"}}), "'auto_map' points to code"),
    ],
)
def test_what_llama_cpp_would_apply_otherwise_is_refused(
    change: Callable[[Path], None], reason: str, known: Callable[[str], Known], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(peft_folder(known, "llama"), tmp_path / "adapter"))
    check_adapter(folder)
    change(folder)

    with pytest.raises(ConvertRefused) as refused:
        check_adapter(folder)

    assert reason in refused.value.message


def test_a_rank_stabilized_adapter_keeps_its_strength(known: Callable[[str], Known], tmp_path: Path) -> None:
    """PEFT applies alpha / sqrt(rank), llama.cpp alpha / rank."""
    folder = Path(shutil.copytree(peft_folder(known, "llama"), tmp_path / "adapter"))
    changed({"use_rslora": True, "r": 16, "lora_alpha": 8})(folder)

    assert check_adapter(folder).settings["lora_alpha"] / 16 == 8 / 16**0.5


async def test_a_cancelled_conversion_leaves_nothing(
    known: Callable[[str], Known], build: EngineBuild, tmp_path: Path
) -> None:
    cancel = Cancel()
    target = tmp_path / "adapter.gguf"

    with pytest.raises(Cancelled):
        await convert_adapter(
            check_adapter(peft_folder(known, "llama")),
            known("llama").folder,
            target,
            build=build,
            report=lambda _progress: cancel.set(),
            cancel=cancel,
            floor_bytes=0,
        )

    assert os.listdir(tmp_path) == []


async def test_the_library_keeps_matches_and_removes_adapters(adapted: Mapping[str, Adapted], home: Paths) -> None:
    base = adapted["llama"].base
    path = home.models / "own" / "poems.gguf"
    path.parent.mkdir()
    shutil.copy(adapted["llama"].adapter, path)
    model = dataclasses.replace(library_model("base", base.path), arch="llama")
    gone = dataclasses.replace(model, id="gone", path=home.models / "gone.gguf")
    async with library(home.data / "jackdaw.db") as adapters:
        taken = await adapters.import_path(path, name="Poems & more", base_model="org/tiny")

        assert (taken.id, taken.arch, taken.rank, taken.alpha, taken.base_model) == (
            *("poems-more", "llama", 4, 6.0),
            "org/tiny",
        )
        assert taken.added_at == 12.0
        assert await adapters.list() == [taken]
        with pytest.raises(ModelExists, match="is here already, as poems-more"):
            await adapters.import_path(path)
        with pytest.raises(ModelNotFound, match="There is no adapter 'odes'"):
            await adapters.get("odes")
        other = dataclasses.replace(model, id="other", arch="qwen2")
        assert await adapters.fits_models(taken, [other, model, gone]) == ("base",)

        removed = await adapters.remove("poems-more", home.models)

        assert removed.file_deleted
        assert os.listdir(home.models) == []
        assert await adapters.list() == []


def test_an_adapter_fits_only_models_with_its_shapes(adapted: Mapping[str, Adapted], tiny_chat_gguf: Path) -> None:
    base = adapted["llama"].base
    shape = adapter_shape(read_header(adapted["llama"].adapter), "adapter.gguf")

    assert fits(shape, base.header)
    assert not fits(shape, read_header(tiny_chat_gguf))  # another architecture
    fewer = GgufHeader(3, 0, 32, 0, base.header.metadata, base.header.tensors[:-12])
    assert not fits(shape, fewer)
    wider = [tensor._replace(shape=tuple(2 * size for size in tensor.shape)) for tensor in base.header.tensors]
    assert not fits(shape, GgufHeader(3, 0, 32, 0, base.header.metadata, tuple(wider)))


async def test_what_is_no_adapter_is_not_taken_in(home: Paths, tiny_chat_gguf: Path) -> None:
    async with library(home.data / "jackdaw.db") as adapters:
        with pytest.raises(BadGguf, match="is no LoRA adapter"):
            await adapters.import_path(tiny_chat_gguf)

        assert await adapters.list() == []
