"""An engine that is missing or does not compute: said in words, and nothing is loaded with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from desktop.client import Client, ClientError
from desktop.paths import Paths
from tests.service.running import answer, eventually, running


def crashing_build(folder: Path) -> Path:
    """A build whose programs die as one does that was made for another processor."""
    folder.mkdir()
    for name in ("llama-server", "llama-quantize", "llama-bench"):
        program = folder / name
        program.write_text("#!/bin/sh\nkill -ILL $$\n")
        program.chmod(0o755)
    return folder


def test_a_build_that_crashes_is_never_used_and_the_doctor_says_so(
    home: Paths, tmp_path: Path, tiny_chat_gguf: Path
) -> None:
    environ = {"JACKDAW_ENGINE": str(crashing_build(tmp_path / "bin")), "JACKDAW_ENGINE_CACHE": str(tmp_path / "cache")}
    with running(home, environ=environ) as service:

        async def run(client: Client) -> None:
            model = await client.import_model(tiny_chat_gguf)
            with pytest.raises(ClientError) as error:
                await client.load_model(model.id)
            assert (error.value.kind, error.value.status) == ("engine_unproven", 503)
            assert "SIGILL" in error.value.message
            health = await client.health()
            assert (health.status, health.engine.proven) == ("degraded", False)
            assert "SIGILL" in health.engine.reason
            report = await client.doctor()
            assert not report.ok
            assert any("SIGILL" in check.detail for check in report.checks)
            chat = await client.new_chat()
            failed = await answer(client, chat.id, "anybody?")
            assert (failed.state, "SIGILL" in failed.error) == ("failed", True)

        service.use(run)
        assert service.children() == []


def test_without_an_engine_everything_but_models_works(home: Paths, tmp_path: Path, tiny_chat_gguf: Path) -> None:
    environ = {"JACKDAW_ENGINE": "", "JACKDAW_ENGINE_CACHE": str(tmp_path / "cache")}
    with running(home, environ=environ) as service:

        async def run(client: Client) -> None:
            model = await client.import_model(tiny_chat_gguf)
            with pytest.raises(ClientError) as error:
                await client.load_model(model.id)
            assert (error.value.kind, error.value.status) == ("engine_missing", 503)
            assert error.value.hint
            assert (await client.health()).status == "degraded"
            report = await client.doctor()
            assert (report.ok, report.build) == (False, "")
            with pytest.raises(ClientError):
                await client.load_model(model.id)

        service.use(run)


def test_the_proof_runs_in_the_background_and_is_told(
    home: Paths, engine_environ: dict[str, str], tmp_path: Path
) -> None:
    environ = {**engine_environ, "JACKDAW_ENGINE_CACHE": str(tmp_path / "cache")}
    with running(home, environ=environ) as service:
        eventually(lambda: service.use(lambda client: client.health()).status == "ok", 60)
        report = service.use(lambda client: client.doctor())
        assert report.ok
        assert {"Memory"} <= {device.name for device in report.devices}
        assert report.tuning["source"]
