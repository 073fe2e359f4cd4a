"""A real service that knows a Hub of our own, and a window on it."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from desktop.client import Client
from desktop.paths import Paths, find_paths
from desktop.qt.models.page import ModelsPage
from desktop.qt.shell import MainWindow
from tests.fake_hub import FakeHub
from tests.qt.window.conftest import OpenWindow, open_window
from tests.qt.window.steps import until
from tests.service.running import RunningService, running

__all__ = ["OpenWindow", "open_window"]

TINY, GATED, WEIGHTS, MANY = "acme/Tiny-Chat-GGUF", "acme/Locked-GGUF", "acme/Weights-Only", 60
CARD = b"""---
license: mit
---
# Tiny

<script>alert(1)</script>

![spy](https://tracker.example/pixel.png) [site](https://example.com)
"""


@pytest.fixture(scope="module")
def hub_port() -> int:
    """One port for the hubs of a module: the service knows its address from the settings."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.fixture
def hub(hub_port: int, tiny_chat_gguf: Path) -> Iterator[FakeHub]:
    """Repos to find: one that runs, one that is gated, one without GGUF, and sixty of the same name.

    Of each test its own: the service keeps connections open, and those end with the hub.
    """
    with FakeHub(port=hub_port) as started:
        files: dict[str, Path | bytes] = {"README.md": CARD}
        files |= dict.fromkeys(("tiny-Q8_0.gguf", "tiny-Q4_K_M.gguf"), tiny_chat_gguf)
        started.add_repo(TINY, files, licence="mit", tags=["gguf"])
        started.add_repo(GATED, {"tiny-Q8_0.gguf": tiny_chat_gguf}, gated="manual", licence="llama3", tags=["gguf"])
        started.add_repo(WEIGHTS, {"model.bin": b"0" * 64, "config.json": b"{}"}, licence="mit")
        for number in range(MANY):
            started.add_repo(f"many/Flock-{number:02}", {"a-Q8_0.gguf": tiny_chat_gguf}, licence="mit", tags=["gguf"])
        yield started


@pytest.fixture(scope="module")
def hub_home(hub_port: int) -> Iterator[Paths]:
    root = Path(tempfile.mkdtemp(prefix="jd-"))
    paths = find_paths(root)
    paths.create()
    paths.settings.write_text(f'version = 1\nport = 0\nhub_endpoint = "http://127.0.0.1:{hub_port}"\n')
    yield paths
    shutil.rmtree(root)


@pytest.fixture(scope="module")
def hub_service(hub_home: Paths, engine_bin: Path) -> Iterator[RunningService]:
    """The service; its home holds no other program's models, so that none of this machine's are found."""
    environ = {"JACKDAW_ENGINE": os.fspath(engine_bin), "HOME": os.fspath(hub_home.data)}
    with running(hub_home, environ=environ) as started:
        yield started


@pytest.fixture
def hub_window(open_window: OpenWindow, hub: FakeHub, hub_service: RunningService) -> MainWindow:
    """The window on the Models page, with an empty library and no faults."""

    async def forget_all(client: Client) -> None:
        await client.patch_settings({"air_gapped": False})
        for model in await client.models():
            await client.remove_model(model.id)

    hub_service.use(forget_all)
    hub_service.paths.window_state.unlink(missing_ok=True)
    window = open_window(hub_service.paths)
    window.resize(1440, 900)
    window.show_page("models")
    return window


@pytest.fixture
def page(hub_window: MainWindow, qtbot: QtBot) -> ModelsPage:
    until(qtbot, lambda: hub_window.models.known.disk)
    return hub_window.models
