"""What is said when something crashes holds no key and nothing of what was said to a model."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil
import pytest

from desktop.client import Client
from desktop.paths import Paths
from tests.service.running import RunningService

SAID_TO_THE_MODEL = "the-vault-opens-with-9174"
PLANTED = "correct-horse-battery-staple-31177"


def told(service: RunningService, key: str, model: str, crash: Callable[[], None]) -> str:
    """What comes of a stream that would go on for many seconds, with this crash after its first event."""
    body = {
        "model": model,
        "messages": [{"role": "user", "content": SAID_TO_THE_MODEL}],
        "stream": True,
        "ignore_eos": True,
    }
    headers = {"Authorization": f"Bearer {key}"}
    text = ""
    with (
        httpx.Client(base_url=f"http://127.0.0.1:{service.port}", headers=headers, trust_env=False) as client,
        client.stream("POST", "/v1/chat/completions", json=body, timeout=30) as response,
    ):
        assert response.status_code == 200
        with contextlib.suppress(httpx.TransportError):  # it must not end cleanly
            for piece in response.iter_text():
                if not text:
                    crash()
                text += piece
            pytest.fail("the stream ended as if it were complete")
    return text


@pytest.mark.accept(23)
def test_crashes_of_engine_and_service_tell_no_secret(
    home: Paths, engine_environ: dict[str, str], endless_chat_gguf: Path
) -> None:
    service = RunningService(home, environ={**engine_environ, "OPENAI_API_KEY": PLANTED, "HF_TOKEN": PLANTED})
    try:
        service.wait_until_listening()

        async def prepare(client: Client) -> tuple[str, str]:
            return (await client.new_key("editor")).secret, (await client.import_model(endless_chat_gguf)).id

        key, model = service.use(prepare)
        argv: list[str] = []

        def crash_the_engine() -> None:
            (child,) = service.children()
            argv.extend((*child.cmdline(), *psutil.Process(service.process.pid).cmdline()))
            child.send_signal(signal.SIGSEGV)

        first = told(service, key, model, crash_the_engine)
        assert "SIGSEGV" in first
        log_of_the_engine = service.use(lambda client: client.model_log(model))
        second = told(service, key, model, lambda: service.process.send_signal(signal.SIGABRT))
        assert service.process.wait(20) == -signal.SIGABRT
    finally:
        service.close()
    assert "Fatal Python error: Aborted" in service.said
    everything = "\n".join((*argv, first, second, str(log_of_the_engine), service.said))
    files = {path: path.read_bytes() for path in home.data.rglob("*") if path.is_file()}
    assert (home.logs / "service.log") in files
    for secret in (key, PLANTED, SAID_TO_THE_MODEL):
        assert secret not in everything
        assert [path for path, content in files.items() if os.fsencode(secret) in content] == []
