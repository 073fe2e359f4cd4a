"""One llama-server started only to be tried: small, on a Unix socket, its whole log read for what it says of itself."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import secrets
from collections import deque
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from engine.errors import EngineError, EngineStopped
from engine.upstream import Upstream
from models.child import Child, ChildSpec, Ending, clean_environment, spawn

START_S = 90.0
_DEVICE = re.compile(r" - (\w+?)(\d*)\s*: .*MiB free\)")
_FEATURE = re.compile(r"(\w+) = (\d+)")
_BACKENDS = {"CUDA": "CUDA", "Vulkan": "Vulkan", "MTL": "Metal", "Metal": "Metal", "ROCm": "HIP", "HIP": "HIP"}


class Died(EngineError):
    """The child ended by itself: `ending` says how, `log_tail` what it said last."""

    kind = "engine_died"

    def __init__(self, message: str, *, ending: Ending, log_tail: tuple[str, ...]) -> None:
        super().__init__(message)
        self.ending = ending
        self.log_tail = log_tail


class ProofServer:
    """A running llama-server of the build under test. `features` and `backend` are what its log told."""

    def __init__(self) -> None:
        self.features: tuple[str, ...] = ()
        self.backend = "CPU"
        self._tail: deque[str] = deque(maxlen=40)
        self._child: Child | None = None
        self._upstream: Upstream | None = None

    async def ask(self, target: str, payload: object) -> object:
        """POST and return the JSON answer. Raises Died when the child ended over it, EngineError on a refusal."""
        assert self._upstream is not None
        try:
            status, answer = await self._upstream.json("POST", target, payload, timeout_s=START_S)
        except EngineStopped:
            await self._raise_if_dead(f"answering {target}")
            raise
        if status != 200:
            raise EngineError(f"{target} answered with status {status}: {str(answer)[:300]}")
        return answer

    async def _wait_healthy(self) -> None:
        assert self._upstream is not None
        async with asyncio.timeout(START_S):
            while True:
                with contextlib.suppress(EngineStopped):
                    status, _ = await self._upstream.json("GET", "/health", timeout_s=START_S)
                    if status == 200:
                        return
                await self._raise_if_dead("loading the model", wait_s=0.02)

    async def _raise_if_dead(self, doing: str, wait_s: float = 2.0) -> None:
        """A broken connection arrives a moment before the child's end does: give it that moment."""
        assert self._child is not None
        with contextlib.suppress(TimeoutError):
            ending = await asyncio.wait_for(self._child.wait(), wait_s)
            raise Died(f"{ending.sentence[:-1]} while {doing}.", ending=ending, log_tail=tuple(self._tail))

    def _on_line(self, line: str) -> None:
        self._tail.append(line)
        if "system_info:" in line:
            self.features = tuple(name for name, value in _FEATURE.findall(line) if value != "0")
        elif (found := _DEVICE.search(line)) and found[1] in _BACKENDS:
            self.backend = _BACKENDS[found[1]]

    @contextlib.asynccontextmanager
    async def running(self, program: Path, arguments: Sequence[str], work_dir: Path) -> AsyncIterator[ProofServer]:
        """Start `program` with `arguments` besides socket, key and log level; stops it at the end."""
        socket_path, key_path, key = work_dir / "proof.sock", work_dir / "proof.key", secrets.token_hex(16)
        socket_path.unlink(missing_ok=True)
        key_path.write_text(key, encoding="utf-8")
        key_path.chmod(0o600)
        argv = (str(program), *arguments, "--host", str(socket_path), "--api-key-file", str(key_path))
        argv = (*argv, "--offline", "--no-ui", "-lv", "4")
        # Passive: threads that spin at barriers take 25 times as long when the machine is busy (a compiler, say).
        environment = clean_environment(os.environ, home=work_dir, extra={"OMP_WAIT_POLICY": "PASSIVE"})
        self._child = await spawn(ChildSpec(argv, "llama-server", work_dir, environment, on_line=self._on_line))
        self._upstream = Upstream(socket_path, key)
        try:
            await self._wait_healthy()
            yield self
        finally:
            self._upstream.close()
            await self._child.stop(grace_s=2.0)
