"""The whole way with other programs' models: looked for, used where they lie, shared on request, deleted knowingly."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from desktop.client import Client
from desktop.paths import Paths
from desktop.wire import Job, NewChat, SamplingParameters
from tests.models.stores.layouts import Ollama, lm_studio, sha256, snapshot
from tests.service.hub_rig import ended
from tests.service.running import answer, running


def test_models_of_other_programs_are_used_merged_and_deleted_knowingly(
    home: Paths, engine_environ: dict[str, str], tiny_chat_gguf: Path, tmp_path: Path
) -> None:
    user = tmp_path / "user"
    ollama = Ollama(user / ".ollama/models")
    blob = ollama.pull("llama3.2:3b", {"model": tiny_chat_gguf})
    blob.chmod(0o600)
    studio = lm_studio(user / ".lmstudio/models", "org/Tiny-GGUF/Tiny-F16.gguf", tiny_chat_gguf)
    own = home.models / "org/Tiny-GGUF" / ("c0ffee" + "0" * 34) / "Tiny-F16.gguf"
    own.parent.mkdir(parents=True)
    shutil.copyfile(tiny_chat_gguf, own)
    stores = (user / ".ollama", user / ".lmstudio")
    before = snapshot(*stores)
    # This machine's own settings for other programs have no say in a test.
    environ = {**engine_environ, "HOME": str(user), "XDG_CACHE_HOME": str(user / ".cache")}
    environ |= dict.fromkeys(("OLLAMA_MODELS", "LLAMA_CACHE", "HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"), "")

    async def use(client: Client) -> None:
        assert (await client.stores()).scanned_at == 0
        await done(client, "scan", {})
        report = await client.stores()
        found = {model.path: model for model in report.models}
        assert {path: (model.store, model.problem) for path, model in found.items()} == {
            str(blob): ("ollama", ""),
            str(studio): ("lm-studio", ""),
            str(own): ("jackdaw", ""),
        }
        (twins,) = report.duplicates
        assert set(twins.paths) == set(found) and twins.wasted_bytes >= 2 * twins.bytes

        taken = (await done(client, "import", {"path": str(blob)})).result
        assert taken is not None and taken["model"]["id"] == "llama3.2-3b"
        await client.remove_model("llama3.2-3b")
        model = await client.import_model(blob)
        assert (model.id, model.source, model.path, model.has_projector) == ("llama3.2-3b", "ollama", str(blob), False)
        chat = await client.new_chat(NewChat(parameters=SamplingParameters(max_tokens=4)))
        assert (await answer(client, chat.id, "hello")).state == "complete"
        await client.unload_model(model.id)
        assert snapshot(*stores) == before

        job = await done(client, "merge_duplicates", {"sha256": [twins.sha256]})
        assert job.result is not None and job.result["saved_bytes"] == twins.wasted_bytes
        assert job.result["left"] == []
        assert [one.wasted_bytes for one in (await client.stores()).duplicates] == [0]

    with running(home, environ=environ) as service:
        service.use(use)

    async def after_a_restart(client: Client) -> None:
        assert len((await client.stores()).models) == 3
        (room,) = (await client.disk()).models
        assert (room.store, room.bytes) == ("ollama", 0) and {str(studio), str(own)} <= set(room.shared_with)
        removed = await client.remove_model("llama3.2-3b")
        assert (removed.file_deleted, removed.freed_bytes) == (False, 0)
        assert removed.shared_with == []  # nothing of theirs was deleted
        mine = await client.import_model(own)
        assert (mine.repo, mine.source) == ("org/Tiny-GGUF", "hub")
        gone = await client.remove_model(mine.id)
        assert (gone.file_deleted, gone.freed_bytes) == (True, 0)
        assert {str(blob), str(studio)} <= set(gone.shared_with)

    with running(home, environ=environ) as service:
        service.use(after_a_restart)
    assert not own.exists() and list(home.models.iterdir()) == []
    assert sha256(blob.read_bytes()) == sha256(studio.read_bytes()) == blob.name.removeprefix("sha256-")
    assert json.loads((ollama.folder / "manifests/registry.ollama.ai/library/llama3.2/3b").read_text())["layers"]


async def done(client: Client, kind: str, options: dict[str, object]) -> Job:
    job = await ended(client, (await client.start_job(kind, options)).id)
    assert job.state == "done", job
    return job
