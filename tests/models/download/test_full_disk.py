"""A disk that is full, or fills up while a file comes: told with numbers, old data untouched, gone on with later."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.models.download.full_disk import CONTENT


def can_mount() -> bool:
    try:
        tried = subprocess.run(["unshare", "-Urm", "true"], capture_output=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return tried.returncode == 0


needs_namespaces = pytest.mark.skipif(
    not can_mount(), reason="this kernel gives users no mount namespace (unshare -Urm), so no disk can be filled"
)


def session(stage: str, folder: Path) -> dict[str, Any]:
    folder.mkdir()
    command = ["unshare", "-Urm", sys.executable, "-m", "tests.models.download.full_disk", stage, str(folder)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    seen: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return seen


@needs_namespaces
@pytest.mark.accept(36)
def test_on_a_full_disk_nothing_is_asked_for_and_the_numbers_are_told(tmp_path: Path) -> None:
    seen = session("before", tmp_path / "disk")
    assert seen["full"]["needed"] == len(CONTENT)
    assert seen["full"]["free"] < len(CONTENT)
    assert "MB" in seen["full"]["message"]
    assert (seen["asked"], seen["left"]) == (0, [])
    assert seen["after"] and seen["old"]
    assert seen["files"] == ["model.gguf", "old.gguf"]


@needs_namespaces
@pytest.mark.accept(36)
def test_a_disk_that_fills_up_pauses_the_download_and_it_goes_on_later(tmp_path: Path) -> None:
    seen = session("during", tmp_path / "disk")
    assert 0 < seen["full"]["needed"] < len(CONTENT)
    ((name, done),) = seen["kept"]
    assert name == "model.gguf"
    assert done > len(CONTENT) // 4
    assert seen["again"] == len(CONTENT) - done
    assert seen["after"] and seen["old"]
    assert seen["files"] == ["model.gguf", "old.gguf"]
