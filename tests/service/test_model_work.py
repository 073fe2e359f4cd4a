"""What is known, chosen, made and measured of models, through the control API of a real service."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from desktop.client import Client, ClientError
from desktop.paths import Paths
from desktop.wire_models import AdapterUse, ModelOptions
from tests.engine.tiny_adapter import write_tiny_adapter
from tests.service.hub_rig import NO_KEYRING, ended, files_below, sha256_of
from tests.service.running import RunningService, running


@pytest.fixture
def service(home: Paths, engine_environ: dict[str, str], tmp_path: Path) -> Iterator[RunningService]:
    # A home of its own: what the user who runs the tests has in other programs' stores is none of ours.
    environ = {**engine_environ, **NO_KEYRING, "HOME": str(tmp_path / "home")}
    with running(home, environ=environ, umask=0) as service:
        yield service


def test_options_are_chosen_kept_and_judged(service: RunningService, tiny_chat_gguf: Path) -> None:
    async def run(client: Client) -> None:
        model = await client.import_model(tiny_chat_gguf)
        assert await client.model_options(model.id) == ModelOptions()
        chosen = await client.set_model_options(model.id, ModelOptions(context=1024, slots=2))
        assert (chosen.context, chosen.slots) == (1024, 2)
        chosen = await client.set_model_options(model.id, ModelOptions(cache_type_k="q8_0", slots=None))
        assert (chosen.context, chosen.slots, chosen.cache_type_k) == (1024, None, "q8_0")
        remembered = await client.model_fit(model.id)
        other = await client.model_fit(model.id, ModelOptions(context=4096, slots=1))
        assert (remembered.context, remembered.cache_type_k, other.context) == (1024, "q8_0", 4096)
        assert other.devices[0].kv_bytes > remembered.devices[0].kv_bytes // remembered.slots
        assert (await client.model_options(model.id)).context == 1024  # a fit changes nothing
        loaded = await client.load_model(model.id)
        assert loaded.allocated_context == 1024
        for wrong in (ModelOptions(cache_type_k="q3_x"), ModelOptions(adapters=[AdapterUse(id="")])):
            with pytest.raises(ClientError) as error:
                await client.set_model_options(model.id, wrong)
            assert (error.value.kind, error.value.status) == ("bad_option", 400)

    service.use(run)


def test_details_say_what_the_file_says(service: RunningService, tiny_chat_gguf: Path) -> None:
    async def run(client: Client) -> None:
        model = await client.import_model(tiny_chat_gguf)
        details = await client.model_details(model.id)
        assert details.metadata["general.name"] == "Tiny Chat"
        assert details.metadata["tokenizer.ggml.tokens"] == "259 values"
        assert len(details.template_sha256) == 64
        assert "sandboxed" in details.jail
        types = await client.quant_types(model.id)
        assert types.refused == ""
        assert {"Q8_0", "Q4_K_M", "IQ4_XS"} <= {one.name for one in types.types}
        assert all(one.estimated_bytes and one.estimated_bytes < model.bytes for one in types.types)

    service.use(run)


def test_a_model_is_quantized_and_measured_in_one_go(
    service: RunningService, tiny_chat_gguf: Path, home: Paths
) -> None:
    async def run(client: Client) -> None:
        source = await client.import_model(tiny_chat_gguf)
        options = {"model": source.id, "to": ["q4_k"], "measure": True}
        job = await ended(client, (await client.start_job("quantize", options)).id)
        assert (job.state, job.title, job.subject) == ("done", "Tiny Chat to Q4_K_M", source.id), job
        assert job.result is not None
        made = {model.id: model for model in await client.models() if model.source == "made"}
        assert [model.quant for model in made.values()] == ["Q4_K_M"]
        assert set(job.result["models"]) == set(made)
        assert {model.source_model for model in made.values()} == {source.id}
        with pytest.raises(ClientError, match="quantized already"):
            await client.start_job("quantize", {"model": job.result["models"][0], "to": ["Q4_K_M"]})
        [measure] = [one for one in await client.jobs() if one.kind == "measure"]
        with pytest.raises(ClientError, match="needed") as error:
            await client.remove_model(source.id)
        assert error.value.kind == "model_in_use"
        assert (await client.cancel_job(measure.id)).state == "cancelled"
        short = {"models": job.result["models"], "chunks": 1, "prompts": ["Say hello."]}
        done = await ended(client, (await client.start_job("measure", short)).id)
        assert (done.state, done.result and done.result["failed"]) == ("done", []), done
        found = await client.measurements(job.result["models"][0])
        assert found.source_id == source.id
        assert {row.model_id for row in found.measurements} == {source.id, *made}
        assert all(row.tokens_per_s and row.peak_bytes and row.state == "done" for row in found.measurements)
        assert found.pick is not None
        assert {answer.model_id for answer in found.answers} == {source.id, *made}
        rows = {model.id: model for model in await client.models()}
        assert rows[found.pick.model_id].kl_divergence is not None
        assert rows[found.pick.model_id].speed_source == "measured"
        again = await ended(client, (await client.start_job("quantize", {"model": source.id, "to": ["Q4_K_M"]})).id)
        assert (again.state, "already" in again.error) == ("failed", True)  # it may be made in another way

    service.use(run)
    assert all(name.startswith("made-here/tiny-chat/") for name in files_below(home.models))
    for path in (home.models, *home.models.rglob("*"), *home.cache.rglob("*")):
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), path  # under umask 0 too


def test_splitting_and_merging_give_the_same_weights(service: RunningService, tiny_chat_gguf: Path) -> None:
    async def run(client: Client) -> None:
        whole = await client.import_model(tiny_chat_gguf)
        split = await ended(client, (await client.start_job("split", {"model": whole.id, "max_bytes": 1_000_000})).id)
        assert split.state == "done", split
        assert split.result is not None
        [parted] = split.result["models"]
        merged = await ended(client, (await client.start_job("merge", {"model": parted})).id)
        assert merged.state == "done", merged
        rows = {model.id: model for model in await client.models()}
        assert merged.result is not None
        back = rows[merged.result["models"][0]]
        assert (back.params, back.quant, back.source) == (whole.params, whole.quant, "made")
        with pytest.raises(ClientError, match="one file already"):
            await client.start_job("merge", {"model": whole.id})

    service.use(run)


def test_duplicates_are_named_merged_with_consent_and_deleting_knows_what_is_shared(
    service: RunningService, tiny_chat_gguf: Path, home: Paths, tmp_path: Path
) -> None:
    theirs, ours = tmp_path / "theirs", home.models / "acme" / "tiny" / ("a" * 40)
    for folder in (theirs, ours):
        folder.mkdir(parents=True, mode=0o700)
    one, other = theirs / "one.gguf", ours / "other.gguf"
    for copy in (one, other):
        shutil.copyfile(tiny_chat_gguf, copy)

    async def run(client: Client) -> None:
        assert (await client.stores()).scanned_at == 0
        await client.patch_settings({"model_folders": str(theirs)})
        model = await client.import_model(other)
        assert (await ended(client, (await client.start_job("scan")).id)).state == "done"
        report = await client.stores()
        [duplicate] = report.duplicates
        assert (duplicate.sha256, sorted(duplicate.paths)) == (sha256_of(one), sorted([str(one), str(other)]))
        assert duplicate.wasted_bytes >= one.stat().st_size
        assert [found.model_id for found in report.models if found.path == str(other)] == [model.id]
        with pytest.raises(ClientError, match="no such duplicates"):
            await client.start_job("merge_duplicates", {"sha256": ["0" * 64]})
        job = await client.start_job("merge_duplicates", {"sha256": [duplicate.sha256], "method": "hardlink"})
        merged = await ended(client, job.id)
        assert merged.state == "done", merged
        assert merged.result is not None
        assert merged.result["saved_bytes"] > 0
        assert one.stat().st_ino == other.stat().st_ino
        assert [dup.wasted_bytes for dup in (await client.stores()).duplicates] == [0]
        [row] = (await client.disk()).models
        assert (row.bytes, row.shared_with) == (0, [str(one)])
        removed = await client.remove_model(model.id)
        assert (removed.file_deleted, removed.freed_bytes, removed.shared_with) == (True, 0, [str(one)])

    service.use(run)
    assert (one.exists(), other.exists()) == (True, False)
    assert os.stat(one).st_size == tiny_chat_gguf.stat().st_size


def test_the_report_of_the_stores_outlives_the_service(
    home: Paths, engine_environ: dict[str, str], tiny_chat_gguf: Path, tmp_path: Path
) -> None:
    environ = {**engine_environ, **NO_KEYRING, "HOME": str(tmp_path)}
    shutil.copyfile(tiny_chat_gguf, home.models / "loose.gguf")
    with running(home, environ=environ) as service:

        async def scan(client: Client) -> float:
            await ended(client, (await client.start_job("scan")).id)
            return (await client.stores()).scanned_at

        at = service.use(scan)
    with running(home, environ=environ) as service:
        report = service.use(lambda client: client.stores())
    assert report.scanned_at == at > 0
    assert [model.path for model in report.models] == [str(home.models / "loose.gguf")]


def test_the_catalogue_is_judged_for_this_machine(service: RunningService) -> None:
    async def run(client: Client) -> None:
        everything, code = await client.catalogue(), await client.catalogue("code")
        assert len(everything.models) > len(code.models) > 3
        assert all("code" in model.tasks for model in code.models)
        assert any(model.verdict == "too_large" for model in everything.models)
        found = await client.suggestions()
        assert found.memory_bytes > 0
        assert {"chat", "embedding"} <= {one.task for one in found.suggestions}
        assert all(one.reason.endswith(".") and one.model.verdict != "too_large" for one in found.suggestions)
        assert {one.task for one in (await client.suggestions("rerank")).suggestions} <= {"rerank"}
        with pytest.raises(ClientError, match="task"):
            await client.catalogue("poetry")

    service.use(run)


@pytest.mark.parametrize(
    ("kind", "options", "said"),
    [
        ("quantize", {"model": "tiny-chat", "to": []}, "No quantization"),
        ("quantize", {"model": "tiny-chat", "to": ["Q9"]}, "Q9"),
        ("quantize", {"model": "tiny-chat", "to": ["IQ2_XXS"]}, "importance matrix"),
        ("quantize", {"model": "tiny-chat", "to": ["Q8_0"], "imatrix": "some/text"}, "absolute"),
        ("quantize", {"model": "none", "to": ["Q8_0"]}, "none"),
        ("quantize", {"model": "tiny-chat", "to": ["Q8_0"], "speed": 3}, "speed"),
        ("split", {"model": "tiny-chat", "max_bytes": 5}, "max_bytes"),
        ("measure", {"models": []}, "models"),
        ("measure", {"models": ["tiny-chat"], "prompts": ["x"] * 51}, "prompts"),
        ("convert", {"path": "here"}, "absolute"),
        ("convert", {"path": "/proc"}, "conversion scripts|config.json"),
        ("convert", {"path": "/tmp", "out_type": "q2"}, "out_type"),
        ("scan", {"folders": ["here"]}, "absolute"),
        ("download", {"repo": "acme/tiny", "files": "x"}, "list"),
        ("download", {"repo": "acme/tiny", "files": ["x.exe"]}, "x.exe"),
    ],
)
def test_options_that_cannot_be_are_refused_before_a_job_is_made(
    shared: RunningService, kind: str, options: dict[str, object], said: str
) -> None:
    async def run(client: Client) -> None:
        with pytest.raises(ClientError, match=said) as error:
            await client.start_job(kind, options)
        assert error.value.status < 500 or error.value.kind.endswith("_failed"), error.value
        assert await client.jobs() == []

    shared.use(run)


@pytest.fixture(scope="module")
def shared(module_home: Paths, engine_environ: dict[str, str], tiny_chat_gguf: Path) -> Iterator[RunningService]:
    with running(module_home, environ={**engine_environ, **NO_KEYRING}) as started:
        started.use(lambda client: client.import_model(tiny_chat_gguf))
        yield started


def test_an_adapter_is_taken_in_attached_and_detached_when_it_goes(
    service: RunningService, tiny_chat_gguf: Path, tmp_path: Path
) -> None:
    file = write_tiny_adapter(tmp_path / "poems.gguf")

    async def run(client: Client) -> None:
        model = await client.import_model(tiny_chat_gguf)
        job = await ended(client, (await client.start_job("adapter", {"path": str(file), "name": "Poems"})).id)
        assert job.state == "done", job
        [adapter] = await client.adapters()
        assert (adapter.id, adapter.name, adapter.arch, adapter.fits_models) == ("poems", "Poems", "qwen2", [model.id])
        await client.set_model_options(model.id, ModelOptions(adapters=[AdapterUse(id=adapter.id, scale=0.5)]))
        assert (await client.load_model(model.id)).state == "ready"
        [child] = service.children()
        assert any(str(file) in argument for argument in child.cmdline())
        removed = await client.remove_adapter(adapter.id)
        assert removed.id == adapter.id
        assert await client.adapters() == []
        assert not (await client.model_options(model.id)).adapters
        with pytest.raises(ClientError) as error:
            await client.remove_adapter(adapter.id)
        assert error.value.status == 404
        with pytest.raises(ClientError, match="no adapter"):
            await client.start_job("adapter", {"path": str(tmp_path)})

    service.use(run)
    assert file.exists()  # it lies elsewhere


def test_logits_nobody_goes_on_with_are_gone_with_the_next_start(home: Paths, engine_environ: dict[str, str]) -> None:
    folder = home.cache / "measure"
    folder.mkdir(mode=0o700)
    for name in ("a.logits", "b.logits.part"):
        (folder / name).write_bytes(b"gigabytes")

    with running(home, environ={**engine_environ, **NO_KEYRING}):
        assert list(folder.iterdir()) == []
