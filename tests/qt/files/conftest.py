"""A real service with the tiny model, folders to index, and a window on the Files page."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from desktop.client import Client
from desktop.paths import Paths, find_paths
from desktop.qt.files.page import FilesPage
from desktop.qt.shell import MainWindow
from tests.qt.window.conftest import OpenWindow, open_window
from tests.qt.window.steps import until
from tests.service.running import RunningService, running

__all__ = ["OpenWindow", "open_window"]

PARROTS = """# Parrots

## Food

The blue parrot of Zug eats nothing but hazelnuts, and of those nine a day.

## Sleep

It sleeps in the clock tower.
"""
CODE = '''"""Where parrots are kept."""


def open_aviary(name: str) -> str:
    """Open the aviary of this name."""
    return f"aviary {name}"


def close_aviary(name: str) -> None:
    """Close it again."""
'''


@pytest.fixture(scope="module")
def files_home() -> Iterator[Paths]:
    root = Path(tempfile.mkdtemp(prefix="jd-"))
    paths = find_paths(root)
    paths.create()
    yield paths
    shutil.rmtree(root)


@pytest.fixture(scope="module")
def files_service(files_home: Paths, engine_bin: Path, tiny_chat_gguf: Path) -> Iterator[RunningService]:
    """One for all tests of a module; its children then belong to it and not to one test."""

    async def give(client: Client) -> None:
        await client.import_model(tiny_chat_gguf)
        await client.load_model("tiny-chat")

    with running(files_home, environ={"JACKDAW_ENGINE": os.fspath(engine_bin)}) as started:
        started.use(give)
        yield started


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two files to read, a secret, what is generated, and one that cannot be read; its name is of each test its own."""
    made = tmp_path / f"notes-{tmp_path.name}"
    (made / "src").mkdir(parents=True)
    (made / "parrots.md").write_text(PARROTS)
    (made / "src" / "aviary.py").write_text(CODE)
    (made / ".env").write_text("TOKEN=1\n")
    (made / "node_modules" / "x").mkdir(parents=True)
    (made / "node_modules" / "x" / "index.js").write_text("x()\n")
    (made / "broken.pdf").write_bytes(b"%PDF-1.7\nno objects here\n")
    return made


@pytest.fixture
def files_window(open_window: OpenWindow, files_service: RunningService) -> MainWindow:
    """The window on the Files page."""
    files_service.paths.window_state.unlink(missing_ok=True)
    window = open_window(files_service.paths)
    window.resize(1440, 900)
    window.show_page("files")
    return window


@pytest.fixture
def page(files_window: MainWindow, qtbot: QtBot) -> FilesPage:
    until(qtbot, lambda: files_window.known_files.known)
    return files_window.files


@pytest.fixture
def indexed(page: FilesPage, folder: Path, qtbot: QtBot) -> FilesPage:
    """The page with the folder indexed as a collection of its name."""
    page.actions_of_files.new_collection(folder.name, [folder], {})
    until(qtbot, lambda: page.collection is not None and page.collection.name == folder.name)
    until(qtbot, lambda: page.collection is not None and page.collection.state == "ready" and page.collection.chunks)
    until(qtbot, lambda: len(page.view.files.rows) >= 3 and all(row.state != "waiting" for row in page.view.files.rows))
    return page
