"""A disk that fills up under a running service, stage by stage, on a tmpfs of 8 MB of its own.

The stages there are so far: a chat's question and answer, the load of a model, settings, an import, a download, and
the log.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from desktop.service.errors import body_of, status_of
from models.child import ChildSpec, spawn
from tests.service.running import CHECKOUT


def can_mount() -> bool:
    try:
        tried = subprocess.run(["unshare", "-Urm", "true"], capture_output=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return tried.returncode == 0


needs_namespaces = pytest.mark.skipif(
    not can_mount(), reason="this kernel gives users no mount namespace (unshare -Urm), so no disk can be filled"
)


@pytest.fixture
def run(engine_environ: dict[str, str], endless_chat_gguf: Path) -> Iterator[Callable[[str], dict[str, Any]]]:
    """Run one stage of full_disk.py and return what it saw."""
    folder = Path(tempfile.mkdtemp(prefix="jd-"))
    home, model = folder / "home", folder / "model.gguf"
    home.mkdir()
    shutil.copyfile(endless_chat_gguf, model)  # beside the small disk, and on one disk with the links to it

    def session(stage: str) -> dict[str, Any]:
        ended = subprocess.run(
            ["unshare", "-Urm", sys.executable, "-m", "tests.service.full_disk", stage, str(home), str(model)],
            cwd=CHECKOUT,
            env={**os.environ, **engine_environ},
            capture_output=True,
            text=True,
            timeout=150,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        seen: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
        return seen

    yield session
    shutil.rmtree(folder)


def goes_on(seen: dict[str, Any]) -> bool:
    """It ended well, what is stored is whole, it starts again, and nothing was a surprise to it."""
    assert (seen["exit"], seen["integrity"], seen["restarts"], seen["traceback"]) == (0, "ok", True, False), seen
    return True


def is_disk_full(told: dict[str, Any]) -> bool:
    assert (told["kind"], told["status"]) == ("disk_full", 507), told
    assert told["message"].endswith(".")
    assert "Make room on" in told["hint"]
    return True


@needs_namespaces
def test_a_question_that_cannot_be_stored_is_refused_and_old_messages_stay(
    run: Callable[[str], dict[str, Any]],
) -> None:
    seen = run("chat")
    assert is_disk_full(seen["full"])
    assert (seen["is_full"], seen["kept"], seen["usable"]) == (True, True, True)
    assert (seen["after"], seen["error"]) == ("complete", "")
    assert goes_on(seen)


@needs_namespaces
def test_an_answer_that_cannot_be_saved_is_told_to_its_end_and_says_so(run: Callable[[str], dict[str, Any]]) -> None:
    seen = run("answer")
    assert (seen["state"], seen["content"]) == ("failed", True)
    assert "could not be saved" in seen["error"]
    assert "Make room on the disk" in seen["hint"]
    assert seen["after"] == "complete"
    assert goes_on(seen)


@needs_namespaces
def test_a_model_is_not_loaded_without_room_for_its_key(run: Callable[[str], dict[str, Any]]) -> None:
    seen = run("load")
    assert is_disk_full(seen["full"])
    assert seen["after"] == "ready"
    assert goes_on(seen)


@needs_namespaces
def test_settings_that_cannot_be_saved_stay_as_they_were(run: Callable[[str], dict[str, Any]]) -> None:
    seen = run("settings")
    assert is_disk_full(seen["full"])
    assert (seen["kept"], seen["told"], seen["leftovers"]) == (True, "dark", [])
    assert seen["after"] == "light"
    assert goes_on(seen)


@needs_namespaces
def test_an_import_that_cannot_be_stored_is_refused(run: Callable[[str], dict[str, Any]]) -> None:
    seen = run("import")
    assert is_disk_full(seen["full"])
    assert seen["after"] == 1
    assert goes_on(seen)


@needs_namespaces
def test_a_log_without_room_loses_lines_and_goes_on_later(run: Callable[[str], dict[str, Any]]) -> None:
    seen = run("log")
    assert seen["beyond_the_page"] == 0
    assert seen["usable"] == "ok"
    assert seen["killed"] == 1
    assert seen["after"] == "ready"
    assert goes_on(seen)


@pytest.mark.accept(36)
@needs_namespaces
def test_a_download_without_room_rests_with_the_numbers_and_goes_on_when_there_is(
    run: Callable[[str], dict[str, Any]],
) -> None:
    seen = run("download")
    for job in (seen["before"], seen["midway"]):
        assert (job["state"], job["details"]["kind"], job["can_resume"]) == ("paused", "disk_full", True), job
        assert job["details"]["needed_bytes"] > job["details"]["free_bytes"] >= 0
        assert job["error"].endswith(".")
        assert job["hint"]
    assert seen["asked"] == 0  # that there is no room was known before anything was fetched
    assert (seen["listed"], seen["after"]) == (0, "done"), seen
    assert (seen["whole"], seen["partial"]) == ([True], [])
    assert goes_on(seen)


def test_a_full_disk_is_no_mistake_of_ours() -> None:
    error = OSError(28, "No space left on device", "/data/settings.toml")
    told = body_of(error)
    assert (told.kind, status_of(error)) == ("disk_full", 507)
    assert "/data/settings.toml" in told.message
    assert told.hint


def test_a_child_that_cannot_be_noted_down_is_not_left_running(tmp_path: Path) -> None:
    in_the_way = tmp_path / "children"
    in_the_way.write_text("a file where the folder should be")

    async def start() -> None:
        sleep = shutil.which("sleep")
        assert sleep is not None
        with pytest.raises(OSError, match="children"):
            await spawn(ChildSpec(argv=(sleep, "600"), name="sleep", cwd=tmp_path, environment={}, pidfiles=in_the_way))
        assert [child for child in psutil.Process().children() if "600" in child.cmdline()] == []

    asyncio.run(start())
