"""Ending a service that is in the middle of an answer: once to be gentle, twice to be quick."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
import time
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from desktop.client import Client
from desktop.paths import Paths
from desktop.service.app import ANSWER_GRACE_S
from models import database_files as files
from tests.service.running import RunningService, eventually

QUESTION = {"messages": [{"role": "user", "content": "write for ever"}], "max_tokens": 30_000, "stream": True}


class LongAnswer:
    """A program that reads an endless answer from the port; `pieces` counts what it has got."""

    def __init__(self, service: RunningService, model_id: str, secret: str) -> None:
        self._url = f"http://127.0.0.1:{service.port}/v1/chat/completions"
        self._request: dict[str, Any] = {**QUESTION, "model": model_id}
        self._headers = {"authorization": f"Bearer {secret}"}
        self.pieces = 0

    async def read(self) -> None:
        timeout = httpx.Timeout(60)
        async with (
            httpx.AsyncClient(trust_env=False, timeout=timeout) as http,
            http.stream("POST", self._url, content=json.dumps(self._request), headers=self._headers | JSON) as response,
        ):
            assert response.status_code == 200
            async for _ in response.aiter_bytes():
                self.pieces += 1

    async def more(self) -> None:
        """Returns once something has come that had not."""
        before = self.pieces
        while self.pieces == before:
            await asyncio.sleep(0.01)


JSON = {"content-type": "application/json"}


def takes_connections(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


async def hold_model(client: Client, service: RunningService, gguf: Path) -> LongAnswer:
    model = await client.import_model(gguf)
    await client.load_model(model.id)
    return LongAnswer(service, model.id, (await client.new_key("reader")).secret)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_waits_for_no_answer(
    home: Paths, engine_environ: dict[str, str], endless_chat_gguf: Path, number: signal.Signals
) -> None:
    service = RunningService(home, environ=engine_environ)
    try:
        service.wait_until_listening()

        async def run(client: Client) -> float:
            answer = await hold_model(client, service, endless_chat_gguf)
            reading = asyncio.create_task(answer.read())
            await asyncio.wait_for(answer.more(), 30)
            began = time.monotonic()
            service.process.send_signal(number)
            await asyncio.to_thread(eventually, lambda: not takes_connections(service.port))
            await asyncio.wait_for(answer.more(), 10)  # one signal leaves a running answer its time
            assert service.process.poll() is None
            service.process.send_signal(number)
            await asyncio.to_thread(service.process.wait, 20)
            with contextlib.suppress(httpx.HTTPError):
                await reading
            return time.monotonic() - began

        assert service.use(run) < ANSWER_GRACE_S
        assert service.process.returncode == 0
    finally:
        service.close()
    assert not home.control_socket.exists()
    assert not home.runtime_file.exists()
    assert not list(home.children.iterdir())
    assert not home.database.with_name("jackdaw.db-wal").exists()
    assert files.schema_version(home.database) > 0
    assert "Traceback" not in service.said + (home.logs / "service.log").read_text()


def test_a_second_signal_also_ends_a_service_whose_engine_hangs(
    home: Paths, engine_environ: dict[str, str], endless_chat_gguf: Path
) -> None:
    service = RunningService(home, environ=engine_environ)
    try:
        service.wait_until_listening()

        async def run(client: Client) -> list[psutil.Process]:
            answer = await hold_model(client, service, endless_chat_gguf)
            reading = asyncio.create_task(answer.read())
            await asyncio.wait_for(answer.more(), 30)
            children = await asyncio.to_thread(service.children)
            for child in children:
                child.suspend()
            service.process.send_signal(signal.SIGTERM)
            await asyncio.to_thread(eventually, lambda: not takes_connections(service.port))
            service.process.send_signal(signal.SIGTERM)
            await asyncio.to_thread(service.process.wait, 20)
            with contextlib.suppress(httpx.HTTPError):
                await reading
            return children

        children = service.use(run)
        assert children
        assert service.process.returncode == 0
        assert not any(child.is_running() for child in children)
    finally:
        service.close()
