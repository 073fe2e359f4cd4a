"""What is loaded beside a model, with the real engine: adapters by scale and request, draft models, changed options."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from desktop.paths import Paths
from engine.adapters import with_adapters, with_scales
from engine.errors import BadOption
from engine.fit_shape import shape_of
from engine.llama_server import LlamaServer
from engine.model_options import AdapterUse, ModelOptions, needs_reload
from engine.types import LoadedAdapter
from models.errors import ModelNotFound
from models.gguf import read_header
from models.tiny_model import TINY, write_tiny_model
from tests.engine.rig import Rig, chat, library_model, rig, until
from tests.engine.tiny_adapter import write_tiny_adapter

POEMS, LAW = LoadedAdapter("poems", Path("/poems.gguf"), 0.5), LoadedAdapter("law", Path("/law.gguf"), 0.0)


class Chosen:
    """Options by model id and adapters by name, as the service would keep them."""

    def __init__(self, adapters: dict[str, Path]) -> None:
        self.options: dict[str, ModelOptions] = {}
        self.adapters = adapters

    async def of(self, model_id: str) -> ModelOptions:
        return self.options.get(model_id, ModelOptions())

    async def path(self, adapter_id: str) -> Path:
        if adapter_id not in self.adapters:
            raise ModelNotFound(f"No adapter is called {adapter_id}.")
        return self.adapters[adapter_id]


@asynccontextmanager
async def loading(
    home: Paths, engine_bin: Path, models: dict[str, Path], adapters: dict[str, Path] | None = None
) -> AsyncIterator[tuple[Rig, Chosen]]:
    chosen = Chosen(adapters or {})
    library = {name: library_model(name, path) for name, path in models.items()}
    async with rig(home, engine_bin, library, options=chosen.of, adapter_path=chosen.path) as made:
        yield made, chosen


async def said(server: LlamaServer, **fields: Any) -> str:
    payload = server.with_adapters({**chat("Tell me.", max_tokens=12, seed=1), **fields})
    status, value = await server.upstream.json("POST", "/v1/chat/completions", payload)
    assert status == 200, value
    return str(value["choices"][0]["message"]["content"])


def test_requests_get_the_numbers_of_the_child() -> None:
    made = with_adapters({"messages": []}, (POEMS, LAW), "m")
    assert made["lora"] == [{"id": 0, "scale": 0.5}, {"id": 1, "scale": 0.0}]
    made = with_adapters({"lora": [{"id": "law", "scale": 2.0}]}, (POEMS, LAW), "m")
    assert made["lora"] == [{"id": 0, "scale": 0.0}, {"id": 1, "scale": 2.0}]
    assert "lora" not in with_adapters({"messages": []}, (), "m")
    assert with_scales((POEMS, LAW), [AdapterUse("law", 3.0)]) == (replace(POEMS, scale=0.0), replace(LAW, scale=3.0))


def test_an_adapter_that_is_not_loaded_is_refused_with_what_is() -> None:
    with pytest.raises(BadOption, match="poems"):
        with_adapters({"lora": [{"id": "songs"}]}, (POEMS,), "m")


@pytest.mark.parametrize(
    ("after", "reload"),
    [
        (ModelOptions(adapters=(AdapterUse("a", 0.1),)), False),
        (ModelOptions(adapters=(AdapterUse("b"),)), True),
        (ModelOptions(adapters=(AdapterUse("a"),), context=512), True),
        (ModelOptions(), True),
    ],
)
def test_only_scales_change_while_a_model_runs(after: ModelOptions, reload: bool) -> None:
    assert needs_reload(ModelOptions(adapters=(AdapterUse("a"),)), after) is reload


def test_adapters_change_what_is_said_by_scale_and_by_request(
    home: Paths, engine_bin: Path, tiny_chat_gguf: Path, tmp_path: Path
) -> None:
    adapter = write_tiny_adapter(tmp_path / "poems, all.gguf")

    async def go() -> None:
        async with loading(home, engine_bin, {"m": tiny_chat_gguf}, {"poems": adapter}) as (made, chosen):
            async with made.scheduler.hold("m") as server:
                plain = await said(server)
            chosen.options["m"] = ModelOptions(adapters=(AdapterUse("poems", 1.0),))
            await made.scheduler.options_changed("m")
            assert made.scheduler.state("m").options_wait

            async with made.scheduler.hold("m") as server:
                assert [one.id for one in server.adapters] == ["poems"]
                applied = await said(server)
                assert applied != plain
                assert await said(server, lora=[{"id": "poems", "scale": 0.0}]) == plain
                assert await said(server, lora=[]) == plain
                both = await asyncio.gather(said(server), said(server, lora=[]))
                assert list(both) == [applied, plain]  # side by side in two slots

                pid = server.pid
                chosen.options["m"] = ModelOptions(adapters=(AdapterUse("poems", 0.0),))
                await made.scheduler.options_changed("m")
                assert await said(server) == plain  # another scale needs no other load
                assert (server.pid, made.scheduler.state("m").options_wait) == (pid, False)

    asyncio.run(go())


def test_changed_options_wait_for_the_last_holder_and_hold_for_the_next(
    home: Paths, engine_bin: Path, tiny_chat_gguf: Path
) -> None:
    async def go() -> None:
        async with loading(home, engine_bin, {"m": tiny_chat_gguf}) as (made, chosen):
            async with made.scheduler.hold("m") as server:
                assert (server.allocated_context, server.slots) == (512, 2)
                chosen.options["m"] = ModelOptions(context=1024, slots=1, cache_type_k="q8_0", cache_type_v="q8_0")
                await made.scheduler.options_changed("m")
                async with made.scheduler.hold("m") as same:
                    assert same is server  # held by somebody: nothing is taken away
                assert made.scheduler.state("m").options_wait
            async with made.scheduler.hold("m") as server:
                assert (server.allocated_context, server.slots) == (1024, 1)
                assert "q8_0" in server.argv
                assert not made.scheduler.state("m").options_wait

            chosen.options["m"] = ModelOptions()
            await made.scheduler.options_changed("m")
            chosen.options["m"] = ModelOptions(context=1024, slots=1, cache_type_k="q8_0", cache_type_v="q8_0")
            await made.scheduler.options_changed("m")
            assert not made.scheduler.state("m").options_wait  # changed back: nothing is left to be done

    asyncio.run(go())


def test_a_draft_model_drafts(home: Paths, engine_bin: Path, tiny_chat_gguf: Path, tmp_path: Path) -> None:
    # the same weights: everything it drafts is taken
    draft = write_tiny_model(tmp_path / "draft.gguf")

    async def go() -> None:
        async with loading(home, engine_bin, {"m": tiny_chat_gguf, "draft": draft}) as (made, chosen):
            async with made.scheduler.hold("m") as server:
                plain = await said(server)
            chosen.options["m"] = ModelOptions(draft_model="draft")
            await made.scheduler.options_changed("m")
            async with made.scheduler.hold("m") as server:
                payload = chat("Tell me.", max_tokens=12, seed=1)
                _, value = await server.upstream.json("POST", "/v1/chat/completions", payload)
            assert value["choices"][0]["message"]["content"] == plain
            assert value["timings"]["draft_n"] > 0
            assert value["timings"]["draft_n_accepted"] > 0

    asyncio.run(go())


def test_what_is_gone_is_left_out_and_told(home: Paths, engine_bin: Path, tiny_chat_gguf: Path) -> None:
    async def go() -> None:
        async with loading(home, engine_bin, {"m": tiny_chat_gguf}) as (made, chosen):
            chosen.options["m"] = ModelOptions(draft_model="gone", adapters=(AdapterUse("lost"),))
            async with made.scheduler.hold("m") as server:
                assert "--model-draft" not in server.argv
            note = made.scheduler.state("m").note
            assert "gone" in note
            assert "lost" in note

    asyncio.run(go())


def test_a_draft_model_of_another_vocabulary_is_refused_before_anything_is_started(
    home: Paths, engine_bin: Path, tiny_chat_gguf: Path, tmp_path: Path
) -> None:
    other = write_tiny_model(tmp_path / "other.gguf", shape=replace(TINY, vocabulary=1000))

    async def go() -> None:
        async with loading(home, engine_bin, {"m": tiny_chat_gguf, "other": other}) as (made, chosen):
            chosen.options["m"] = ModelOptions(draft_model="other")
            with pytest.raises(BadOption, match="vocabulary"):
                async with made.scheduler.hold("m"):
                    pass
            assert made.pids("m") == set()

    asyncio.run(go())


def test_the_fit_of_a_model_counts_what_comes_with_it(
    home: Paths, engine_bin: Path, tiny_chat_gguf: Path, tmp_path: Path
) -> None:
    draft = write_tiny_model(tmp_path / "draft.gguf")

    async def go() -> None:
        async with loading(home, engine_bin, {"m": tiny_chat_gguf, "draft": draft}) as (made, _):
            alone = await made.scheduler.fit("m", ModelOptions(context=1024))
            drafted = await made.scheduler.fit("m", ModelOptions(context=1024, draft_model="draft"))
            shorter = await made.scheduler.fit("m", ModelOptions(context=512))
            assert alone.verdict == drafted.verdict == "fits"
            assert drafted.needed_bytes >= alone.needed_bytes + shape_of(read_header(draft)).weights_bytes
            assert shorter.needed_bytes < alone.needed_bytes
            assert drafted.devices[0].draft_bytes > 0
            async with made.scheduler.hold("m"):
                await until(lambda: made.scheduler.state("m").rss_bytes > 0)
                assert (await made.scheduler.fit("m")).verdict == "fits"  # its own memory is its own

    asyncio.run(go())
