"""Import and bench as jobs of a running service, and models through its control API."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from pathlib import Path

import psutil
import pytest

from desktop.client import Client, ClientError
from desktop.paths import Paths
from desktop.wire import Event, Job
from tests.service.running import RunningService, eventually_async, running


async def final(client: Client, job_id: str) -> Job:
    async def over() -> Job | None:
        job = await client.job(job_id)
        return job if job.state in ("done", "failed", "cancelled") else None

    job = await eventually_async(over, 60)
    assert job is not None
    return job


def test_an_import_job_brings_a_model_and_tells_of_it(
    service: RunningService, tiny_chat_gguf: Path, tmp_path: Path
) -> None:
    copy = shutil.copy(tiny_chat_gguf, tmp_path / "Copy of Tiny.gguf")

    async def run(client: Client) -> None:
        heard: list[Event] = []
        ready = asyncio.Event()

        async def listen() -> None:
            async with contextlib.aclosing(client.events()) as events:
                async for event in events:
                    ready.set()
                    heard.append(event)
                    if event.type == "job" and event.data["state"] == "done":
                        return

        listening = asyncio.create_task(listen())
        await asyncio.wait_for(ready.wait(), 10)
        job = await final(client, (await client.start_job("import", {"path": str(copy)})).id)
        await asyncio.wait_for(listening, 10)

        assert job.state == "done", job.error
        assert job.result is not None
        model_id = job.result["model"]["id"]
        assert "library" in [event.type for event in heard]
        with pytest.raises(ClientError) as error:
            await client.import_model(Path(copy))
        assert (error.value.kind, error.value.details["model_id"]) == ("model_exists", model_id)
        removed = await client.remove_model(model_id)
        assert (removed.file_deleted, Path(copy).exists()) == (False, True)

    service.use(run)


def test_a_bench_job_measures_the_model(service: RunningService) -> None:
    async def run(client: Client) -> None:
        options = {"model": (await client.models())[0].id, "prompt_tokens": 32, "generate_tokens": 16, "repetitions": 1}
        job = await final(client, (await client.start_job("bench", options)).id)
        assert job.state == "done", f"{job.error} {job.hint}"
        assert job.result is not None
        assert job.result["prompt_tokens_per_s"] > 0
        assert job.result["tokens_per_s"] > 0
        assert (job.result["prompt_tokens"], job.result["generate_tokens"]) == (32, 16)

    service.use(run)


def test_a_cancelled_bench_stops_its_child(service: RunningService) -> None:
    def benches() -> list[psutil.Process]:
        found = psutil.Process(service.process.pid).children(recursive=True)
        return [child for child in found if "llama-bench" in child.name()]

    async def run(client: Client) -> None:
        options = {"model": (await client.models())[0].id, "generate_tokens": 100_000, "repetitions": 100}
        job = await client.start_job("bench", options)

        async def started() -> bool:
            return bool(await asyncio.to_thread(benches))

        await eventually_async(started)
        assert (await client.cancel_job(job.id)).state == "cancelled"
        assert benches() == []

    service.use(run)


def test_jobs_with_wrong_options_are_refused_in_words(service: RunningService) -> None:
    async def run(client: Client) -> None:
        for kind, options, said in (
            ("import", {}, "path"),
            ("bench", {"model": "none"}, "none"),
            ("bench", {"repetitions": -1}, "repetitions"),
        ):
            with pytest.raises(ClientError, match=said):
                await client.start_job(kind, options)
        job = await final(client, (await client.start_job("import", {"path": "/nowhere/model.gguf"})).id)
        assert (job.state, "nowhere" in job.error) == ("failed", True), job

    service.use(run)


def test_a_model_is_loaded_shown_unloaded_and_forgotten(
    home: Paths, engine_environ: dict[str, str], tiny_chat_gguf: Path
) -> None:
    with running(home, environ=engine_environ) as service:

        async def run(client: Client) -> None:
            imported = await client.import_model(tiny_chat_gguf)
            assert (imported.loaded, imported.state, imported.allocated_context) == (False, "unloaded", None)
            assert imported.needed_bytes is not None
            assert imported.fits
            loaded = await client.load_model(imported.id)
            assert (loaded.loaded, loaded.state) == (True, "ready")
            assert loaded.allocated_context is not None
            assert 0 < loaded.allocated_context <= loaded.context_length
            assert len(await client.model_log(imported.id)) > 3
            status = await client.status()
            assert status.memory.engine_bytes > 0
            unloaded = await client.unload_model(imported.id)
            assert (unloaded.loaded, unloaded.state) == (False, "unloaded")
            await client.load_model(imported.id)
            await client.remove_model(imported.id)
            assert await client.models() == []

        service.use(run)
        assert service.children() == []
    assert tiny_chat_gguf.exists()
