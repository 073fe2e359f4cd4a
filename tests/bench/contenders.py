"""What the benches compare: our service, a bare llama-server, llama-cpp-python's server, and the load generator.

Each is a process of its own, started the way its users start it, and stopped at the end whatever happens.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from desktop.client import Client
from desktop.paths import Paths, find_paths
from models.llamacpp import EngineBuild, binary

CHECKOUT = Path(__file__).resolve().parent.parent.parent
START_TIMEOUT_S = 180.0
LINE_LIMIT = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Server:
    """Something that streams chats: where it listens, and the processes whose CPU time is its cost."""

    name: str
    port: int
    key: str
    model: str
    pids: tuple[int, ...]

    def cpu_s(self) -> float:
        """CPU seconds its processes have used since they started."""
        total = 0.0
        for pid in self.pids:
            with suppress(psutil.NoSuchProcess):
                times = psutil.Process(pid).cpu_times()
                total += times.user + times.system
        return total


class LoadClient:
    """The load generator of load_client.py, kept running between rounds."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def stream(
        self, server: Server, *, clients: int, requests: int, tokens: int, prompt: str = "Once upon a time"
    ) -> dict[str, Any]:
        """Run one order; raises RuntimeError when any stream did not end with [DONE]."""
        order = {
            "host": "127.0.0.1",
            "port": server.port,
            "key": server.key,
            "model": server.model,
            "clients": clients,
            "requests": requests,
            "tokens": tokens,
            "prompt": prompt,
            "ban": END_TOKENS,
        }
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        answer: dict[str, Any] = json.loads(await self._process.stdout.readline())
        if answer["bad"]:
            raise RuntimeError(f"{server.name}: {answer['bad'][0]}")
        return answer


# The special tokens of the models that models/tiny_model.py writes: without a ban an untrained model may end at once.
END_TOKENS: list[int] = list(range(256, 259))


@asynccontextmanager
async def load_client() -> AsyncIterator[LoadClient]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.bench.load_client",
        cwd=CHECKOUT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=LINE_LIMIT,
    )
    try:
        yield LoadClient(process)
    finally:
        process.kill()
        await process.wait()


@asynccontextmanager
async def bare_llama_server(
    build: EngineBuild, model: Path, arguments: tuple[str, ...] = (), environ: Mapping[str, str] | None = None
) -> AsyncIterator[Server]:
    """llama-server on a TCP port, as it comes apart from `arguments` and `environ`."""
    port = free_port()
    argv = [str(binary(build, "llama-server")), "-m", str(model), "--port", str(port), "--no-ui", *arguments]
    async with _process(argv, {**os.environ, **(environ or {})}) as process:
        await _until_healthy(f"http://127.0.0.1:{port}/health", process)
        yield Server("llama-server", port, "none", model.stem, (process.pid,))


@asynccontextmanager
async def bindings_server(build: EngineBuild, model: Path, context: int) -> AsyncIterator[Server]:
    """`python -m llama_cpp.server`, on the same libraries as everybody else."""
    port = free_port()
    argv = [sys.executable, "-m", "llama_cpp.server", "--model", str(model), "--port", str(port)]
    environ = {**os.environ, "LLAMA_CPP_LIB_PATH": str(build.lib_dir)}
    async with _process([*argv, "--n_ctx", str(context)], environ) as process:
        await _until_healthy(f"http://127.0.0.1:{port}/v1/models", process)
        yield Server("llama_cpp.server", port, "none", model.stem, (process.pid,))


@asynccontextmanager
async def our_service(
    home: Path, model: Path, settings: Mapping[str, Any] | None = None, environ: Mapping[str, str] | None = None
) -> AsyncIterator[tuple[Server, Client, Paths]]:
    """The real service with `model` imported, loaded and a key made."""
    async with started_service(home, settings, environ) as (process, port, client, paths):
        row = await client.import_model(model)
        loaded = await client.load_model(row.id)
        key = await client.new_key("bench")
        children = tuple(child.pid for child in psutil.Process(process.pid).children(recursive=True))
        yield Server("Jackdaw", port, key.secret, loaded.id, (process.pid, *children)), client, paths


@asynccontextmanager
async def started_service(
    home: Path, settings: Mapping[str, Any] | None = None, environ: Mapping[str, str] | None = None
) -> AsyncIterator[tuple[asyncio.subprocess.Process, int, Client, Paths]]:
    """The real service without a model: its process, its port, a client, its paths. Stopped at the end."""
    paths = find_paths(home)
    argv = [sys.executable, "-m", "desktop", "serve", "--port", "0", "--home", str(home)]
    async with _process(argv, {**os.environ, **(environ or {})}) as process, Client(paths.control_socket) as client:
        port = await _listening_port(process)
        if settings:
            await client.patch_settings(dict(settings))
        yield process, port, client, paths
        await client.stop()
        await process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def _process(argv: list[str], environ: Mapping[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *argv, cwd=CHECKOUT, env=dict(environ), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), 10)
            except TimeoutError:
                process.kill()
        await process.wait()


async def _listening_port(process: asyncio.subprocess.Process) -> int:
    assert process.stdout is not None
    async with asyncio.timeout(START_TIMEOUT_S):
        while line := await process.stdout.readline():
            if line.startswith(b"listening on http://"):
                return int(line.split(b":")[2].split()[0])
    raise RuntimeError("the service ended before it listened")


async def _until_healthy(url: str, process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(START_TIMEOUT_S):
        while not await asyncio.to_thread(_answers, url):
            if process.returncode is not None:
                raise RuntimeError(f"{url}: the server ended with exit code {process.returncode}")
            await asyncio.sleep(0.1)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False
