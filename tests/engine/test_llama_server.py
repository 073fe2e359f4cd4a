"""One child: what it is told, what it may know, what it promises, and that it never outlives the service."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from desktop.paths import Paths
from engine.errors import LoadFailed
from engine.fit import Wishes
from engine.launch_args import FORBIDDEN
from engine.llama_server import Patience
from tests.engine.rig import QUICK, alive, library_model, rig, stub_engine, until
from tests.models.test_child import SECRETS

# ruff: noqa: SIM117 - a rig and what is held in it read better apart
pytestmark = pytest.mark.anyio


@pytest.mark.accept(9)
@pytest.mark.accept(33)
async def test_what_the_running_child_was_told_and_knows(home: Paths, engine_bin: Path, tiny_chat_gguf: Path) -> None:
    environ = {name: f"planted-{index}" for index, name in enumerate(SECRETS)}
    async with rig(home, engine_bin, {"a": library_model("a", tiny_chat_gguf)}, environ=environ) as loading:
        async with loading.scheduler.hold("a") as server:
            proc = Path(f"/proc/{server.pid}")
            command = (proc / "cmdline").read_text().split("\0")[:-1]
            environment = (proc / "environ").read_text()
            limits = (proc / "limits").read_text()
            _, props = await server.upstream.json("GET", "/props")

    assert command == list(server.argv)
    assert not [item for item in command if item.startswith(FORBIDDEN) and item != "--api-key-file"]
    assert {"--offline", "--no-ui", "--api-key-file"} <= set(command)
    assert command[command.index("--host") + 1].endswith(".sock")
    assert "planted" not in environment
    for required in ("HF_HUB_DISABLE_TELEMETRY=1", "DO_NOT_TRACK=1", "ANONYMIZED_TELEMETRY=False", "HF_HUB_OFFLINE=1"):
        assert required in environment.split("\0")
    assert next(line for line in limits.splitlines() if "core" in line).split()[4:6] == ["0", "0"]
    assert props["endpoint_props"] is False
    assert props["ui"] is False


@pytest.mark.parametrize("kind", ["embedding", "rerank"])
async def test_the_longest_text_passes_in_one_piece(home: Paths, engine_bin: Path, kind: str, request) -> None:
    path: Path = request.getfixturevalue(f"tiny_{kind}_gguf")
    settings = replace(QUICK, wishes=Wishes(context=1024, slots=2))
    async with rig(home, engine_bin, {"e": library_model("e", path, kind)}, settings) as loading:
        async with loading.scheduler.hold("e") as server:
            assert server.allocated_context == 1024
            text = "y" * (1024 - 40)  # more than llama-server's physical batch of 512, one token per byte
            if kind == "embedding":
                status, answer = await server.upstream.json("POST", "/v1/embeddings", {"input": [text, "short"]})
                assert [len(item["embedding"]) for item in answer["data"]] == [256, 256]
            else:
                body = {"query": "q", "documents": [text, "short"]}
                status, answer = await server.upstream.json("POST", "/v1/rerank", body)
                assert len(answer["results"]) == 2
    assert status == 200


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux; elsewhere the reaper ends them")
async def test_kill_9_of_the_service_leaves_no_engine(home: Paths, engine_bin: Path, tiny_chat_gguf: Path) -> None:
    code = f"""
import asyncio
from pathlib import Path
from desktop.paths import find_paths
from tests.engine.rig import library_model, rig
async def main():
    model = library_model("a", Path({str(tiny_chat_gguf)!r}))
    async with rig(find_paths(Path({str(home.data)!r})), Path({str(engine_bin)!r}), {{"a": model}}) as loading:
        async with loading.scheduler.hold("a") as server:
            print(server.pid, flush=True)
            await asyncio.sleep(600)
asyncio.run(main())
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=os.environ) as service:
        assert service.stdout is not None
        pid = int(service.stdout.readline())
        assert alive(pid)
        service.kill()

    await until(lambda: not alive(pid), timeout_s=5)


async def test_a_child_stopped_while_loading_is_given_up(home: Paths, tmp_path: Path, tiny_chat_gguf: Path) -> None:
    # It listens and accepts, but never answers: as a child does that was stopped or waits for a dead disk.
    engine = stub_engine(tmp_path / "bin", "")
    (engine / "llama-server").write_text(
        f"#!{sys.executable} -I\n"
        "import signal, socket, sys\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "server = socket.socket(socket.AF_UNIX)\n"
        "server.bind(sys.argv[sys.argv.index('--host') + 1])\n"
        "server.listen()\n"
        "signal.pause()\n"
    )
    patience = Patience(stall_s=0.5, grace_s=0.2, health_timeout_s=0.3)
    settings = replace(QUICK, patience=patience)
    async with rig(home, engine, {"a": library_model("a", tiny_chat_gguf)}, settings) as loading:
        with pytest.raises(LoadFailed, match="nothing moved") as failed:
            await loading.scheduler.load("a")
    assert failed.value.signal_name == "SIGKILL"
