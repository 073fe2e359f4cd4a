"""A model runs locked in where the kernel and the engine allow it, and what a hostile model carries runs nowhere."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest

from desktop.paths import Paths
from engine.errors import LoadFailed
from models.jail.state import jail_state
from models.tiny_model import write_tiny_model
from tests.engine.rig import library_model, rig

pytestmark = pytest.mark.anyio

# Server-side template injection as it works where templates are rendered by Python's Jinja (CVE-2024-34359).
SSTI = {
    "subclasses": "{% for x in ().__class__.__base__.__subclasses__() %}{{ x('touch CANARY') }}{% endfor %}",
    "globals": "{{ cycler.__init__.__globals__.os.popen('touch CANARY').read() }}",
    "builtins": "{{ self.__init__.__globals__['__builtins__']['open']('CANARY', 'w') }}",
    "attributes": "{{ messages | attr('__class__') | attr('__init__') }}{% set x = 'open' %}{% include 'CANARY' %}",
    "names": "{{ messages[0]['__class__'] }}{{ open }}{{ messages[0]['content'] }}",
}
LOADS = "names"


@pytest.mark.accept(17)
async def test_llama_server_is_locked_in(home: Paths, engine_bin: Path, tiny_chat_gguf: Path) -> None:
    """No new rights, a system call filter, and a network of its own in which there is nothing."""
    if (state := await jail_state()).level != "sandboxed":
        pytest.skip(f"this kernel does not offer a whole sandbox: {state.sentence}")
    if not (engine_bin.parent / "build.json").exists():
        pytest.skip("the engine is somebody else's build, which is not locked in")
    async with (
        rig(home, engine_bin, {"tiny": library_model("tiny", tiny_chat_gguf)}) as made,
        made.scheduler.hold("tiny") as server,
    ):
        status, answer = await server.upstream.json("POST", "/completion", {"prompt": "hello", "n_predict": 4})
        fields = dict(line.split(":\t", 1) for line in Path(f"/proc/{server.pid}/status").read_text().splitlines())
        own_network = os.readlink(f"/proc/{server.pid}/ns/net") != os.readlink("/proc/self/ns/net")

    assert (status, answer["tokens_predicted"]) == (200, 4)
    assert (fields["NoNewPrivs"].strip(), fields["Seccomp"].strip()) == ("1", "2")
    assert own_network is ("network" in state.layers)


@pytest.mark.accept(18)
@pytest.mark.parametrize("attack", SSTI)
async def test_a_template_that_attacks_its_renderer_creates_nothing(
    attack: str, home: Paths, engine_bin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model is refused, or loads and is chatted with: what its template wants made is never there."""
    canary = tmp_path / "canary"
    template = SSTI[attack].replace("CANARY", str(canary))
    path = write_tiny_model(tmp_path / "hostile.gguf", chat_template=template)
    monkeypatch.chdir(tmp_path)
    request = {"messages": [{"role": "user", "content": template}], "max_tokens": 4}
    status = 0
    async with rig(home, engine_bin, {"hostile": library_model("hostile", path)}) as made:
        with contextlib.suppress(LoadFailed):
            async with made.scheduler.hold("hostile") as server:
                status, _ = await server.upstream.json("POST", "/v1/chat/completions", request)

    assert sorted(os.listdir(tmp_path)) == ["hostile.gguf"]
    if attack == LOADS:
        assert status == 200
