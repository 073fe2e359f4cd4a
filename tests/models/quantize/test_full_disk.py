"""A disk that is full, or fills up midway, on a tmpfs of 8 MB of its own: quantize, matrix, split, logits."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.service.test_full_disk import needs_namespaces

CHECKOUT = Path(__file__).resolve().parents[3]


@pytest.mark.accept(36)
@needs_namespaces
@pytest.mark.parametrize(
    ("stage", "made"),
    [
        ("quantize", ["Tiny-Q6_K.gguf", "Tiny-Q8_0.gguf"]),
        ("imatrix", ["m.gguf"]),
        ("split", [f"Tiny-F16-0000{number}-of-00003.gguf" for number in (1, 2, 3)]),
        ("logits", ["a.logits"]),
    ],
)
def test_a_full_disk_leaves_old_data_and_works_again_with_room(
    stage: str, made: list[str], tmp_path: Path, tiny_chat_gguf: Path
) -> None:
    folder, source = tmp_path / "disk", tmp_path / "Tiny-F16.gguf"
    folder.mkdir()
    source.symlink_to(tiny_chat_gguf)

    seen = run(stage, folder, source)

    for moment in ("before", "midway"):
        assert seen[moment]["kind"] == "disk_full", seen[moment]
        assert seen[moment]["needed_bytes"] > seen[moment]["free_bytes"]
        assert " are free." in seen[moment]["message"]
        assert seen[moment]["hint"].startswith("Free ")
        assert seen[f"kept_{moment}"]["same"]
    assert seen["after"] == {}
    assert seen["made"]["new"] == made


def run(stage: str, folder: Path, source: Path) -> dict[str, Any]:
    ended = subprocess.run(
        ["unshare", "-Urm", sys.executable, "-m", "tests.models.quantize.full_disk", stage, str(folder), str(source)],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    seen: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return seen
